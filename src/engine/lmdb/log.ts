import {
  type Appended,
  type Bounds,
  type Entry,
  type Log,
  type NewEntry,
  type Range,
  type Relayed,
  type Restoration,
  type Seq,
  type Topic,
  type Unfollow,
} from '../engine.js';
import { Batch, type Fresh } from './batch.js';
import { type Dedup, hashOf } from './dedup.js';
import { Followers } from '../followers.js';
import { damaged } from './damage.js';
import { decodeEntry, isExpired } from './record.js';
import type { Store } from './store.js';
import type { TopicIndex } from './topic-index.js';
import type { Recovering, Writer } from './writer.js';

export interface LogOptions {
  readonly epoch: string;
  readonly restorations: readonly Restoration[];
  readonly now: () => number;
  /** Told how long an append took to become durable, in seconds, and of how many entries it was. */
  readonly appended: (seconds: number, entries: number) => void;
  /** Told that a topic was dropped and there are entries to be removed. */
  readonly dropped: () => void;
}

export class LmdbLog implements Log, Recovering {
  readonly epoch: string;
  readonly restorations: readonly Restoration[];
  readonly #followers = new Followers();
  /** What takes in entries until its write begins. */
  #batch: Batch | undefined;
  /** The last number handed out. Those of a write that failed are not used again. */
  #assigned: number;
  /** The last number that is durable. */
  #last: number;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
    private readonly index: TopicIndex,
    private readonly dedup: Dedup,
    private readonly options: LogOptions,
  ) {
    this.epoch = options.epoch;
    this.restorations = options.restorations;
    this.#last = this.#assigned = Number(store.meta.get('last') ?? 0);
  }

  async append(entries: readonly NewEntry[]): Promise<Appended[]> {
    const began = performance.now();
    await this.writer.readable();
    const now = this.options.now();
    const appended: Appended[] = [];
    const durable = new Set<Promise<void>>();
    let fresh = 0;
    for (const entry of entries) {
      const hash = entry.dedup && hashOf(entry.dedup.key);
      const known = hash === undefined ? undefined : this.#find(hash, durable);
      if (known) {
        const { seq, note } = known.remembered;
        if (known.stored) durable.add(known.stored());
        appended.push({ seq: seq as Seq, duplicate: { note } });
      } else {
        const seq = ++this.#assigned as Seq;
        durable.add(this.#add(seq, entry, hash, now));
        appended.push({ seq });
        fresh++;
      }
    }
    await Promise.all(durable);
    if (fresh > 0) this.options.appended((performance.now() - began) / 1000, fresh);
    return appended;
  }

  async relay(topic: Topic, body: Uint8Array): Promise<void> {
    this.writer.assertOpen();
    this.#followers.tell({ seq: null, topic, body });
  }

  async read(topic: Topic, range: Range): Promise<Entry[]> {
    await this.writer.readable();
    return this.writer.reading(() => this.#read(topic, range));
  }

  async follow(topic: Topic, listener: (entry: Entry | Relayed) => void): Promise<Unfollow> {
    this.writer.assertOpen();
    return this.#followers.add(topic, listener);
  }

  async count(topic: Topic, after: Seq): Promise<number> {
    await this.writer.readable();
    return this.writer.reading(() => this.index.count(topic, after + 1, this.#last, this.options.now()));
  }

  async bounds(topic: Topic): Promise<Bounds> {
    await this.writer.readable();
    return this.writer.reading(() => {
      const [oldest] = this.#read(topic, { limit: 1 });
      const [newest] = this.#read(topic, { limit: 1, newest: true });
      return {
        floor: (this.store.floors.get(topic) ?? 0) as Seq,
        oldest: oldest?.seq ?? null,
        newest: newest?.seq ?? null,
      };
    });
  }

  async topics(prefix: string): Promise<Topic[]> {
    await this.writer.readable();
    return this.index.topics(prefix);
  }

  async last(): Promise<Seq> {
    this.writer.assertOpen();
    return this.#last as Seq;
  }

  async drop(topic: Topic): Promise<void> {
    await this.writer.readable();
    await this.index.drop(topic, this.#assigned);
    this.options.dropped();
  }

  erase(topic: Topic, seq: Seq): Promise<boolean> {
    return this.index.erase(topic, seq, this.options.now);
  }

  /** A commit may have failed when its entries were on the disk already. They are in the log then, so they are announced. */
  recover(): void {
    const found: Entry[] = [];
    for (const { key, value } of this.store.entries.getRange({ start: this.#last + 1 })) {
      found.push(decodeEntry(key, value));
    }
    this.#announce(found);
  }

  /** @param durable what waits already for its write */
  #find(hash: string, durable: ReadonlySet<Promise<void>>) {
    try {
      return this.dedup.find(hash);
    } catch (error) {
      for (const one of durable) one.catch(() => undefined);
      throw this.writer.failureOf(error);
    }
  }

  #add(seq: Seq, { topic, body, expiresAt, dedup }: NewEntry, hash: string | undefined, now: number): Promise<void> {
    if (!this.#batch || this.#batch.isFull) this.#batch = this.#newBatch();
    const batch = this.#batch;
    const fresh: Fresh = { entry: { seq, topic, body, expiresAt }, appendedAt: now };
    if (hash === undefined || !dedup) return batch.add(fresh);
    const remembered = this.dedup.begin(hash, { seq, note: dedup.note }, () => batch.stored);
    return batch.add({ ...fresh, dedup: { hash, remembered } });
  }

  #newBatch(): Batch {
    this.writer.assertWritable();
    const batch: Batch = new Batch(this.store, this.dedup, {
      sealed: () => {
        if (this.#batch === batch) this.#batch = undefined;
      },
      stored: (entries) => this.#announce(entries),
    });
    batch.stored = this.writer.write(batch);
    return batch;
  }

  #announce(entries: readonly Entry[]): void {
    const now = this.options.now();
    for (const entry of entries) {
      this.#last = entry.seq;
      this.index.add(entry);
    }
    // Told only when all of them can be read: a listener may ask for what it was not told of.
    for (const entry of entries) if (!isExpired(entry, now)) this.#followers.tell(entry);
  }

  #read(topic: Topic, { after = 0 as Seq, before, limit, bytes = Infinity, newest = false }: Range): Entry[] {
    const low = after + 1;
    const high = Math.min((before ?? Infinity) - 1, this.#last);
    const now = this.options.now();
    const found: Entry[] = [];
    let length = 0;
    if (limit < 1 || low > high) return found;
    this.index.assertCounted(topic);
    let previous = newest ? Infinity : 0;
    for (const seq of newest ? this.index.descending(topic, low, high) : this.index.ascending(topic, low, high)) {
      if (newest ? seq >= previous : seq <= previous) throw damaged(`the index of ${topic}`);
      previous = seq;
      const record = this.store.entries.get(seq);
      if (!record) {
        if (this.index.mayBeGone(topic, seq)) continue;
        throw damaged(`entry ${seq}, of ${topic},`);
      }
      const entry = decodeEntry(seq, record);
      if (entry.topic !== topic) throw damaged(`the index of ${topic}`);
      if (isExpired(entry, now)) continue;
      found.push(entry);
      length += entry.body.length;
      if (found.length === limit || length >= bytes) break;
    }
    return newest ? found.reverse() : found;
  }
}
