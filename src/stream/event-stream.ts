import type { Writable } from 'node:stream';
import type { Seq } from '../engine/engine.js';
import type { ClientIndex } from '../hub/client-index.js';
import type { Delivery } from '../hub/feeds.js';
import type { CloseReason, Invitation, ReadState, Stream } from '../hub/hub.js';
import type { PresenceDelivery } from '../hub/presence.js';
import type { Address } from '../hub/topics.js';
import type { Backlog, Behind } from './backlog.js';
import type { Format } from './format.js';
import type { Heartbeat } from './heartbeat.js';
import { readStateJson } from './json.js';
import type { Waves } from './waves.js';

/** What streams tell to whoever counts. */
export interface StreamObserver {
  /** Messages were handed to the socket; `seconds` since the oldest of them was committed, null when none came live. */
  delivered(count: number, seconds: number | null): void;
  closed(reason: CloseReason | 'gone'): void;
  /** A stream was told that messages are no longer kept which it has not had. */
  missed(): void;
}

/** What all streams of a format have in common. */
export interface EventStreamOptions {
  readonly format: Format;
  /** A stream that has more bytes than this waiting is cut off. */
  readonly slowLimit: number;
  /** And so it may be when all streams together have too many. */
  readonly backlog: Backlog;
  readonly heartbeat: Heartbeat;
  readonly waves: Waves;
  readonly observer: StreamObserver;
  /** Told which client's stream was broken off in its midst, and why. Whoever is at the other end will come back with its cursor. */
  readonly onBroken: (error: unknown, client: ClientIndex) => void;
}

/** Whose stream it is. */
export interface Addressee {
  readonly index: ClientIndex;
  /** See Credentials.cursorSuffix. */
  readonly cursorSuffix: string;
}

/** What comes as a `welcome`, but for what the stream knows itself. */
export interface Welcome {
  readonly json: string;
  readonly cursor: string;
}

/**
 * Milliseconds after which an EventSource tries again, said at the start; and the span over which a shutdown spreads them. At random,
 * as it adds nothing to them itself, and all of a server that was killed would come back at once, again and again.
 */
const RETRY = { least: 500, most: 1500 };
const RETRY_AFTER_SHUTDOWN = { least: 1000, most: 5000 };

/** Bytes that may wait, in the queue or in the socket, before more is read from the log for it. */
const READ_AHEAD = 64 * 1024;

/** A stream that takes nothing for so many heartbeats is as good as cut. */
const STALLED_BEATS = 4;

/** For so long a stream that was closed may still take what waits for it. Milliseconds. */
const LINGER = 2000;

/**
 * One open connection as the hub's streams see it: queues what is delivered and writes it once a turn, in one piece. The
 * bytes of a message are shared with all other streams of its topic.
 */
export class EventStream implements Stream, Behind {
  /** Strings are tails, in ASCII: as bytes each would be an object several times its size. */
  #queue: (Buffer | string)[] = [];
  #queued = 0;
  #deliveries = 0;
  #oldest: number | null = null;
  #closed = false;
  #written = 0;
  /** Of those, how many had been taken at the last heartbeat; and for how many heartbeats it has been no more. */
  #taken = 0;
  #stalled = 0;
  readonly #index: ClientIndex;
  readonly #tail: string;

  /** @param out whoever gives it listens to its errors, and tells when it has closed: see {@link gone} */
  constructor(
    private readonly out: Writable,
    { index, cursorSuffix }: Addressee,
    private readonly options: EventStreamOptions,
  ) {
    this.#index = index;
    this.#tail = options.format.tail(cursorSuffix);
    options.heartbeat.join(this);
  }

  welcome({ json, cursor }: Welcome): void {
    this.#push(this.options.format.event('welcome', json, { id: cursor, retry: spread(RETRY) }));
  }

  deliver(delivery: Delivery): void {
    if (this.#closed) return;
    if (this.#waiting() > this.options.slowLimit) return this.close('slow-consumer');
    this.#push(this.options.format.message(delivery));
    if (delivery.seq !== null) this.#push(this.#tail);
    this.#deliveries++;
    this.#oldest ??= delivery.committedAt;
  }

  gap(after: Seq, oldest: Seq | null, to: Address | null): void {
    const ids = { after: String(after), oldest: oldest === null ? null : String(oldest) };
    this.options.observer.missed();
    this.#push(this.options.format.event('gap', JSON.stringify(to === null ? ids : { ...ids, to })));
  }

  presence(delivery: PresenceDelivery): void {
    if (this.#closed) return;
    if (this.#waiting() > this.options.slowLimit) return this.close('slow-consumer');
    this.#push(this.options.format.presence(delivery));
  }

  read(state: ReadState): void {
    if (this.#closed) return;
    if (this.#waiting() > this.options.slowLimit) return this.close('slow-consumer');
    this.#push(this.options.format.event('read', JSON.stringify(readStateJson(state))));
  }

  invited(invitation: Invitation): void {
    if (this.#closed) return;
    this.#push(this.options.format.event('invited', JSON.stringify(invitation)));
  }

  broken(error: unknown): void {
    this.options.onBroken(error, this.#index);
    this.out.destroy();
  }

  ready(): Promise<void> | undefined {
    if (this.#closed || (this.#waiting() < READ_AHEAD && !this.out.writableNeedDrain)) return undefined;
    this.flush();
    if (!this.out.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        this.out.off('drain', done).off('close', done);
        resolve();
      };
      this.out.on('drain', done).on('close', done);
    });
  }

  beat(): void {
    const taken = this.#written - this.out.writableLength;
    const stalls = this.out.writableLength > 0 && taken === this.#taken;
    this.#taken = taken;
    this.#stalled = stalls ? this.#stalled + 1 : 0;
    if (this.#stalled >= STALLED_BEATS) return this.close('slow-consumer');
    if (this.out.writableLength === 0) this.#push(this.options.format.heartbeat);
  }

  close(reason: CloseReason): void {
    if (this.#closed) return;
    const retry = reason === 'shutdown' ? spread(RETRY_AFTER_SHUTDOWN) : undefined;
    this.#push(this.options.format.event('bye', JSON.stringify({ reason }), { retry }));
    this.flush();
    this.#end(reason);
    this.out.end(() => this.out.destroy());
    const linger = setTimeout(() => this.out.destroy(), LINGER);
    this.out.once('close', () => clearTimeout(linger));
  }

  gone(): void {
    this.options.backlog.leave(this);
    this.#end('gone');
  }

  get untaken(): number {
    return this.out.writableLength;
  }

  cutOff(): void {
    this.#end('slow-consumer');
    this.out.destroy();
  }

  /** Writes what is queued, in one piece. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const bytes = joined(this.#queue, this.#queued);
    this.#queue = [];
    this.#queued = 0;
    this.#written += bytes.length;
    this.out.write(bytes);
    if (this.out.writableLength > 0) this.options.backlog.grew(this, bytes.length);
    if (this.#deliveries === 0) return;
    const seconds = this.#oldest === null ? null : (performance.now() - this.#oldest) / 1000;
    this.options.observer.delivered(this.#deliveries, seconds);
    this.#deliveries = 0;
    this.#oldest = null;
  }

  #push(bytes: Buffer | string): void {
    if (this.#closed) return;
    if (this.#queue.length === 0) this.options.waves.add(this);
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  #waiting(): number {
    return this.#queued + this.out.writableLength;
  }

  #end(reason: CloseReason | 'gone'): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#queued = 0;
    this.options.heartbeat.leave(this);
    this.options.observer.closed(reason);
  }
}

/** All of it in one piece of this length. */
function joined(parts: readonly (Buffer | string)[], length: number): Buffer {
  const [first] = parts;
  if (parts.length === 1 && typeof first === 'object') return first;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') bytes.write(part, at, 'latin1');
    else bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** At random, so that thousands do not return at once. */
function spread({ least, most }: { least: number; most: number }): number {
  return Math.round(least + Math.random() * (most - least));
}

/** What a server that is stopping says to an EventSource, which would give up for good on an error: come back, to the next one. */
export function turnedAway(format: Format): Buffer {
  return format.event('bye', JSON.stringify({ reason: 'shutdown' }), { retry: spread(RETRY_AFTER_SHUTDOWN) });
}
