import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSummary, ArchiveTarget } from '../archive.js';
import type { Seq } from '../engine.js';
import { DraftOutput } from './draft-output.js';
import { FileOutput } from './file-output.js';
import { type Counts, endLine, entryLine, floorLine, headerLine, recordLine } from './format.js';
import { type Output, PipeOutput } from './output.js';

/** Lines of floors and records written at a time. */
const ROWS = 1_000;

/** @throws ArchiveUnusable when it cannot be written */
export async function openFileTarget(path: string): Promise<ArchiveTarget> {
  return new FileTarget(await FileOutput.open(path));
}

/**
 * A new file, which is not there before it is whole.
 * @throws ArchiveUnusable when there is one, or it cannot be written
 */
export async function openNewFileTarget(path: string): Promise<ArchiveTarget> {
  return new FileTarget(await DraftOutput.open(path));
}

/**
 * An archive that goes into a pipe, from its beginning.
 * @param write resolves when more can be taken
 */
export function openPipeTarget(write: (text: string) => Promise<void>): ArchiveTarget {
  return new FileTarget(new PipeOutput(write));
}

class FileTarget implements ArchiveTarget {
  #counts: Counts = { entries: 0, floors: 0, records: 0 };

  constructor(private readonly output: Output) {}

  async begin(summary: ArchiveSummary): Promise<Seq | 'finished'> {
    const { finished, entries, after } = await this.output.begin(headerLine(summary));
    this.#counts.entries = entries;
    return finished ? 'finished' : after;
  }

  async entries(entries: readonly ArchivedEntry[]): Promise<void> {
    await this.output.write(entries.map(entryLine).join(''));
    this.#counts.entries += entries.length;
  }

  async finish(floors: AsyncIterable<ArchivedFloor>, records: AsyncIterable<ArchivedRecord>): Promise<void> {
    this.#counts.floors = await this.#writeRows(floors, floorLine);
    this.#counts.records = await this.#writeRows(records, recordLine);
    await this.output.write(endLine(this.#counts));
    await this.output.settle();
  }

  close(): Promise<void> {
    return this.output.close();
  }

  /** @returns how many there were */
  async #writeRows<Row>(rows: AsyncIterable<Row>, lineOf: (row: Row) => string): Promise<number> {
    let count = 0;
    let lines: string[] = [];
    for await (const row of rows) {
      count++;
      if (lines.push(lineOf(row)) < ROWS) continue;
      await this.output.write(lines.join(''));
      lines = [];
    }
    if (lines.length > 0) await this.output.write(lines.join(''));
    return count;
  }
}
