import { Publisher } from '../client/publisher.js';
import { received, Stream } from '../client/stream.js';
import { openWelcomed } from '../servers/interchat.js';
import type { Server } from '../servers/server.js';
import { type Extent, inParallel, measure, Readers, scaled, type Scenario, shares, TEXT } from './scenario.js';

const MISSED = 100;

/** Streams come back that have missed 100 messages each, as an EventSource does; until all of them have all. */
export function resume(extent: Extent): Scenario {
  const streams = scaled(1000, extent);
  return {
    name: 'resume 1000x100',
    only: ['InterChat', 'interchat-nats', 'nginx + nchan'],
    lead: 'seconds',
    async run(server) {
      const back = await missed(server, streams);
      const readers = new Readers();
      const before = received.events;
      const span = await measure(server, async () => {
        await inParallel(streams, 64, async (n) => {
          readers.all[n] = { stream: await back(n, readers.ended), path: '' };
        });
        // And what either says first.
        await readers.received(streams * (MISSED + 1), before);
      });
      readers.leave();
      return { seconds: span.seconds, 'CPU µs/delivery': (span.serverCpu * 1e6) / (streams * MISSED), ...shares(span) };
    },
  };
}

type Back = (n: number, onEnd: (error: Error) => void) => Promise<Stream>;

/** Has 100 messages sent to each of so many streams while they are away. @returns how one of them comes back */
async function missed(server: Server, streams: number): Promise<Back> {
  const { port } = server;
  if (server.pathToAll.startsWith('/publish')) {
    // nchan keeps what is sent to a channel nobody reads.
    const paths = Array.from({ length: streams }, (_, n) => `/publish?id=${n}`);
    await post(port, paths);
    return (n, onEnd) => Stream.open({ port, path: `/oldest?id=${n}` }, onEnd);
  }
  const cursors: string[] = [];
  const paths: string[] = [];
  const leaving: Stream[] = [];
  await inParallel(streams, 64, async (n) => {
    const stream = await openWelcomed(
      port,
      '/events',
      {},
      () => undefined,
      (text) => {
        cursors[n] = /\nid: (.+)\n/.exec(text)?.[1] ?? '';
        paths[n] = `/clients/${/"index":(\d+)/.exec(text)?.[1]}/messages`;
      },
    );
    leaving.push(stream);
  });
  for (const stream of leaving) stream.leave();
  await post(port, paths);
  return (n, onEnd) => openWelcomed(port, '/events', { 'last-event-id': cursors[n] ?? '' }, onEnd, () => undefined);
}

async function post(port: number, paths: readonly string[]): Promise<void> {
  const idle = await Promise.all(Array.from({ length: 64 }, () => Publisher.open(port)));
  await inParallel(paths.length * MISSED, idle.length, async (n) => {
    const publisher = idle.pop() as Publisher;
    await publisher.post(paths[n % paths.length] as string, TEXT);
    idle.push(publisher);
  });
  for (const publisher of idle) publisher.close();
}
