import { headers, type Msg, type MsgHdrs, type Subscription } from '@nats-io/transport-node';
import { EngineUnavailable } from '../engine.js';
import type { HighWater } from './high-water.js';
import type { Link } from './link.js';
import { type StorageFull, storageFull, type StoreError } from './storage-full.js';

interface Waiting {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
  due: number;
  /** See {@link HighWater.publish}. */
  published: number;
}

/** For how many milliseconds an answer is waited for. */
const TIMEOUT = 5_000;
const CHECK_EVERY = 250;

/** Between two looks at which writes are answered, in milliseconds. */
const LOOK_EVERY = 5;

/** How many may be unanswered at once: from 10,000 on a server begins to refuse. */
const MOST_UNDER_WAY = 3_000;

/** The header of a "nobody listens": the stream has no leader at this moment. */
const NO_RESPONDERS = 503;

/**
 * Publishes to JetStream and waits for what becomes of it, in the order of the calls. The client's own `publish` makes a
 * timer, a subscription's bookkeeping and a nuid for each message: this costs a third of it.
 */
export class Publisher {
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #underWay = new Map<string, Waiting>();
  readonly #queue: Waiting[] = [];
  readonly #timer: NodeJS.Timeout;
  #number = 0;
  /** Notices that an acknowledgement is of a stream that was lost; undefined where nothing is known of the streams yet. */
  highWater: HighWater | undefined;
  #drained: (() => void) | undefined;
  /** Called for each write that JetStream refuses for lack of room, before its promise rejects. Must not throw. */
  onFull: ((error: StorageFull) => void) | undefined;

  constructor(private readonly link: Link) {
    this.#inbox = `_INBOX.${crypto.randomUUID()}.`;
    this.#subscription = link.nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => (error ? undefined : this.#answered(message)),
    });
    link.listen({ down: () => this.#fail(), doubt: () => undefined });
    this.#timer = setInterval(() => this.#expire(), CHECK_EVERY);
    this.#timer.unref();
  }

  /**
   * Resolves with its sequence when it is stored on as many servers as have to have it.
   * @throws EngineUnavailable when it is not, or it is not known what became of it; StorageFull when there is no room for it
   */
  publish(subject: string, body: Uint8Array, headers?: MsgHdrs): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { subject, body, headers, resolve, reject, due: 0, published: 0 };
      if (this.#queue.length > 0 || this.#underWay.size >= MOST_UNDER_WAY) this.#queue.push(waiting);
      else this.#send(waiting);
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.#underWay.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Resolves when every write that was published before the call has its answer, or its time for one is over. */
  async answered(): Promise<void> {
    const next = this.#number;
    for (;;) {
      const [oldest] = this.#underWay.keys();
      if (oldest === undefined || Number(oldest) >= next) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY).unref());
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#fail();
    this.#subscription.unsubscribe();
  }

  #send(waiting: Waiting): void {
    const { subject, body, headers } = waiting;
    const number = String(this.#number++);
    waiting.due = performance.now() + TIMEOUT;
    waiting.published = this.highWater?.publish() ?? 0;
    try {
      this.link.nc.publish(subject, body, { reply: this.#inbox + number, headers });
    } catch (error) {
      waiting.reject(new EngineUnavailable(`NATS does not take it: ${(error as Error).message}`, { cause: error }));
      return;
    }
    this.#underWay.set(number, waiting);
  }

  #answered(message: Msg): void {
    const number = message.subject.slice(this.#inbox.length);
    const waiting = this.#underWay.get(number);
    if (!waiting) return;
    this.#underWay.delete(number);
    const next = this.#queue.shift();
    if (next) this.#send(next);
    if (message.headers?.code === NO_RESPONDERS) {
      waiting.reject(new EngineUnavailable('no NATS server leads the log at this moment'));
    } else {
      this.#settle(waiting, message);
    }
    this.#told();
  }

  #expire(): void {
    const now = performance.now();
    // All wait equally long, so the first is the oldest.
    for (const [number, waiting] of this.#underWay) {
      if (waiting.due > now) break;
      this.#underWay.delete(number);
      waiting.reject(new EngineUnavailable('NATS did not confirm in time that it is stored'));
      const next = this.#queue.shift();
      if (next) this.#send(next);
    }
    this.#told();
  }

  /** The connection is gone: what is under way may have been stored or not. */
  #fail(): void {
    const all = [...this.#underWay.values(), ...this.#queue.splice(0)];
    this.#underWay.clear();
    for (const { reject } of all) reject(new EngineUnavailable('the connection to NATS was lost before the answer'));
    this.#told();
  }

  #settle({ resolve, reject, published }: Waiting, message: Msg): void {
    const { seq = 0, stream, error } = message.json<Answer>();
    if (!error) {
      if (!this.highWater || this.highWater.acknowledged(stream ?? '', seq, published)) return resolve(seq);
      return reject(new EngineUnavailable(`the stream ${stream} in NATS is not the one that it was`));
    }
    const full = storageFull(stream, error);
    if (full) this.onFull?.(full);
    reject(full ?? new EngineUnavailable(`NATS does not store it: ${error.description ?? 'no reason given'}`));
  }

  #told(): void {
    if (this.#underWay.size === 0) this.#drained?.();
  }
}

interface Answer {
  readonly stream?: string;
  readonly seq?: number;
  readonly error?: StoreError;
}

/** Headers with these values; undefined ones are left out. */
export function headersOf(values: Readonly<Record<string, string | undefined>>): MsgHdrs {
  const all = headers();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) all.set(name, value);
  return all;
}
