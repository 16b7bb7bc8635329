import {
  Conflict,
  type Directory,
  type DirectoryRecord,
  type Json,
  type RecordChange,
  type Revision,
  type Unfollow,
} from '../engine.js';
import type { Store } from './store.js';
import type { Writer } from './writer.js';

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: RecordChange) => void;
}

export class LmdbDirectory implements Directory {
  readonly #watchers = new Set<Watcher>();
  /** What is being written, by key: the next writer of the same key waits for it. */
  readonly #busy = new Map<string, Promise<unknown>>();
  readonly #series = new Map<string, number>();
  /** Series with numbers handed out that are not on disk yet: they go with the next write, whichever it is. */
  readonly #unsaved = new Set<string>();
  #revision: number;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
  ) {
    this.#revision = Number(store.meta.get('revision') ?? 0);
  }

  async allocate(series: string): Promise<number> {
    this.writer.assertOpen();
    const number = this.#lastOf(series) + 1;
    this.#series.set(series, number);
    this.#unsaved.add(series);
    return number;
  }

  async allocated(series: string): Promise<number> {
    this.writer.assertOpen();
    return this.#lastOf(series);
  }

  async get(key: string): Promise<DirectoryRecord | undefined> {
    this.writer.assertOpen();
    return this.#read(key);
  }

  async put(key: string, value: Json, expected: Revision | null): Promise<Revision> {
    return this.#exclusively(key, async () => {
      const there = this.#read(key);
      if ((there?.revision ?? null) !== expected) throw new Conflict(`The record ${key} has changed meanwhile.`);
      const record: DirectoryRecord = { key, value: copy(value), revision: ++this.#revision as Revision };
      await this.#write(key, record, () =>
        this.store.records.put(key, { value: record.value, revision: record.revision }),
      );
      return record.revision;
    });
  }

  async remove(key: string, expected?: Revision): Promise<void> {
    return this.#exclusively(key, async () => {
      const there = this.#read(key);
      if (expected !== undefined && there?.revision !== expected) {
        throw new Conflict(`The record ${key} has changed meanwhile.`);
      }
      if (there) await this.#write(key, undefined, () => this.store.records.remove(key));
    });
  }

  async watch(prefix: string, listener: (change: RecordChange) => void): Promise<Unfollow> {
    this.writer.assertOpen();
    for (const { key } of this.store.records.getRange({ start: prefix, end: `${prefix}\uffff` })) {
      listener({ key, record: this.#read(key) });
    }
    const watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #read(key: string): DirectoryRecord | undefined {
    const kept = this.store.records.get(key);
    return kept && { key, value: kept.value as Json, revision: kept.revision as Revision };
  }

  async #write(key: string, record: DirectoryRecord | undefined, operation: () => Promise<unknown>): Promise<void> {
    const saved: string[] = [];
    try {
      await this.writer.write(
        () => {
          saved.push(...this.#unsaved);
          this.#unsaved.clear();
          return [
            operation(),
            this.store.meta.put('revision', this.#revision),
            ...saved.map((series) => this.store.meta.put(`series/${series}`, this.#lastOf(series))),
          ];
        },
        () => {
          for (const { prefix, listener } of this.#watchers) if (key.startsWith(prefix)) listener({ key, record });
        },
      );
    } catch (error) {
      for (const series of saved) this.#unsaved.add(series);
      throw error;
    }
  }

  #lastOf(series: string): number {
    return this.#series.get(series) ?? Number(this.store.meta.get(`series/${series}`) ?? 0);
  }

  /** One after another for each key, so that what was read is still so when it is written. */
  async #exclusively<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    this.writer.assertOpen();
    const before = this.#busy.get(key);
    const mine = before ? before.then(work, work) : work();
    this.#busy.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(key) === mine) this.#busy.delete(key);
    }
  }
}

/** By value, as it will be read again: nobody else sees a later change to the object. */
function copy(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
