import { randomUUID } from 'node:crypto';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { Conflict, EngineUnavailable, type Json } from '../engine.js';
import { asked, type Link } from './link.js';
import type { Names } from './names.js';
import { headersOf, type Publisher } from './publisher.js';
import type { Reads } from './reads.js';
import { storedAt } from './record.js';
import { StorageFull } from './storage-full.js';
import type { StorageReserve } from './storage-reserve.js';
import type { StreamState } from './stream-state.js';

/** A value of the bucket. */
export interface Kept {
  readonly value: Json;
  /** Where in the stream it is. */
  readonly revision: number;
  /** How often the key was written. */
  readonly version: number;
}

/** Told of each change: `kept` is undefined where a key was removed. Must not throw. */
export type BucketListener = (key: string, kept: Kept | undefined) => void;

/** Something the bucket's stream has stored: a value, or that a key was removed. */
interface Change {
  readonly seq: number;
  readonly key: string;
  readonly version: number;
  /** What only this write has. */
  readonly write: string;
  readonly removed: boolean;
  readonly data: Uint8Array;
}

/** A key that was removed; the stream keeps a marker of it. */
interface Removal {
  readonly seq: number;
  readonly version: number;
  /** When it became known here (performance.now). */
  readonly at: number;
}

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
}

const OPERATION = 'KV-Operation';
const REMOVED = 'DEL';

/** For how long one's own write is waited for before the stream is asked for it, in milliseconds. */
const OWN_WRITE = 1_000;

/** For how long anything is waited for, in milliseconds. */
const LONGEST = 5_000;

/** Between two attempts to catch up, in milliseconds. */
const TRY_AGAIN = 200;

/** Superseded versions that are remembered by a node which has not to delete them. */
const MOST_SUPERSEDED = 10_000;

/** Whoever was out of touch for longer may have missed what tells of a removal: a marker of it may be gone. Milliseconds. */
const LONG = 60_000;

/** For how long the marker of a removal stays, in milliseconds: ten times as long, so that all who are in touch see it. */
const MARKED = 10 * LONG;

/**
 * A key-value bucket of NATS with a copy of all of it in memory. The stream behind a bucket publishes each change again as it
 * is stored, numbered without gaps, so that this sees at once when one did not come and reads it from the stream.
 *
 * Each version of a value is a key of its own, `KEY.VERSION.WRITE`, that only this one write has. Of all who would write the
 * next version whoever comes first in the stream succeeds; the others see from their own change coming back that it came too
 * late. So the order of the stream decides, and JetStream never has to refuse anything. It could, but not well: a cluster of
 * servers of version 2.9 compares an expected sequence before the write goes to the others, not when it is carried out, so that
 * of ten who write at once all ten succeed; and what such servers refuse when it is carried out they count, each for itself, and
 * after a change of the leader may take what comes next for what they have already.
 */
export class Bucket {
  readonly #kept = new Map<string, Kept>();
  readonly #removals = new Map<string, Removal>();
  readonly #listeners = new Set<BucketListener>();
  readonly #waiters = new Set<Waiter>();
  /** Sequences of what was written here and came too late to count, until whoever wrote it takes note. */
  readonly #stale = new Set<number>();
  /** Sequences of superseded versions, to be deleted. */
  readonly #superseded: number[] = [];
  /** Begins the last part of the keys of all writes of this process. */
  readonly #writer = randomUUID();
  #writes = 0;
  /** Everything up to this sequence is in the copy. */
  #position = 0;
  #held: Change[] | undefined = [];
  #behind = false;
  #closed = false;
  #inTouch = performance.now();

  constructor(
    private readonly link: Link,
    private readonly names: Names,
    private readonly publisher: Publisher,
    private readonly reads: Reads,
    private readonly state: StreamState,
    private readonly reserve: StorageReserve,
  ) {
    link.listen({ doubt: () => this.#fallBehind() });
  }

  /** Fills the copy. @throws EngineUnavailable */
  async open(): Promise<void> {
    this.link.nc.subscribe(this.names.liveKey('>'), {
      callback: (error, message) => (error ? undefined : this.#arrived(message)),
    });
    await this.#catchUp();
    this.#held = undefined;
    if (this.#behind) this.#fallBehind();
  }

  close(): void {
    this.#closed = true;
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters.clear();
  }

  /** As far as it is known here. */
  get(key: string): Kept | undefined {
    return this.#kept.get(key);
  }

  /** All keys with this beginning, as far as they are known here. */
  *all(prefix: string): Iterable<[key: string, kept: Kept]> {
    for (const [key, kept] of this.#kept) if (key.startsWith(prefix)) yield [key, kept];
  }

  /** What is there now, whoever wrote it. @throws EngineUnavailable */
  async read(key: string): Promise<Kept | undefined> {
    await this.catchUp();
    return this.#kept.get(key);
  }

  /** Resolves when the copy has all that was stored before this call. @throws EngineUnavailable */
  async catchUp(): Promise<void> {
    await this.reached(await this.state.last());
  }

  /**
   * Writes a value; the listeners here have been told when it resolves.
   * @param expected the revision that has to be there; null if there must be nothing
   * @param essential whether the write is needed to free storage, or to start: then a full store takes it, see StorageReserve
   * @throws Conflict, EngineUnavailable
   */
  async put(key: string, value: Json, expected: number | null, essential = true): Promise<number> {
    const body = Buffer.from(JSON.stringify(value));
    return essential
      ? this.reserve.essential(() => this.#write(key, expected, body))
      : this.#write(key, expected, body);
  }

  /**
   * Writes what `next` makes of what is there, again if somebody else was first; what it leaves undefined is left as it is.
   * @param essential as {@link put} takes it
   * @throws EngineUnavailable
   */
  async update(key: string, next: (value: Json | undefined) => Json | undefined, essential = true): Promise<void> {
    let there = this.#kept.get(key);
    for (;;) {
      const value = next(there?.value);
      if (value === undefined) return;
      try {
        await this.put(key, value, there?.revision ?? null, essential);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
        there = await this.read(key);
      }
    }
  }

  /**
   * Removes a key, if it is there; the listeners here have been told when it resolves.
   * @param expected the revision that has to be there; undefined if that does not matter
   * @throws Conflict, EngineUnavailable
   */
  async remove(key: string, expected?: number): Promise<void> {
    for (;;) {
      const there = await this.read(key);
      if (expected !== undefined && there?.revision !== expected) throw conflict(key);
      if (!there) return;
      try {
        await this.#remove(key, there.revision);
        return;
      } catch (error) {
        if (!(error instanceof Conflict) || expected !== undefined) throw error;
      }
    }
  }

  /** Tells what is there, then every change. */
  watch(listener: BucketListener): () => void {
    for (const [key, kept] of this.#kept) listener(key, kept);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The stream has this sequence: if it does not come here soon, it was missed. */
  confirm(seq: number): void {
    if (this.#position >= seq) this.#inTouch = performance.now();
    else if (!this.#held) setTimeout(() => this.#position < seq && this.#fallBehind(), OWN_WRITE / 2).unref();
  }

  /** Resolves when the copy has everything up to this sequence. @throws EngineUnavailable if that takes too long */
  async reached(seq: number): Promise<void> {
    if ((this.#position >= seq && !this.#held) || this.#closed) return;
    const hurry = setTimeout(() => this.#fallBehind(), OWN_WRITE).unref();
    let timeout: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { seq, resolve };
        this.#waiters.add(waiter);
        timeout = setTimeout(() => {
          this.#waiters.delete(waiter);
          reject(new EngineUnavailable('what NATS has stored in the directory does not come'));
        }, LONGEST);
      });
    } finally {
      clearTimeout(hurry);
      clearTimeout(timeout);
    }
  }

  /** How far the copy has come. */
  get position(): number {
    return this.#position;
  }

  /**
   * Where the stream has what is of no use any more: superseded versions; when there are none, markers that all have seen.
   * What cannot be deleted is to be given back, for what was overruled must not outlast what overruled it.
   */
  takeWaste(limit: number): number[] {
    const waste = this.#superseded.splice(0, limit);
    if (waste.length > 0) return waste;
    const before = performance.now() - MARKED;
    for (const [key, { seq, at }] of this.#removals) {
      // A Map keeps the order in which they were removed.
      if (at > before || waste.length >= limit) break;
      // Servers of version 2.9 do not find the newest message any more once that of the stream was deleted.
      if (seq === this.#position) break;
      waste.push(seq);
      this.#removals.delete(key);
    }
    return waste;
  }

  /** Was not deleted after all. */
  giveBack(seq: number): void {
    this.#superseded.unshift(seq);
  }

  async #remove(key: string, revision: number): Promise<void> {
    const write = () => this.#write(key, revision, Buffer.alloc(0), headersOf({ [OPERATION]: REMOVED }));
    try {
      await this.reserve.essential(write);
    } catch (error) {
      // Servers of version 2.9 do not find the newest message any more once that of the stream was deleted.
      if (!(error instanceof StorageFull) || revision === this.#position) throw error;
      // The stream has a limit of its own, or there is no reserve: the record makes room for its marker.
      await asked(this.link.jsm.streams.deleteMessage(this.names.bucketStream, revision, false));
      await write();
    }
  }

  async #write(key: string, expected: number | null, body: Buffer, headers?: MsgHdrs): Promise<number> {
    this.link.assertUp();
    if (expected !== null && expected > this.#position) await this.reached(await this.state.last());
    const before = this.#kept.get(key);
    if ((before?.revision ?? null) !== expected) throw conflict(key);
    const version = (before ?? this.#removals.get(key))?.version ?? 0;
    const subject = this.names.keySubject(`${key}.${version + 1}.${this.#writer}-${this.#writes++}`);
    const seq = await this.publisher.publish(subject, body, headers);
    await this.reached(seq);
    if (this.#stale.delete(seq)) throw conflict(key);
    return seq;
  }

  #arrived({ subject, headers, data }: Msg): void {
    const removed = headers?.get(OPERATION) === REMOVED;
    const change = changeOf(storedAt(headers), this.names.keyOfLive(subject), removed, data);
    if (this.#held) this.#held.push(change);
    else if (change.seq === this.#position + 1) this.#apply(change);
    else if (change.seq > this.#position) {
      this.#fallBehind();
      (this.#held as Change[] | undefined)?.push(change);
    }
  }

  #apply({ seq, key, version, write, removed, data }: Change): void {
    this.#position = Math.max(this.#position, seq);
    const before = this.#kept.get(key) ?? this.#removals.get(key);
    const revision = before && ('revision' in before ? before.revision : before.seq);
    if (before && version <= before.version) {
      if (seq !== revision) this.#supersede(seq);
      if (seq > (revision ?? 0) && write.startsWith(this.#writer)) this.#stale.add(seq);
    } else {
      if (revision !== undefined) this.#supersede(revision);
      if (removed) {
        this.#removals.delete(key);
        this.#removals.set(key, { seq, version, at: performance.now() });
        if (this.#kept.delete(key)) this.#tell(key, undefined);
      } else {
        const kept = { value: JSON.parse(Buffer.from(data).toString()) as Json, revision: seq, version };
        this.#kept.set(key, kept);
        this.#removals.delete(key);
        this.#tell(key, kept);
      }
    }
    this.#wake();
  }

  #supersede(seq: number): void {
    this.#superseded.push(seq);
    if (this.#superseded.length > MOST_SUPERSEDED) this.#superseded.shift();
  }

  #tell(key: string, kept: Kept | undefined): void {
    for (const listener of this.#listeners) listener(key, kept);
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.seq > this.#position || this.#held) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #fallBehind(): void {
    this.#behind = true;
    if (this.#held || this.#closed) return;
    this.#held = [];
    void this.#untilCaughtUp();
  }

  async #untilCaughtUp(): Promise<void> {
    while (this.#behind && !this.#closed) {
      try {
        await this.#catchUp();
      } catch {
        // What keeps it from that is in the health of the engine.
        this.#behind = true;
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN).unref());
      }
    }
    this.#held = undefined;
    this.#wake();
  }

  /** Reads what the stream has and the copy does not, then what has come meanwhile. */
  async #catchUp(): Promise<void> {
    this.#behind = false;
    const { names, reads } = this;
    const whole = performance.now() - this.#inTouch > LONG;
    const last = await this.state.last();
    const filter = names.keySubject('>');
    const upTo = (await reads.newest(names.bucketStream, filter))?.seq ?? 0;
    const after = whole ? 0 : this.#position;
    const seen = new Set<string>();
    for await (const messages of reads.scan({ stream: names.bucketStream, filter, after, upTo, headersOnly: false })) {
      for (const { seq, subject, headers, data } of messages) {
        const change = changeOf(seq, names.keyOf(subject), headers?.get(OPERATION) === REMOVED, data);
        seen.add(change.key);
        this.#apply(change);
      }
    }
    if (whole) this.#removeOthers(seen);
    this.#position = Math.max(this.#position, last);
    this.#inTouch = performance.now();
    for (const change of this.#held?.splice(0) ?? []) {
      if (change.seq <= this.#position) continue;
      if (change.seq > this.#position + 1) this.#behind = true;
      else this.#apply(change);
    }
    this.#wake();
  }

  /** What the stream does not have any more was removed so long ago that not even a marker is left. */
  #removeOthers(seen: ReadonlySet<string>): void {
    for (const key of this.#kept.keys()) {
      if (seen.has(key)) continue;
      this.#kept.delete(key);
      this.#tell(key, undefined);
    }
  }
}

function changeOf(seq: number, name: string, removed: boolean, data: Uint8Array): Change {
  const parts = name.split('.');
  const write = parts.pop() ?? '';
  const version = Number(parts.pop());
  return { seq, key: parts.join('.'), version, write, removed, data };
}

function conflict(key: string): Conflict {
  return new Conflict(`The record ${key} has changed meanwhile.`);
}
