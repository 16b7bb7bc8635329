import { build } from 'hdr-histogram-js';
import { Publisher } from '../client/publisher.js';
import { received } from '../client/stream.js';
import {
  type Extent,
  measure,
  openStreams,
  pause,
  portsOf,
  scaled,
  type Scenario,
  settled,
  shares,
} from './scenario.js';

/** Deliveries a second. */
const RATE = 20_000;

/** From before a message is posted until each of 1,000 streams has it, at a rate that any server can keep. */
export function latency(extent: Extent): Scenario {
  const streams = scaled(1000, extent);
  return {
    name: 'latency 20000/s',
    lead: 'p99 ms',
    async run(server) {
      const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
      const readers = await openStreams(server, streams, 'shared');
      await settled();
      let measuring = false;
      const due = (text: string) => {
        const now = performance.now();
        for (const [, sentAt] of text.matchAll(/@(\d+\.\d{3})@/g)) {
          if (measuring) histogram.recordValue(Math.max(1, Math.round((now - Number(sentAt)) * 1000)));
        }
      };
      for (const { stream } of readers.all) stream.watch(due);
      const interval = (1000 * streams) / RATE;
      const ports = portsOf(server);
      const publishers = await Promise.all(
        Array.from({ length: 8 }, (_, n) => Publisher.open(ports[n % ports.length] ?? ports[0])),
      );
      let sent = 0;
      const before = received.events;
      const send = async (milliseconds: number) => {
        const began = performance.now();
        const posts: Promise<unknown>[] = [];
        for (let n = 0; n * interval < milliseconds; n++) {
          // When it is due, not when the one before is answered, so that a slow answer hides nothing.
          await pause(Math.max(0, began + n * interval - performance.now()));
          const publisher = publishers[n % publishers.length] as Publisher;
          posts.push(publisher.post(server.pathToAll, `@${performance.now().toFixed(3)}@${'x'.repeat(80)}`));
          sent++;
        }
        await Promise.all(posts);
      };
      await send(extent.warmUp);
      measuring = true;
      const span = await measure(server, () => send(extent.measure));
      await readers.received(sent * streams, before);
      readers.assertOpen();
      readers.leave();
      for (const publisher of publishers) publisher.close();
      return {
        'p99 ms': histogram.getValueAtPercentile(99) / 1000,
        'p50 ms': histogram.getValueAtPercentile(50) / 1000,
        'max ms': histogram.maxValue / 1000,
        'CPU µs/delivery': (span.serverCpu * 1e6) / span.events,
        ...shares(span),
      };
    },
  };
}
