import { createHash } from 'node:crypto';
import type {
  Appended,
  Bounds,
  Entry,
  Log,
  NewEntry,
  Range,
  Relayed,
  Retention,
  Seq,
  Topic,
  Unfollow,
} from '../engine.js';
import { Followers } from './followers.js';
import { decodeEntry, encodeEntry } from './record.js';
import type { Remembered, Store } from './store.js';
import type { Trimmer } from './trimmer.js';
import type { Writer } from './writer.js';

export interface LogOptions {
  readonly retention: Retention;
  readonly now: () => number;
  /** Told how long an append took to become durable, in seconds, and of how many entries it was. */
  readonly appended: (seconds: number, entries: number) => void;
}

/** What a dedup key stands for, and when that is durable. */
interface Known {
  readonly remembered: Remembered;
  stored: Promise<void>;
}

/** An entry on its way to the disk. */
interface Fresh {
  readonly entry: Entry;
  /** Under the hash of its dedup key, if it has one. */
  readonly dedup?: { readonly key: string; readonly remembered: Remembered };
}

const STORED = Promise.resolve();

export class LmdbLog implements Log {
  readonly epoch: string;
  readonly #followers = new Followers();
  /** Dedup keys of entries that are on their way: a repeat waits for what becomes of the first. */
  readonly #pending = new Map<string, Known>();
  /** The last number handed out. Those of a write that failed are not used again. */
  #assigned: number;
  /** The last number that is durable. */
  #last: number;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
    private readonly trimmer: Trimmer,
    private readonly options: LogOptions,
  ) {
    this.epoch = store.epoch;
    this.#last = this.#assigned = Number(store.meta.get('last') ?? 0);
  }

  async append(entries: readonly NewEntry[]): Promise<Appended[]> {
    const began = performance.now();
    const now = this.options.now();
    const appended: Appended[] = [];
    const repeated: Known[] = [];
    const fresh: Fresh[] = [];
    for (const entry of entries) {
      const key = entry.dedup && hash(entry.dedup.key);
      const known = key === undefined ? undefined : this.#known(key, now);
      if (known) {
        repeated.push(known);
        appended.push({ seq: known.remembered.seq as Seq, duplicate: { note: known.remembered.note } });
        continue;
      }
      const seq = ++this.#assigned as Seq;
      appended.push({ seq });
      fresh.push({
        entry: { seq, topic: entry.topic, body: entry.body, expiresAt: entry.expiresAt },
        dedup: this.#remember(entry, key, seq, now),
      });
    }
    if (fresh.length > 0) {
      const stored = this.writer.write(
        () => this.#operations(fresh, now),
        () => this.#announce(fresh),
      );
      for (const { dedup } of fresh) if (dedup) (this.#pending.get(dedup.key) as Known).stored = stored;
      try {
        await stored;
      } finally {
        for (const { dedup } of fresh) if (dedup) this.#pending.delete(dedup.key);
      }
      this.options.appended((performance.now() - began) / 1000, fresh.length);
    }
    for (const { stored } of repeated) await stored;
    return appended;
  }

  async relay(topic: Topic, body: Uint8Array): Promise<void> {
    this.writer.assertOpen();
    this.#followers.tell({ seq: null, topic, body });
  }

  async read(topic: Topic, range: Range): Promise<Entry[]> {
    this.writer.assertOpen();
    const low = (range.after ?? 0) + 1;
    const high = (range.before ?? Number.MAX_SAFE_INTEGER) - 1;
    if (low > high || range.limit < 1) return [];
    // The start is included and the end is not; sequence numbers are whole.
    const keys = range.newest
      ? { start: [topic, high] as [string, number], end: [topic, low - 1] as [string, number], reverse: true }
      : { start: [topic, low] as [string, number], end: [topic, high + 1] as [string, number] };
    const now = this.options.now();
    const entries: Entry[] = [];
    for (const { key, value } of this.store.entries.getRange(keys)) {
      const entry = decodeEntry(topic, key[1], value);
      if (entry.expiresAt !== undefined && entry.expiresAt <= now) continue;
      entries.push(entry);
      if (entries.length === range.limit) break;
    }
    return range.newest ? entries.reverse() : entries;
  }

  async follow(topic: Topic, listener: (entry: Entry | Relayed) => void): Promise<Unfollow> {
    this.writer.assertOpen();
    return this.#followers.add(topic, listener);
  }

  async bounds(topic: Topic): Promise<Bounds> {
    this.writer.assertOpen();
    const [oldest] = await this.read(topic, { limit: 1 });
    const [newest] = await this.read(topic, { limit: 1, newest: true });
    return {
      floor: (this.store.floors.get(topic) ?? 0) as Seq,
      oldest: oldest?.seq ?? null,
      newest: newest?.seq ?? null,
    };
  }

  async last(): Promise<Seq> {
    this.writer.assertOpen();
    return this.#last as Seq;
  }

  async drop(topic: Topic): Promise<void> {
    this.writer.assertOpen();
    await this.trimmer.drop(topic);
  }

  /** The entry a dedup key stands for: on its way, or stored and within the window. */
  #known(key: string, now: number): Known | undefined {
    const pending = this.#pending.get(key);
    if (pending) return pending;
    const remembered = this.store.dedups.get(key);
    return remembered && remembered.until > now ? { remembered, stored: STORED } : undefined;
  }

  #remember({ dedup }: NewEntry, key: string | undefined, seq: Seq, now: number): Fresh['dedup'] {
    if (!dedup || key === undefined) return undefined;
    const remembered = { seq, note: dedup.note, until: now + this.options.retention.dedupWindow };
    this.#pending.set(key, { remembered, stored: STORED });
    return { key, remembered };
  }

  *#operations(fresh: readonly Fresh[], now: number): Iterable<Promise<unknown>> {
    const { entries, expiries, dedups, dedupEnds, meta } = this.store;
    for (const { entry, dedup } of fresh) {
      const { topic, seq, expiresAt } = entry;
      this.trimmer.expect(topic);
      yield entries.put([topic, seq], encodeEntry(entry, now));
      if (expiresAt !== undefined) yield expiries.put([expiresAt, topic, seq], true);
      if (!dedup) continue;
      yield dedups.put(dedup.key, dedup.remembered);
      yield dedupEnds.put([dedup.remembered.until, dedup.key], true);
    }
    yield meta.put('last', this.#assigned);
  }

  #announce(fresh: readonly Fresh[]): void {
    for (const { entry } of fresh) {
      this.#last = entry.seq;
      this.trimmer.appended(entry.topic);
      this.#followers.tell(entry);
    }
  }
}

/** Keys are of any length and content; those of lmdb are not. */
function hash(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
