import {
  type Directory,
  type DirectoryRecord,
  type Json,
  type RecordChange,
  type Revision,
  type Unfollow,
} from '../engine.js';
import type { Bucket, Kept } from './bucket.js';
import type { Link } from './link.js';
import type { StorageReserve } from './storage-reserve.js';

/** What the keys of records and of series begin with in the bucket. */
export const RECORD = 'record.';
export const SERIES = 'series.';

/** The records and the series, in a bucket that all nodes share. */
export class NatsDirectory implements Directory {
  readonly #series = new Map<string, Series>();

  constructor(
    private readonly link: Link,
    private readonly bucket: Bucket,
    private readonly reserve: StorageReserve,
    /** Resolves when all nodes have this sequence of the bucket, or those that do not answer have had their time. */
    private readonly reachedByAll: (seq: number) => Promise<void>,
  ) {}

  async allocate(series: string): Promise<number> {
    this.link.assertServing();
    this.reserve.assertRoom();
    return this.#seriesOf(series).next();
  }

  async allocated(series: string): Promise<number> {
    this.link.assertServing();
    return Number((await this.bucket.read(SERIES + series))?.value ?? 0);
  }

  async get(key: string): Promise<DirectoryRecord | undefined> {
    this.link.assertServing();
    const kept = await this.bucket.read(encodeKey(key));
    return kept && recordOf(key, kept);
  }

  async put(key: string, value: Json, expected: Revision | null): Promise<Revision> {
    this.link.assertServing();
    this.reserve.assertRoom();
    return (await this.bucket.put(encodeKey(key), value, expected, false)) as Revision;
  }

  async remove(key: string, expected?: Revision): Promise<void> {
    this.link.assertServing();
    await this.bucket.remove(encodeKey(key), expected);
  }

  async watch(prefix: string, listener: (change: RecordChange) => void): Promise<Unfollow> {
    this.link.assertServing();
    const encoded = encodeKey(prefix);
    return this.bucket.watch((name, kept) => {
      if (!name.startsWith(encoded)) return;
      const key = decodeKey(name);
      listener({ key, record: kept && recordOf(key, kept) });
    });
  }

  async settled(): Promise<void> {
    this.link.assertServing();
    await this.reachedByAll(this.bucket.position);
  }

  #seriesOf(name: string): Series {
    let series = this.#series.get(name);
    if (!series) this.#series.set(name, (series = new Series(this.bucket, SERIES + name)));
    return series;
  }
}

/**
 * Numbers of one series. All who want one while the last were fetched get theirs with one write, so that nodes compete for the
 * record once a round trip, however many clients connect.
 */
class Series {
  readonly #waiting: { readonly resolve: (number: number) => void; readonly reject: (error: unknown) => void }[] = [];
  #fetching = false;

  constructor(
    private readonly bucket: Bucket,
    private readonly key: string,
  ) {}

  next(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#fetching) void this.#fetch();
    });
  }

  async #fetch(): Promise<void> {
    this.#fetching = true;
    while (this.#waiting.length > 0) {
      // Those who ask in this turn are served together.
      await Promise.resolve();
      const count = this.#waiting.length;
      try {
        const last = await this.#advance(count);
        for (const [at, { resolve }] of this.#waiting.splice(0, count).entries()) resolve(last + 1 + at);
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0, count)) reject(error);
      }
    }
    this.#fetching = false;
  }

  /** Takes the next `count` numbers. @returns the one before the first */
  async #advance(count: number): Promise<number> {
    let last = 0;
    await this.bucket.update(this.key, (value) => (last = Number(value ?? 0)) + count, false);
    return last;
  }
}

function recordOf(key: string, { value, revision }: Kept): DirectoryRecord {
  return { key, value, revision: revision as Revision };
}

/** A dot would begin a new part of a subject, and may not stand everywhere. */
export function encodeKey(key: string): string {
  return RECORD + key.replaceAll('.', '=');
}

export function decodeKey(name: string): string {
  return name.slice(RECORD.length).replaceAll('=', '.');
}
