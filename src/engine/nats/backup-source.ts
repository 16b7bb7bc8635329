import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSource, ArchiveSummary } from '../archive.js';
import type { Seq } from '../engine.js';

/** Where {@link BackupSource} reads from while nodes write. */
export interface LiveSource {
  /** The place of the newest entry there ever was. */
  last(): Promise<Seq>;
  /** Entries up to this place, without those that are trimmed or dropped before they are read. */
  entries(upTo: Seq): AsyncIterable<ArchivedEntry>;
  /** All else, as of one moment that is not before the call. */
  rest(): Promise<Rest>;
  close(): Promise<void>;
}

export interface Rest {
  readonly summary: Omit<ArchiveSummary, 'snapshot' | 'last'>;
  readonly floors: readonly ArchivedFloor[];
  readonly records: readonly ArchivedRecord[];
}

/** An entry in the temporary file: a line of JSON, the body as base64. */
type Line = Omit<ArchivedEntry, 'body'> & { readonly body: string };

/**
 * A backup that is taken while nodes write, where nothing can hold the log still.
 *
 * The entries are read first, up to the place that is the newest at the beginning, into a temporary file; then everything else,
 * as of one moment. In this order the floors tell of every entry that was trimmed before it was read, and the series are
 * not behind any record: no number in the backup is given out again. The other order could hide a gap.
 */
export class BackupSource implements ArchiveSource {
  private constructor(
    private readonly live: LiveSource,
    private readonly folder: string,
    private readonly last: Seq,
    private readonly rest: Rest,
  ) {}

  /** @throws EngineUnavailable; the error of the file system, such as ENOSPC */
  static async open(live: LiveSource): Promise<BackupSource> {
    // For its owner alone.
    const folder = await mkdtemp(join(tmpdir(), 'interchat-backup-'));
    try {
      const last = await live.last();
      await spool(join(folder, FILE), live.entries(last));
      return new BackupSource(live, folder, last, await live.rest());
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async summary(): Promise<ArchiveSummary> {
    const { summary, records, floors } = this.rest;
    const hash = createHash('sha256').update(JSON.stringify([summary, records, floors]));
    return { ...summary, last: this.last, snapshot: `${this.last} ${hash.digest('base64url')}` };
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    yield* this.rest.floors;
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    yield* this.rest.records;
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    const input = createReadStream(join(this.folder, FILE));
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const { body, ...entry } = JSON.parse(line) as Line;
      if (entry.seq > after) yield { ...entry, body: Buffer.from(body, 'base64') };
    }
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    await this.live.close();
  }
}

const FILE = 'entries';

/** Bytes that are written at a time. */
const PAGE = 1024 * 1024;

async function spool(path: string, entries: AsyncIterable<ArchivedEntry>): Promise<void> {
  const file: FileHandle = await open(path, 'wx', 0o600);
  try {
    let page = '';
    for await (const entry of entries) {
      const line: Line = { ...entry, body: Buffer.from(entry.body).toString('base64') };
      page += `${JSON.stringify(line)}\n`;
      if (page.length < PAGE) continue;
      await file.writeFile(page);
      page = '';
    }
    await file.writeFile(page);
  } finally {
    await file.close();
  }
}
