import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { type NatsCluster, natsFragile } from '../support/nats.js';
import { lastingPort } from '../support/port.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

/** An InterChat that comes back on its port. */
export class Node {
  #server: ServerProcess | undefined;

  private constructor(
    private readonly t: Test,
    private readonly folder: string,
    readonly port: number,
    private readonly engine: string,
    private readonly args: readonly string[],
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * @param number the NATS server that it connects to first
   * @param args further settings of `interchat serve`
   */
  static async start(
    t: Test,
    nats: NatsCluster,
    number: number,
    args: readonly string[] = ['--grace', '60'],
  ): Promise<Node> {
    const node = new Node(t, await temporaryFolder(t), await lastingPort(), nats.url(undefined, number), args);
    await node.start();
    return node;
  }

  async start(): Promise<void> {
    const args = ['--engine', this.engine, ...this.args, ...(natsFragile ? ['--allow-unsafe-nats'] : [])];
    this.#server = await spawnServer(this.t, { folder: this.folder, port: this.port, args });
  }

  /** Its process stands still, until SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#server?.process.kill(signal);
  }

  /** What it has printed since it started. */
  output(): string {
    return this.#server?.output() ?? '';
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.#server) throw new Error('it was not started');
    return this.#server.end(signal);
  }
}
