import { jetstream, type JetStreamClient, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { EngineUnavailable, EngineUnusable } from '../engine.js';
import type { NatsAddress } from './address.js';

/** How long a request to JetStream may take, in milliseconds. */
const REQUEST_TIMEOUT = 2_000;

/** Between two attempts to connect again, in milliseconds. */
const RECONNECT_EVERY = 250;

/** How often the connection is tried out, in milliseconds: with the two that may go unanswered, a dead one is found in six seconds. */
const PING_EVERY = 2_000;

/** What happens to a connection that others have to know of. They must not throw. */
export interface LinkListener {
  /** Nothing can be asked for any more, and what is under way will not be answered. */
  down?(): void;
  /** Something published may not have come here. */
  doubt(): void;
}

/** The connection to NATS, which comes back by itself when it is lost. */
export class Link {
  readonly js: JetStreamClient;
  readonly #listeners: LinkListener[] = [];
  #trouble: string | null = null;
  #silence: string | null = null;
  #closed = false;

  private constructor(
    readonly nc: NatsConnection,
    /** Asks whatever leads a stream, and nobody else: see {@link Reads} for what copies answer. */
    readonly jsm: JetStreamManager,
  ) {
    this.js = jetstream(nc, { timeout: REQUEST_TIMEOUT });
    void this.#observe();
  }

  /**
   * Connects, trying again until the time is over: NATS and InterChat may be started together.
   * @param patience in milliseconds
   * @param warn told once, with the reason, when the first attempt has failed
   * @throws EngineUnusable
   */
  static async open(address: NatsAddress, patience: number, warn: (warning: string) => void): Promise<Link> {
    const { servers, tls, credentials } = address;
    const until = performance.now() + patience;
    for (let first = true; ; first = false) {
      try {
        const nc = await connect({
          servers: [...servers],
          ...credentials,
          tls: tls ? {} : undefined,
          name: address.name,
          noRandomize: true,
          timeout: REQUEST_TIMEOUT,
          maxReconnectAttempts: -1,
          reconnectTimeWait: RECONNECT_EVERY,
          pingInterval: PING_EVERY,
          // A refusal of credentials while they are being changed must not end it for good.
          ignoreAuthErrorAbort: true,
        });
        return new Link(nc, await jetstreamManager(nc, { checkAPI: false, timeout: REQUEST_TIMEOUT }));
      } catch (error) {
        const reason = `NATS at ${servers.join(', ')} cannot be reached: ${(error as Error).message}`;
        if (performance.now() > until) {
          throw new EngineUnusable(`${reason}. Start it, or give another address: --engine or INTERCHAT_ENGINE.`, {
            cause: error,
          });
        }
        if (first) warn(`${reason}; trying again`);
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_EVERY));
      }
    }
  }

  /** The largest message that the servers take, in bytes. */
  get maxPayload(): number {
    return this.nc.info?.max_payload ?? 1_048_576;
  }

  /** The version of the server it is connected to, such as `2.10.27`. */
  get version(): string {
    return this.nc.info?.version ?? '';
  }

  /** Whether the server it is connected to is of this version or a later one. */
  isFrom(major: number, minor: number): boolean {
    const [itsMajor = 0, itsMinor = 0] = this.version.split('.').map(Number);
    return itsMajor > major || (itsMajor === major && itsMinor >= minor);
  }

  listen(listener: LinkListener): void {
    this.#listeners.push(listener);
  }

  /** Null while everything works; otherwise what does not. */
  get trouble(): string | null {
    return this.#trouble ?? this.#silence;
  }

  /** What JetStream does not answer, though there is a connection; null when it does. */
  set silence(silence: string | null) {
    this.#silence = silence;
  }

  get isShut(): boolean {
    return this.#closed;
  }

  /** Whether there is a connection, whatever is behind it. */
  get isConnected(): boolean {
    return this.#trouble === null;
  }

  /** @throws EngineUnavailable when it is known that nothing works */
  assertUp(): void {
    if (this.trouble !== null) throw new EngineUnavailable(this.trouble);
  }

  /** Resolves when everything the server had for this connection so far has come. @throws EngineUnavailable */
  async flush(): Promise<void> {
    this.assertUp();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), REQUEST_TIMEOUT);
    });
    try {
      await asked(Promise.race([this.nc.flush(), late]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closed from the point of view of whoever calls, while what is under way goes on. */
  shut(): void {
    this.#closed = true;
    this.#trouble = 'the engine is closed';
  }

  async close(): Promise<void> {
    this.shut();
    await this.nc.close();
  }

  /** Something published may not have come. */
  doubt(): void {
    if (this.#closed) return;
    for (const listener of this.#listeners) listener.doubt();
  }

  async #observe(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (this.#closed) continue;
      switch (status.type) {
        case 'disconnect':
          this.#down('the connection to NATS is lost');
          break;
        case 'reconnect':
          this.#trouble = null;
          this.doubt();
          break;
        case 'close':
          this.#down('the connection to NATS is closed');
          break;
        // The server has told which others there are now: between it and one of them something may have been lost.
        case 'update':
        case 'slowConsumer':
        case 'staleConnection':
          this.doubt();
          break;
      }
    }
  }

  #down(trouble: string): void {
    this.#trouble = trouble;
    for (const listener of this.#listeners) listener.down?.();
    // From now on, not only from when it is back: what comes first then must not be told before what was missed.
    this.doubt();
  }
}

/** Has a call to JetStream fail as an engine does. A message that says what was asked for stays readable in its cause. */
export async function asked<Answer>(call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof EngineUnavailable ? error : unavailable(error);
  }
}

export function unavailable(error: unknown): EngineUnavailable {
  return new EngineUnavailable(`NATS does not do it: ${(error as Error).message}`, { cause: error });
}
