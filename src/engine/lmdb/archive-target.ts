import {
  type ArchivedEntry,
  type ArchivedFloor,
  type ArchivedRecord,
  type ArchiveSummary,
  type ArchiveTarget,
  ArchiveUnusable,
} from '../archive.js';
import type { Seq } from '../engine.js';
import { restored } from '../restoration.js';
import { Batch } from './batch.js';
import { Dedup } from './dedup.js';
import { IMPORTED, IMPORTING, RESTORED, UNKNOWN_ARCHIVE } from './importing.js';
import { openFolder, type OpenFolder } from './open.js';
import { keepSecret } from './secret.js';
import { GROWTH_OF_CHANGE, RESTORATIONS, SERIES } from './store.js';
import { TopicIndex } from './topic-index.js';
import { Writer } from './writer.js';

/** Entries that wait to be filed before that is done: many at a time are filed for a fraction of the cost. */
const MANY_WAITING = 20_000;

/** Floors and records written in one commit. */
const ROWS = 1_000;

/**
 * A data folder that is to be filled, made if it is not there. Until that has come to its end no server opens it.
 * @throws EngineUnusable when it cannot be used
 */
export async function openLmdbTarget(folder: string): Promise<ArchiveTarget> {
  return new LmdbTarget(folder, await openFolder(folder, { filling: 'import' }));
}

/** The same from a backup, behind which a server has gone on: see Restoration. */
export async function openLmdbRestoration(folder: string, now: () => number = Date.now): Promise<ArchiveTarget> {
  return new LmdbTarget(folder, await openFolder(folder, { filling: 'restoration' }), now);
}

/** Writes what a server would have written, by the same means: so a server finds nothing unusual, and no crash does harm. */
class LmdbTarget implements ArchiveTarget {
  readonly #writer: Writer;
  readonly #index: TopicIndex;
  readonly #dedup: Dedup;
  #summary: ArchiveSummary | undefined;
  /** Of the newest record. */
  #revision = 0;

  constructor(
    private readonly folder: string,
    private readonly open: OpenFolder,
    /** The time, where it is a backup that is restored. */
    private readonly restoring?: () => number,
  ) {
    // What cannot be written is told by the rejection: there is nobody else to be told.
    this.#writer = new Writer(open.store, () => undefined);
    this.#index = new TopicIndex(open.store, this.#writer);
    // No keys are moved.
    this.#dedup = new Dedup(open.store, 0, Date.now);
  }

  async begin(summary: ArchiveSummary): Promise<Seq | 'finished'> {
    const { meta } = this.open.store;
    const importing = meta.get(IMPORTING);
    this.#summary = summary;
    if (importing === this.#nameOf(summary)) return Number(meta.get('last') ?? 0) as Seq;
    const isUnknown = importing === UNKNOWN_ARCHIVE || importing === `${UNKNOWN_ARCHIVE}${RESTORED}`;
    if (importing !== undefined && !isUnknown) {
      throw new ArchiveUnusable(
        `Another import into ${this.folder}, or restoration, has not come to its end. Go on with that one, or give another folder: --data or INTERCHAT_DATA.`,
      );
    }
    if (meta.get(IMPORTED) === this.#nameOf(summary)) return 'finished';
    if (!this.#isUnused()) {
      throw new ArchiveUnusable(
        `The data folder ${this.folder} holds something else. Give one that is empty or not there: --data or INTERCHAT_DATA.`,
      );
    }
    await this.#change(2, () => {
      void meta.put('epoch', summary.epoch);
      void meta.put(IMPORTING, this.#nameOf(summary));
    });
    return 0 as Seq;
  }

  async rows(floors: AsyncIterable<ArchivedFloor>, records: AsyncIterable<ArchivedRecord>): Promise<void> {
    const { store } = this.open;
    await this.#writeRows(floors, ({ topic, floor }) => void store.floors.put(topic, floor));
    await this.#writeRows(
      records,
      ({ key, value }) => void store.records.put(key, { value, revision: ++this.#revision }),
    );
  }

  async entries(entries: readonly ArchivedEntry[]): Promise<void> {
    const batch = new Batch(this.open.store, this.#dedup, {
      sealed: () => undefined,
      stored: (stored) => {
        for (const entry of stored) this.#index.add(entry);
      },
    });
    for (const { appendedAt, ...entry } of entries) void batch.add({ entry, appendedAt });
    await this.#writer.write(batch);
    if (this.#index.waiting >= MANY_WAITING) await this.#file();
  }

  async finish(): Promise<void> {
    const summary = this.#summary;
    if (!summary) throw new Error('It has not begun.');
    const { meta } = this.open.store;
    await this.#file();
    if (summary.secret !== undefined) await keepSecret(this.folder, summary.secret);
    const { epoch, last, restorations } = this.restoring ? restored(summary, this.restoring()) : summary;
    const series = Object.entries(summary.series);
    await this.#change(series.length + 6, () => {
      void meta.put('epoch', epoch);
      if (restorations) void meta.put(RESTORATIONS, JSON.stringify(restorations));
      for (const [name, number] of series) void meta.put(`${SERIES}${name}`, number);
      void meta.put('last', last);
      void meta.put('revision', this.#revision);
      void meta.put(IMPORTED, this.#nameOf(summary));
      void meta.remove(IMPORTING);
    });
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.open.close();
  }

  /** Whether a server has kept nothing here yet, not even the number of a client. */
  #isUnused(): boolean {
    const { meta, records } = this.open.store;
    const numbers = meta.getKeysCount({ start: SERIES, end: `${SERIES}\uffff`, limit: 1 });
    return Number(meta.get('last') ?? 0) === 0 && numbers === 0 && records.getKeysCount({ limit: 1 }) === 0;
  }

  /** What stands for an archive in the folder it fills. */
  #nameOf({ epoch, snapshot }: ArchiveSummary): string {
    return `${epoch} ${snapshot}${this.restoring ? RESTORED : ''}`;
  }

  #file(): Promise<void> {
    return this.#index.file(() => undefined);
  }

  async #writeRows<Row>(rows: AsyncIterable<Row>, put: (row: Row) => void): Promise<void> {
    let waiting: Row[] = [];
    const write = async () => {
      const now = waiting;
      waiting = [];
      await this.#change(now.length, () => now.forEach(put), Buffer.byteLength(JSON.stringify(now)));
    };
    for await (const row of rows) if (waiting.push(row) >= ROWS) await write();
    if (waiting.length > 0) await write();
  }

  /** Puts and removes here and there, of so many bytes besides their pages. */
  #change(weight: number, write: () => void, bytes = 0): Promise<void> {
    return this.#writer.write({ weight, growth: 2 * bytes + weight * GROWTH_OF_CHANGE, write });
  }
}
