import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';

/** What it does to what passes. Nothing is ever changed, nor put in another order. */
export type Mood = 'fair' | 'slow' | 'halving' | 'stalled' | 'away';

/** Milliseconds for which a slow one keeps each piece, at the most. */
const SLOW = 200;

/** Stands between clients and a server, knows nothing of HTTP, and is as bad as a network can be. */
export class SlowProxy {
  readonly #near = new Set<Socket>();
  #mood: Mood = 'fair';
  #waiting: (() => void)[] = [];

  private constructor(
    private readonly port: () => number,
    readonly url: string,
  ) {}

  /**
   * @param port where it leads, looked up for each connection where it is a function
   * @param random gives numbers from 0 to 1
   */
  static async start(t: Test, port: number | (() => number), random: () => number): Promise<SlowProxy> {
    const server = createServer((client) => proxy.#join(client, random)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new SlowProxy(
      typeof port === 'number' ? () => port : port,
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    );
    t.teardown(() => {
      server.close();
      proxy.#waiting.splice(0).forEach((wake) => wake());
      proxy.cut();
    });
    return proxy;
  }

  /** Connections that are open through it. */
  get open(): number {
    return this.#near.size;
  }

  /** 'away' cuts all connections, and takes no new ones. */
  become(mood: Mood): void {
    this.#mood = mood;
    if (mood === 'away') this.cut();
    if (mood !== 'stalled') this.#waiting.splice(0).forEach((wake) => wake());
  }

  /** Breaks all connections, every other one with a reset. */
  cut(): void {
    let odd = false;
    for (const client of this.#near) {
      odd = !odd;
      if (odd) client.resetAndDestroy();
      else client.destroy();
    }
  }

  #join(client: Socket, random: () => number): void {
    if (this.#mood === 'away') {
      client.destroy();
      return;
    }
    const upstream = connect(this.port(), '127.0.0.1');
    this.#near.add(client);
    const end = () => {
      this.#near.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', end).on('close', end);
      // What was handed over goes out first.
      from.on('end', () => void last.then(() => to.end()));
      let last = Promise.resolve();
      from.on('data', (piece) => {
        from.pause();
        last = this.#pass(piece, to, random).then(() => void from.resume());
      });
    }
  }

  async #pass(piece: Buffer, to: Socket, random: () => number): Promise<void> {
    if (this.#mood === 'halving' && piece.length > 1) {
      const middle = 1 + Math.floor(random() * (piece.length - 1));
      await write(piece.subarray(0, middle), to);
      // So that it goes out before the other half is there.
      await pause(1);
      return write(piece.subarray(middle), to);
    }
    if (this.#mood === 'slow') await pause(random() * SLOW);
    while (this.#mood === 'stalled') await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return write(piece, to);
  }
}

/** Resolves when more can be written, or nothing can be any more. */
async function write(piece: Buffer, to: Socket): Promise<void> {
  if (to.destroyed || to.write(piece)) return;
  await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
}
