import { ownCpu } from '../client/process.js';
import { received } from '../client/stream.js';
import type { Kind, Reader, Server } from '../servers/server.js';

/** What a run found, by the name of the figure. */
export type Figures = Readonly<Record<string, number>>;

export interface Scenario {
  /** As it is named on the command line, and in the table. */
  readonly name: string;
  /** The names of the servers that can do it; undefined when all can. */
  readonly only?: readonly string[];
  /** The figure by which servers are compared: of this one the ratios are printed. */
  readonly lead: string;
  run(server: Server): Promise<Figures>;
}

/** How long and how much is measured. */
export interface Extent {
  /** Milliseconds before anything is measured, and during which it is. */
  readonly warmUp: number;
  readonly measure: number;
  /** By what the numbers of streams and messages are divided. */
  readonly divisor: number;
}

/** So many streams or messages, or as few as are wanted of them. */
export function scaled(count: number, { divisor }: Extent): number {
  return Math.ceil(count / divisor);
}

/** Opens so many streams, some at a time. */
export async function openStreams(server: Server, count: number, kind: Kind): Promise<Readers> {
  const readers = new Readers();
  await inParallel(count, 64, async (n) => {
    readers.all[n] = await server.open(n, kind, readers.ended);
  });
  return readers;
}

/** Streams that are open. One that ends by itself spoils what is measured: see {@link Readers.assertOpen}. */
export class Readers {
  readonly all: Reader[] = [];
  #error: Error | undefined;

  readonly ended = (error: Error): void => void (this.#error ??= error);

  assertOpen(): void {
    if (this.#error) throw this.#error;
  }

  leave(): void {
    for (const { stream } of this.all) stream.leave();
  }

  /** Resolves when so many events have come in since `before`; throws when they do not come. */
  async received(count: number, before: number): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (received.events - before < count) {
      this.assertOpen();
      if (performance.now() > deadline) {
        throw new Error(`of ${count} events ${received.events - before} came`);
      }
      await pause(5);
    }
  }
}

/** What was used and received in a span of time. */
export interface Span {
  readonly seconds: number;
  readonly events: number;
  readonly serverCpu: number;
  readonly clientCpu: number;
  /** Of that of the server, what NATS took; undefined where there is none. */
  readonly natsCpu: number | undefined;
}

/** Measures what happens while this works. */
export async function measure(server: Server, work: () => Promise<unknown>): Promise<Span> {
  const before = { at: performance.now(), events: received.events, client: ownCpu(), server: await server.usage() };
  const natsBefore = await server.natsUsage?.();
  await work();
  const seconds = (performance.now() - before.at) / 1000;
  const events = received.events - before.events;
  const clientCpu = ownCpu() - before.client;
  const { cpu } = await server.usage();
  const natsAfter = await server.natsUsage?.();
  const natsCpu = natsBefore && natsAfter && natsAfter.cpu - natsBefore.cpu;
  return { seconds, events, serverCpu: cpu - before.server.cpu, clientCpu, natsCpu };
}

/** The shares of a core that both used: where the client has all of one, it is the client that was measured. */
export function shares({ seconds, serverCpu, clientCpu, natsCpu }: Span): Figures {
  const nats: Figures = natsCpu === undefined ? {} : { 'of it NATS %': (100 * natsCpu) / seconds };
  return { 'server %': (100 * serverCpu) / seconds, ...nats, 'client %': (100 * clientCpu) / seconds };
}

/** Does something for each number from 0, so many at a time. */
export async function inParallel(count: number, atATime: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: Math.min(atATime, count) }, lane));
}

/** All ports of a server, one at the least. */
export function portsOf({ port, ports: [first = port, ...others] = [] }: Server): readonly [number, ...number[]] {
  return [first, ...others];
}

/** Resolves when nothing more comes in. */
export async function settled(): Promise<void> {
  for (let before = -1; before !== received.bytes;) {
    before = received.bytes;
    await pause(200);
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A text of 100 bytes. */
export const TEXT = 'x'.repeat(100);
