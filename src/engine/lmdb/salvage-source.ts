import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSummary } from '../archive.js';
import { EngineUnusable, type Entry, type Json, type Seq, type Topic } from '../engine.js';
import { Losses, raiseSeries, type SalvageSource } from '../salvage.js';
import { tryLockFolder } from './lock.js';
import { DamagedFile, type MetaPage, newestMetaPage, type Row, wholeRows } from './page-check.js';
import { appendedAt, decodeEntry, isExpired } from './record.js';
import { readSecret } from './secret.js';
import { isSealed, openSealed, openValue } from './sealed.js';
import { FILE, RESTORATIONS, restorationsIn, SERIES } from './store.js';

/**
 * What is whole of a damaged folder, read page by page without LMDB, which would trust what it finds.
 * @throws EngineUnusable when nothing of it can be read, or a server uses it
 */
export async function openLmdbSalvage(folder: string, now: () => number = Date.now): Promise<SalvageSource> {
  const path = join(folder, FILE);
  if (!existsSync(path))
    throw new EngineUnusable(`There is no data of InterChat in ${folder}. Give the folder of a server, or a file.`);
  const unlock = await tryLockFolder(folder);
  if (!unlock) throw new EngineUnusable(`A server uses the data folder ${folder}. Stop it first.`);
  let file: FileHandle | undefined;
  const close = async () => {
    await file?.close();
    await unlock();
  };
  try {
    file = await open(path, 'r');
    const source = new LmdbSalvage(folder, file, newestMetaPage(file.fd, (await file.stat()).size), close, now);
    source.begin();
    return source;
  } catch (error) {
    await close();
    if (!(error instanceof DamagedFile)) throw error;
    throw new EngineUnusable(`Nothing can be taken of ${path}: ${error.message}. Restore a backup.`, { cause: error });
  }
}

class LmdbSalvage implements SalvageSource {
  readonly losses = new Losses();
  readonly #values = new Map<string, string | number>();
  readonly #topics = new Set<Topic>();
  #newest = 0;

  constructor(
    private readonly folder: string,
    private readonly file: FileHandle,
    private readonly meta: MetaPage,
    readonly close: () => Promise<void>,
    private readonly now: () => number,
  ) {}

  /** Finds out what is lost: floors come before the entries. */
  begin(): void {
    for (const row of this.#rows('meta')) {
      if (typeof row?.key !== 'string') continue;
      const { key, value } = row;
      if (key === 'format') this.#assertFormat(value);
      const opened = attempt(() => openValue(key, JSON.parse(value.toString()) as string));
      if (opened !== undefined) this.#values.set(key, opened);
    }
    let before = 0;
    let taken = 0;
    let isHole = false;
    for (const row of this.#rows('entries')) {
      const entry = entryIn(row, before);
      if (!entry) {
        isHole = true;
        continue;
      }
      if (isHole) this.losses.add(before + 1, entry.seq - 1);
      isHole = false;
      before = entry.seq;
      taken++;
      this.#topics.add(entry.topic);
    }
    this.#newest = Math.max(before, Number(this.#values.get('last') ?? 0));
    const expected = wholeRows(this.file.fd, this.meta, 'entries').expected;
    this.losses.entries = expected === undefined ? undefined : Math.max(0, expected - taken);
    if (isHole) this.losses.add(before + 1, this.#newest);
    if (this.losses.entries !== 0 && this.losses.places.length === 0) this.losses.add(1, this.#newest);
    this.losses.settle();
    const records = wholeRows(this.file.fd, this.meta, 'records').expected;
    this.losses.records = records === undefined ? undefined : Math.max(0, records - this.#sealed('records').size);
    this.losses.hasSummary = this.#values.has('epoch') && this.#values.has('last');
  }

  async summary(): Promise<ArchiveSummary> {
    const series: Record<string, number> = {};
    for (const [key, value] of this.#values)
      if (key.startsWith(SERIES)) series[key.slice(SERIES.length)] = Number(value);
    for await (const { key } of this.records()) raiseSeries(series, key);
    const secret = await readSecret(this.folder).catch(() => undefined);
    const restorations = restorationsIn(this.#values.get(RESTORATIONS));
    return {
      epoch: String(this.#values.get('epoch') ?? randomUUID()),
      snapshot: `${this.meta.commit} salvaged`,
      last: this.#newest as Seq,
      series,
      ...(restorations.length > 0 && { restorations }),
      ...(secret && { secret: secret.toString('base64url') }),
    };
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    const floors = this.#sealed<number>('floors');
    yield* this.losses.floors(floors as Map<Topic, number>, this.#topics);
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    for (const [key, { value }] of this.#sealed<{ value: Json }>('records')) yield { key, value };
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    const now = this.now();
    const drops = this.#sealed<number>('drops');
    let before: number = after;
    for (const row of this.#rows('entries')) {
      const entry = entryIn(row, before);
      if (!row || !entry) continue;
      before = entry.seq;
      if (isExpired(entry, now) || entry.seq <= (drops.get(entry.topic) ?? 0)) continue;
      yield { ...entry, appendedAt: appendedAt(row.value) };
    }
  }

  #rows(table: string): Iterable<Row | undefined> {
    return wholeRows(this.file.fd, this.meta, table).rows;
  }

  #sealed<Value>(table: string): Map<string, Value> {
    const rows = new Map<string, Value>();
    for (const row of this.#rows(table)) {
      if (typeof row?.key === 'string' && isSealed(row.key, row.value)) rows.set(row.key, openSealed<Value>(row.value));
    }
    return rows;
  }

  #assertFormat(value: Buffer): void {
    if (value.toString() === '3') return;
    throw new EngineUnusable(
      `The data folder ${this.folder} is of format ${value.toString('latin1', 0, 20)}, which has no checksums. Restore a backup.`,
    );
  }
}

/** The entry of a row, where it is whole and stands after a place. */
function entryIn(row: Row | undefined, before: number): Entry | undefined {
  const seq = row?.key;
  if (!row || typeof seq !== 'number' || seq <= before) return undefined;
  return attempt(() => decodeEntry(seq, row.value));
}

function attempt<Result>(act: () => Result): Result | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
