import { createConnection } from 'node:net';
import { EngineUnusable } from '../engine.js';
import type { Link } from './link.js';

/** From this version on, servers that keep replicas do not lose acknowledged messages when their leader is killed. */
const SAFE = [2, 10] as const;

/** For how many milliseconds the first line of a server is waited for. */
const PATIENCE = 1_000;

/** How often the servers are asked again, and how often after one was found that is too old. Milliseconds. */
const ASK_EVERY = 30_000;
const ASK_AGAIN = 2_000;

/** No server introduces itself in more bytes. */
const LONGEST = 65_536;

/**
 * Keeps a node from using replicas on servers that lose acknowledged messages. Clients see the version of one server only, and
 * each introduces itself before it asks for credentials: so all that are known by their addresses are asked.
 */
export class ServerVersions {
  #timer: NodeJS.Timeout | undefined;
  #asking = false;
  #closed = false;

  /** @param servers the addresses that the operator gave, each `HOST:PORT` */
  constructor(
    private readonly link: Link,
    private readonly servers: readonly string[],
  ) {}

  /** @throws EngineUnusable when one is too old */
  async assertSafe(): Promise<void> {
    const unsafe = await this.#findUnsafe();
    if (unsafe !== undefined) throw new EngineUnusable(unsafe);
  }

  /**
   * Asks again from time to time, and whenever the connection or the servers change: while one is too old this node serves nothing.
   * @param warn called with one line when that begins
   */
  watch(warn: (line: string) => void): void {
    this.link.listen({ doubt: () => void this.#ask(warn) });
    this.#later(warn, ASK_EVERY);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #later(warn: (line: string) => void, wait: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#ask(warn), wait).unref();
  }

  async #ask(warn: (line: string) => void): Promise<void> {
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    const unsafe = (await this.#findUnsafe()) ?? null;
    if (unsafe !== null && this.link.unsafe === null) warn(unsafe);
    this.link.unsafe = unsafe;
    this.#asking = false;
    this.#later(warn, unsafe === null ? ASK_EVERY : ASK_AGAIN);
  }

  async #findUnsafe(): Promise<string | undefined> {
    const { info } = this.link.nc;
    const others = new Set([...this.servers, ...(info?.connect_urls ?? [])]);
    const versions = await Promise.all([...others].map(versionAt));
    const old = [this.link.version, ...versions].find((version) => version !== undefined && !isSafe(version));
    if (old === undefined) return undefined;
    return (
      `NATS ${old} loses acknowledged messages when a leader is killed, in spite of replicas. Use 2.10 or newer on all servers, ` +
      'or --replicas 1; --allow-unsafe-nats uses it all the same.'
    );
  }
}

function isSafe(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > SAFE[0] || (major === SAFE[0] && minor >= SAFE[1]);
}

/** What the server at this address says of itself; undefined where none answers. */
function versionAt(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(`nats://${address}`);
    const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
    let text = '';
    const end = (version?: string) => {
      socket.destroy();
      resolve(version);
    };
    socket.setTimeout(PATIENCE, () => end());
    socket.on('error', () => end());
    socket.on('end', () => end());
    socket.setEncoding('utf8').on('data', (data: string) => {
      text += data;
      if (text.includes('\n')) end(/^INFO \{.*"version":"(\d+\.\d+[^"]*)"/.exec(text)?.[1]);
      else if (text.length > LONGEST) end();
    });
  });
}
