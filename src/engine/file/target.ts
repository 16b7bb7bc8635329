import type {
  ArchivedEntry,
  ArchivedFloor,
  ArchivedRecord,
  ArchiveKind,
  ArchiveSummary,
  ArchiveTarget,
} from '../archive.js';
import type { Seq } from '../engine.js';
import { DraftOutput } from './draft-output.js';
import { FileOutput } from './file-output.js';
import { type Counts, Digest, endLine, entryLine, floorLine, headerLine, recordLine } from './format.js';
import { type Output, PipeOutput } from './output.js';

/** Lines of floors and records written at a time. */
const ROWS = 1_000;

/**
 * The file of an export, which goes on with what is there of it.
 * @throws ArchiveUnusable when it cannot be written
 */
export async function openFileTarget(path: string): Promise<ArchiveTarget> {
  return new FileTarget(await FileOutput.open(path), 'export');
}

/**
 * The new file of a backup, which is not there before it is whole.
 * @throws ArchiveUnusable when there is one, or it cannot be written
 */
export async function openNewFileTarget(path: string): Promise<ArchiveTarget> {
  return new FileTarget(await DraftOutput.open(path), 'backup');
}

/**
 * An archive that goes into a pipe, from its beginning.
 * @param write resolves when more can be taken
 */
export function openPipeTarget(write: (text: string) => Promise<void>, kind: ArchiveKind): ArchiveTarget {
  return new FileTarget(new PipeOutput(write), kind);
}

class FileTarget implements ArchiveTarget {
  readonly #counts: Counts = { entries: 0, floors: 0, records: 0 };
  #digest = new Digest();
  #hasRows = false;

  constructor(
    private readonly output: Output,
    private readonly kind: ArchiveKind,
  ) {}

  async begin(summary: ArchiveSummary): Promise<Seq | 'finished'> {
    const { finished, entries, after, rows } = await this.output.begin(headerLine(this.kind, summary));
    this.#counts.entries = entries;
    if (rows) {
      this.#counts.floors = rows.floors;
      this.#counts.records = rows.records;
      this.#digest = rows.digest;
      this.#hasRows = true;
    }
    return finished ? 'finished' : after;
  }

  async rows(floors: AsyncIterable<ArchivedFloor>, records: AsyncIterable<ArchivedRecord>): Promise<void> {
    const counts = {
      floors: await this.#writeRows(floors, floorLine),
      records: await this.#writeRows(records, recordLine),
    };
    Object.assign(this.#counts, counts);
    this.#hasRows = true;
  }

  async entries(entries: readonly ArchivedEntry[]): Promise<void> {
    await this.#write(entries.map(entryLine).join(''));
    this.#counts.entries += entries.length;
  }

  async finish(): Promise<void> {
    await this.output.write(endLine(this.#counts, this.#digest.text));
    await this.output.settle();
  }

  close(): Promise<void> {
    return this.output.close();
  }

  /** Writes them unless an earlier run has; @returns how many there were */
  async #writeRows<Row>(rows: AsyncIterable<Row>, lineOf: (row: Row) => string): Promise<number> {
    let count = 0;
    let lines: string[] = [];
    for await (const row of rows) {
      count++;
      if (lines.push(lineOf(row)) < ROWS) continue;
      if (!this.#hasRows) await this.#write(lines.join(''));
      lines = [];
    }
    if (lines.length > 0 && !this.#hasRows) await this.#write(lines.join(''));
    return count;
  }

  async #write(lines: string): Promise<void> {
    this.#digest.add(lines);
    await this.output.write(lines);
  }
}
