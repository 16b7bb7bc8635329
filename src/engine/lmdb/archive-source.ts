import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSource, ArchiveSummary } from '../archive.js';
import { EngineUnusable, type Json, type Seq, type Topic } from '../engine.js';
import { openFolder, type OpenFolder } from './open.js';
import { appendedAt, decodeEntry, isExpired } from './record.js';
import { readSecret } from './secret.js';
import { FILE, SERIES } from './store.js';

/** Bytes of entries read at a time. Between two reads nothing of LMDB is held. */
const PAGE = 1024 * 1024;

/** Rows of small things read at a time. */
const ROWS = 1_000;

/**
 * A data folder that is to be written out. Its lock is taken: no server writes meanwhile.
 * @throws EngineUnusable when there is none, or it is in use
 */
export async function openLmdbSource(folder: string, now: () => number = Date.now): Promise<ArchiveSource> {
  if (!existsSync(join(folder, FILE))) {
    throw new EngineUnusable(
      `There is no data of InterChat in ${folder}. Give the folder of a server: --data or INTERCHAT_DATA.`,
    );
  }
  return new LmdbSource(folder, await openFolder(folder), now);
}

class LmdbSource implements ArchiveSource {
  constructor(
    private readonly folder: string,
    private readonly open: OpenFolder,
    private readonly now: () => number,
  ) {}

  async summary(): Promise<ArchiveSummary> {
    const { store } = this.open;
    const series: [string, number][] = [];
    for (const { key, value } of store.meta.getRange({ start: SERIES, end: `${SERIES}\uffff` })) {
      series.push([key.slice(SERIES.length), Number(value)]);
    }
    const secret = await readSecret(this.folder);
    return {
      epoch: String(store.meta.get('epoch')),
      snapshot: String(store.transaction),
      last: Number(store.meta.get('last') ?? 0) as Seq,
      series: Object.fromEntries(series),
      ...(secret && { secret: secret.toString('base64url') }),
    };
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    const { store } = this.open;
    const now = this.now();
    // What was dropped may not have been removed yet.
    const drops = new Map<string, number>();
    for (const { key, value } of store.drops.getRange()) drops.set(key, value);
    for (let at = after, more = true; more;) {
      const page: ArchivedEntry[] = [];
      more = false;
      let bytes = 0;
      for (const { key, value } of store.entries.getRange({ start: at + 1 })) {
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

  async *floors(): AsyncIterable<ArchivedFloor> {
    for await (const { key, value } of rowsOf(this.open.store.floors))
      yield { topic: key as Topic, floor: value as Seq };
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    for await (const { key, value } of rowsOf(this.open.store.records)) yield { key, value: value.value as Json };
  }

  close(): Promise<void> {
    return this.open.close();
  }
}

interface Table<Value> {
  getRange(range: { readonly start?: string; readonly limit: number }): Iterable<{ key: string; value: Value }>;
}

async function* rowsOf<Value>(table: Table<Value>): AsyncIterable<{ key: string; value: Value }> {
  for (let start: string | undefined; ;) {
    const rows = [...table.getRange({ start, limit: ROWS })];
    for (const row of rows) if (row.key !== start) yield row;
    if (rows.length < ROWS) return;
    start = rows.at(-1)?.key;
  }
}
