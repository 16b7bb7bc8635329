import type { Server } from '../servers/server.js';
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
  type Span,
} from './scenario.js';

/** Streams that only are there: what they hold, and how fast they come, to a server that just began and to one that runs. */
export function idle(extent: Extent): Scenario {
  const streams = scaled(10_000, extent);
  return {
    name: 'idle 10000',
    lead: 'KiB/stream',
    async run(server) {
      // What the first streams bring once is not the price of a stream.
      await comeAndGo(server, Math.ceil(streams / 100));
      await pause(extent.warmUp);
      const before = await server.usage();
      const { span: cold, readers } = await come(server, streams);
      await settled();
      await pause(extent.measure);
      const after = await server.usage();
      readers.assertOpen();
      readers.leave();
      const warm = performance.now() + extent.warmUp;
      do await comeAndGo(server, streams / 2);
      while (performance.now() < warm);
      const span = await comeAndGo(server, streams);
      return {
        'KiB/stream': (after.memory - before.memory) / streams / 1024,
        'connects/s': streams / span.seconds,
        'CPU µs/connect': (span.serverCpu * 1e6) / streams,
        'connects/s at first': streams / cold.seconds,
        ...shares(span),
      };
    },
  };
}

async function come(server: Server, streams: number): Promise<{ readonly span: Span; readonly readers: Readers }> {
  const opened: Readers[] = [];
  const span = await measure(server, async () => opened.push(await openStreams(server, streams, 'addressed')));
  return { span, readers: opened[0] as Readers };
}

/** Opens so many streams and, when all are there, leaves them. What is measured is the opening. */
async function comeAndGo(server: Server, streams: number): Promise<Span> {
  const { span, readers } = await come(server, streams);
  readers.assertOpen();
  readers.leave();
  // What the server has to do when they leave is not the next ones' to wait for.
  await pause(500);
  return span;
}
