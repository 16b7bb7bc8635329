import { jetstream, type JetStreamClient, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { AuthorizationError, connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { EngineUnavailable, EngineUnusable } from '../engine.js';
import type { NatsAddress } from './address.js';

/** How long a request to JetStream may take, in milliseconds. */
const REQUEST_TIMEOUT = 2_000;

/** Between two attempts to connect again, in milliseconds. */
const RECONNECT_EVERY = 250;

/** How often the connection is tried out, in milliseconds: with the two that may go unanswered, a dead one is found in six seconds. */
const PING_EVERY = 2_000;

/** A process whose clock ticks come later than this stood still. Others take it for dead by then, see leases.ts. Milliseconds. */
const STANDSTILL = 2_000;
const TICK_EVERY = 200;

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
  #loss: string | null = null;
  #end: string | null = null;
  #unverified: string | null = null;
  /** How often this process has had reason to verify. */
  #doubts = 0;
  /** When the last tick was (performance.now); endless where nothing ticks. */
  #ticked = Infinity;
  #ticking: NodeJS.Timeout | undefined;
  #closed = false;

  /** Rejects with an EngineUnusable when NATS forbids a subject; never resolves. */
  readonly permitted: Promise<never>;
  #forbid: ((error: EngineUnusable) => void) | undefined;

  private constructor(
    readonly nc: NatsConnection,
    /** Asks whatever leads a stream, and nobody else: see {@link Reads} for what copies answer. */
    readonly jsm: JetStreamManager,
  ) {
    this.js = jetstream(nc, { timeout: REQUEST_TIMEOUT });
    this.permitted = new Promise((_, reject) => (this.#forbid = reject));
    // It may be that nothing waits for it.
    this.permitted.catch(() => undefined);
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
        if (error instanceof AuthorizationError && /authorization violation/i.test(error.message)) {
          throw new EngineUnusable(
            `NATS at ${servers.join(', ')} refuses ${shownAs(credentials)}. Give the right ones: --engine or INTERCHAT_ENGINE.`,
            { cause: error },
          );
        }
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

  /** Whether it is connected to one of several servers, that elect leaders. */
  get isClustered(): boolean {
    return this.nc.info?.cluster !== undefined;
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
    this.#tick();
    return this.#trouble ?? this.#end ?? this.unsafe ?? this.#loss ?? this.#unverified ?? this.#silence;
  }

  /** Why the servers must not be used; null when they may. */
  unsafe: string | null = null;

  /** What was lost of the streams; null when nothing was. */
  set loss(loss: string | null) {
    this.#loss = loss;
  }

  /** This node must not serve any more: the nodes beside it have other settings, or another log. */
  end(reason: string): void {
    this.#end ??= reason;
  }

  /** Why this node must not serve any more; null while it may. */
  get ended(): string | null {
    return this.#end;
  }

  /** From now on this process notices that it stood still. */
  watchClock(): void {
    this.#ticked = performance.now();
    this.#ticking = setInterval(() => this.#tick(), TICK_EVERY).unref();
  }

  /** How often there was reason to compare this node with the others; see {@link verified}. */
  get doubts(): number {
    return this.#doubts;
  }

  /** Whether this node has to compare itself with the others before it serves. */
  get isUnverified(): boolean {
    return this.#unverified !== null;
  }

  /** This node has compared itself with the others. @param doubts as {@link doubts} was before it began to */
  verified(doubts: number): void {
    if (doubts === this.#doubts) this.#unverified = null;
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#ticked > STANDSTILL) this.#unverify('this node stood still, and compares itself with the others');
    if (this.#ticked !== Infinity) this.#ticked = now;
  }

  #unverify(reason: string): void {
    this.#doubts++;
    this.#unverified = reason;
    this.doubt();
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

  /** For what a node does to find out whether it may serve. @throws EngineUnavailable when it is known that nothing works */
  assertUp(): void {
    const trouble = this.#trouble ?? this.#silence;
    if (trouble !== null) throw new EngineUnavailable(trouble);
  }

  /** For what a node does for others. @throws EngineUnavailable when it must not serve */
  assertServing(): void {
    const { trouble } = this;
    if (trouble !== null) throw new EngineUnavailable(trouble);
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
    clearInterval(this.#ticking);
    this.#ticked = Infinity;
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
          this.#unverify('the connection to NATS is back, and this node compares itself with the others');
          break;
        case 'close':
          this.#down('the connection to NATS is closed');
          break;
        // The server has told which others there are now: between it and one of them something may have been lost.
        case 'error':
          if (status.error instanceof PermissionViolationError) this.#forbidden(status.error);
          break;
        case 'update':
        case 'slowConsumer':
        case 'staleConnection':
          this.doubt();
          break;
      }
    }
  }

  #forbidden({ operation, subject }: PermissionViolationError): void {
    this.#forbid?.(
      new EngineUnusable(
        `NATS does not permit ${operation === 'publish' ? 'publishing to' : 'subscribing to'} "${subject}" with these credentials. Permit it in its configuration.`,
      ),
    );
  }

  #down(trouble: string): void {
    this.#trouble = trouble;
    for (const listener of this.#listeners) listener.down?.();
    // From now on, not only from when it is back: what comes first then must not be told before what was missed.
    this.doubt();
  }
}

/** What was given to NATS to be let in, without what it says. */
function shownAs(credentials: NatsAddress['credentials']): string {
  if (!credentials) return 'a connection without credentials';
  return 'token' in credentials ? 'the token' : 'the user or the password';
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
