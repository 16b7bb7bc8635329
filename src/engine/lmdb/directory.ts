import {
  Conflict,
  type Directory,
  type DirectoryRecord,
  type Json,
  type RecordChange,
  type Revision,
  type Unfollow,
} from '../engine.js';
import { GROWTH_OF_CHANGE, SERIES, type Store } from './store.js';
import type { Recovering, Writer } from './writer.js';

/** Bytes that a record takes beside its value, at the most. */
const OVERHEAD = 200;

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: RecordChange) => void;
}

export class LmdbDirectory implements Directory, Recovering {
  readonly #watchers = new Set<Watcher>();
  /** What is being written, by key: the next writer of the same key waits for it. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Numbers handed out of each series. Those that are not on the disk yet go with the next record, whichever it is. */
  readonly #series = new Map<string, { last: number; saved: number }>();
  /** Keys of records of which it is not known whether their last write is on the disk. */
  readonly #doubtful = new Set<string>();
  #revision: number;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
  ) {
    this.#revision = Number(store.meta.get('revision') ?? 0);
  }

  async allocate(series: string): Promise<number> {
    await this.writer.readable();
    this.writer.assertWritable();
    return ++this.writer.reading(() => this.#numbersOf(series)).last;
  }

  async allocated(series: string): Promise<number> {
    await this.writer.readable();
    return this.writer.reading(() => this.#numbersOf(series)).last;
  }

  async get(key: string): Promise<DirectoryRecord | undefined> {
    await this.writer.readable();
    return this.#read(key);
  }

  async put(key: string, value: Json, expected: Revision | null): Promise<Revision> {
    const text = JSON.stringify(value);
    const copy = JSON.parse(text) as Json;
    return this.#exclusively(key, async () => {
      if ((this.#read(key)?.revision ?? null) !== expected) throw conflict(key);
      const record: DirectoryRecord = { key, value: copy, revision: ++this.#revision as Revision };
      await this.#write(key, record, text.length);
      return record.revision;
    });
  }

  async remove(key: string, expected?: Revision): Promise<void> {
    return this.#exclusively(key, async () => {
      const there = this.#read(key);
      if (expected !== undefined && there?.revision !== expected) throw conflict(key);
      if (there) await this.#write(key, undefined);
    });
  }

  async watch(prefix: string, listener: (change: RecordChange) => void): Promise<Unfollow> {
    await this.writer.readable();
    const keys = this.writer.reading(() => [...this.store.records.getKeys({ start: prefix, end: `${prefix}\uffff` })]);
    for (const key of keys) listener({ key, record: this.#read(key) });
    const watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** There is no other process. */
  async settled(): Promise<void> {
    await this.writer.readable();
  }

  /** A commit may have failed when it was on the disk already: what there is now is told, even if it is no change. */
  recover(): void {
    for (const key of this.#doubtful) this.#tell(key, this.#read(key));
    this.#doubtful.clear();
  }

  #read(key: string): DirectoryRecord | undefined {
    const kept = this.writer.reading(() => this.store.records.get(key));
    return kept && { key, value: kept.value as Json, revision: kept.revision as Revision };
  }

  #write(key: string, record: DirectoryRecord | undefined, bytes = 0): Promise<void> {
    const { records, meta } = this.store;
    const saving: [series: { saved: number }, number: number][] = [];
    return this.writer.write({
      weight: 2,
      growth: 2 * bytes + 2 * GROWTH_OF_CHANGE,
      // A character may take three bytes.
      largest: 3 * bytes + OVERHEAD,
      isEssential: record === undefined,
      write: () => {
        if (record) void records.put(key, { value: record.value, revision: record.revision });
        else void records.remove(key);
        void meta.put('revision', this.#revision);
        for (const [name, series] of this.#series) {
          if (series.last === series.saved) continue;
          saving.push([series, series.last]);
          void meta.put(`${SERIES}${name}`, series.last);
        }
      },
      committed: () => {
        for (const [series, number] of saving) series.saved = number;
        this.#tell(key, record);
      },
      failed: () => this.#doubtful.add(key),
    });
  }

  #tell(key: string, record: DirectoryRecord | undefined): void {
    for (const { prefix, listener } of this.#watchers) if (key.startsWith(prefix)) listener({ key, record });
  }

  #numbersOf(series: string): { last: number; saved: number } {
    let numbers = this.#series.get(series);
    if (!numbers) {
      const saved = Number(this.store.meta.get(`series/${series}`) ?? 0);
      numbers = { last: saved, saved };
      this.#series.set(series, numbers);
    }
    return numbers;
  }

  /** One after another for each key, so that what was read is still so when it is written. */
  async #exclusively<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const turn = async () => {
      await this.writer.readable();
      return work();
    };
    const before = this.#busy.get(key);
    const mine = before ? before.then(turn, turn) : turn();
    this.#busy.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(key) === mine) this.#busy.delete(key);
    }
  }
}

function conflict(key: string): Conflict {
  return new Conflict(`The record ${key} has changed meanwhile.`);
}
