import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSource, ArchiveSummary } from '../archive.js';
import { EngineUnusable, type Json, type Seq, type Topic } from '../engine.js';
import { assertWhole, IMPORTING } from './importing.js';
import { lockAsReader } from './lock.js';
import { assertCurrent, MIGRATING } from './migrations.js';
import { openFolder, unusable } from './open.js';
import { appendedAt, decodeEntry, isExpired } from './record.js';
import { readSecret } from './secret.js';
import type { SealedTable } from './sealed.js';
import { FILE, openToRead, RESTORATIONS, restorationsIn, SERIES, type Snapshot } from './store.js';

/** Bytes of entries read at a time: others get their turn in between. */
const PAGE = 1024 * 1024;

/** Rows of small things read at a time. */
const ROWS = 1_000;

/**
 * A data folder that is to be written out. Its lock is taken: no server writes meanwhile.
 * @throws EngineUnusable when there is none, or it is in use
 */
export async function openLmdbSource(folder: string, now: () => number = Date.now): Promise<ArchiveSource> {
  assertThere(folder);
  const { store, close } = await openFolder(folder);
  return new LmdbSource(folder, store.snapshot(), close, now);
}

/**
 * The same of a folder that a server may use, or begin to use, and go on writing: what it holds at this moment.
 * @throws EngineUnusable when there is none, or it cannot be read
 */
export async function openLmdbBackupSource(folder: string, now: () => number = Date.now): Promise<ArchiveSource> {
  assertThere(folder);
  let unlock: (() => Promise<void>) | undefined;
  let closeFile: (() => Promise<void>) | undefined;
  const close = async () => {
    await closeFile?.();
    await unlock?.();
  };
  try {
    unlock = await lockAsReader(folder);
    const opened = await openToRead(folder);
    closeFile = opened.close;
    const { snapshot } = opened;
    const { tables, transaction } = snapshot;
    assertCurrent(
      folder,
      Number(tables.meta.get('format', { transaction })),
      tables.meta.get(MIGRATING, { transaction }) !== undefined,
    );
    assertWhole(tables.meta.get(IMPORTING, { transaction }), folder);
    return new LmdbSource(folder, snapshot, close, now);
  } catch (error) {
    await close();
    throw unusable(folder, error);
  }
}

function assertThere(folder: string): void {
  if (existsSync(join(folder, FILE))) return;
  throw new EngineUnusable(
    `There is no data of InterChat in ${folder}. Give the folder of a server: --data or INTERCHAT_DATA.`,
  );
}

class LmdbSource implements ArchiveSource {
  constructor(
    private readonly folder: string,
    private readonly snapshot: Snapshot,
    private readonly closeFolder: () => Promise<void>,
    private readonly now: () => number,
  ) {}

  async summary(): Promise<ArchiveSummary> {
    const { transaction, number, tables } = this.snapshot;
    const { meta } = tables;
    const series: [string, number][] = [];
    for (const { key, value } of meta.getRange({ start: SERIES, end: `${SERIES}\uffff`, transaction })) {
      series.push([key.slice(SERIES.length), Number(value)]);
    }
    const secret = await readSecret(this.folder);
    const restorations = restorationsIn(meta.get(RESTORATIONS, { transaction }));
    return {
      epoch: String(meta.get('epoch', { transaction })),
      snapshot: String(number),
      last: Number(meta.get('last', { transaction }) ?? 0) as Seq,
      series: Object.fromEntries(series),
      ...(restorations.length > 0 && { restorations }),
      ...(secret && { secret: secret.toString('base64url') }),
    };
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    for await (const { key, value } of this.#rowsOf(this.snapshot.tables.floors))
      yield { topic: key as Topic, floor: value as Seq };
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    for await (const { key, value } of this.#rowsOf(this.snapshot.tables.records))
      yield { key, value: value.value as Json };
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    const { transaction, tables } = this.snapshot;
    const now = this.now();
    // What was dropped may not have been removed yet.
    const drops = new Map<string, number>();
    for (const { key, value } of tables.drops.getRange({ transaction })) drops.set(key, value);
    for (let at = after, more = true; more;) {
      const page: ArchivedEntry[] = [];
      more = false;
      let bytes = 0;
      for (const { key, value } of tables.entries.getRange({ start: at + 1, transaction })) {
        at = key as Seq;
        bytes += value.length;
        const entry = decodeEntry(key, value);
        if (!isExpired(entry, now) && key > (drops.get(entry.topic) ?? 0)) {
          page.push({ ...entry, appendedAt: appendedAt(value) });
        }
        more = bytes >= PAGE;
        if (more) break;
      }
      yield* page;
    }
  }

  async close(): Promise<void> {
    this.snapshot.release();
    await this.closeFolder();
  }

  async *#rowsOf<Value>(table: SealedTable<Value>): AsyncIterable<{ key: string; value: Value }> {
    const { transaction } = this.snapshot;
    for (let start: string | undefined; ;) {
      const rows = [...table.getRange({ start, limit: ROWS, transaction })];
      for (const row of rows) if (row.key !== start) yield row;
      if (rows.length < ROWS) return;
      start = rows.at(-1)?.key;
    }
  }
}
