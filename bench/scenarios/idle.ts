import {
  type Extent,
  measure,
  openStreams,
  pause,
  type Readers,
  scaled,
  type Scenario,
  settled,
  shares,
} from './scenario.js';

/** Streams that only are there. */
export function idle(extent: Extent): Scenario {
  const streams = scaled(10_000, extent);
  return {
    name: 'idle 10000',
    lead: 'KiB/stream',
    async run(server) {
      // What the first streams bring once is not the price of a stream.
      const first = await openStreams(server, Math.ceil(streams / 100), 'addressed');
      first.leave();
      await pause(extent.warmUp);
      const before = await server.usage();
      let readers: Readers | undefined;
      const span = await measure(server, async () => (readers = await openStreams(server, streams, 'addressed')));
      await settled();
      await pause(extent.measure);
      const after = await server.usage();
      readers?.assertOpen();
      readers?.leave();
      return {
        'KiB/stream': (after.memory - before.memory) / streams / 1024,
        'connects/s': streams / span.seconds,
        'CPU µs/connect': (span.serverCpu * 1e6) / streams,
        ...shares(span),
      };
    },
  };
}
