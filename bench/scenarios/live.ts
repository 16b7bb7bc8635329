import { Publishing } from '../client/publisher.js';
import { received } from '../client/stream.js';
import {
  type Extent,
  type Figures,
  measure,
  openStreams,
  pause,
  portsOf,
  scaled,
  type Scenario,
  settled,
  shares,
  TEXT,
} from './scenario.js';
import type { Server } from '../servers/server.js';

/** Each message goes to all streams. */
export function fanOut(streams: number, publishers: number, extent: Extent): Scenario {
  return {
    name: `fan-out ${streams}x${publishers}`,
    lead: 'CPU µs/delivery',
    run: (server) => live(server, scaled(streams, extent), 'shared', publishers, extent),
  };
}

/** Each message goes to one of 1,000 streams. */
export function unicast(inFlight: number, extent: Extent): Scenario {
  return {
    name: `send 1000x${inFlight}`,
    lead: 'CPU µs/delivery',
    run: (server) => live(server, scaled(1000, extent), 'addressed', inFlight, extent),
  };
}

async function live(
  server: Server,
  streams: number,
  kind: 'shared' | 'addressed',
  inFlight: number,
  { warmUp, measure: milliseconds }: Extent,
): Promise<Figures> {
  const readers = await openStreams(server, streams, kind);
  await settled();
  const before = received.events;
  const publishing = await Publishing.start(portsOf(server), inFlight, (n) => ({
    path: kind === 'shared' ? server.pathToAll : (readers.all[n % streams]?.path ?? ''),
    body: TEXT,
  }));
  await pause(warmUp);
  const span = await measure(server, () => pause(milliseconds));
  await publishing.stop();
  // Whatever was acknowledged has to come, or it was not the work that was measured.
  await readers.received(publishing.sent * (kind === 'shared' ? streams : 1), before);
  readers.assertOpen();
  readers.leave();
  return {
    'CPU µs/delivery': (span.serverCpu * 1e6) / span.events,
    'deliveries/s': span.events / span.seconds,
    ...shares(span),
  };
}
