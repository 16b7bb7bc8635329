import { open } from 'node:fs/promises';
import {
  type ArchivedEntry,
  type ArchivedFloor,
  type ArchivedRecord,
  type ArchiveSource,
  type ArchiveSummary,
  ArchiveUnusable,
} from '../archive.js';
import type { Seq } from '../engine.js';
import { type Counts, type Line, readHeader, readLine } from './format.js';
import { linesOf } from './lines.js';

/** Bytes read at a time. */
const CHUNK = 1024 * 1024;

/** @throws ArchiveUnusable when there is no such file, or it cannot be read */
export async function openFileSource(path: string): Promise<ArchiveSource> {
  try {
    const file = await open(path, 'r');
    return new FileSource(path, file.createReadStream({ highWaterMark: CHUNK, autoClose: false }), () => file.close());
  } catch (error) {
    throw new ArchiveUnusable(`${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

/** An archive that comes through a pipe: read once, from its beginning. */
export function openPipeSource(chunks: AsyncIterable<Buffer>): ArchiveSource {
  return new FileSource('The archive', chunks, async () => undefined);
}

class FileSource implements ArchiveSource {
  readonly #lines: AsyncIterator<Buffer>;
  readonly #counts: Counts = { entries: 0, floors: 0, records: 0 };
  /** Read, but of a kind that nobody has asked for yet. */
  #held: Line | undefined;
  /** The number of the last line that was read, from 1. */
  #number = 0;
  #last = 0 as Seq;

  constructor(
    private readonly name: string,
    chunks: AsyncIterable<Buffer>,
    private readonly release: () => Promise<void>,
  ) {
    this.#lines = linesOf(chunks)[Symbol.asyncIterator]();
  }

  async summary(): Promise<ArchiveSummary> {
    const header = readHeader((await this.#text()) ?? '');
    if (!header) throw new ArchiveUnusable(`${this.name} is not an archive of InterChat: interchat export makes them.`);
    if ('version' in header) {
      throw new ArchiveUnusable(
        `${this.name} was written by a newer InterChat (archives of version ${header.version}). Install that one or a later one.`,
      );
    }
    this.#last = header.summary.last;
    return header.summary;
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    let before = 0;
    for (let line = await this.#next(); ; line = await this.#next()) {
      if (line.kind !== 'entry') {
        this.#held = line;
        return;
      }
      const { seq } = line.entry;
      if (seq <= before || seq > this.#last) throw this.#wrong();
      before = seq;
      this.#counts.entries++;
      if (seq > after) yield line.entry;
    }
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    for (let line = await this.#next(); ; line = await this.#next()) {
      if (line.kind !== 'floor') {
        this.#held = line;
        return;
      }
      this.#counts.floors++;
      yield line.floor;
    }
  }

  /** Whoever has been given all of them knows that the archive is whole. */
  async *records(): AsyncIterable<ArchivedRecord> {
    for (let line = await this.#next(); ; line = await this.#next()) {
      switch (line.kind) {
        case 'record':
          this.#counts.records++;
          yield line.record;
          break;
        case 'end':
          return this.#assertAll(line.counts);
        default:
          throw this.#wrong();
      }
    }
  }

  close(): Promise<void> {
    return this.release();
  }

  #assertAll({ entries, floors, records }: Counts): void {
    const { entries: e, floors: f, records: r } = this.#counts;
    if (entries === e && floors === f && records === r) return;
    throw new ArchiveUnusable(
      `${this.name} is damaged: at its end it says that it has more or fewer lines than it has.`,
    );
  }

  async #next(): Promise<Line> {
    const held = this.#held;
    this.#held = undefined;
    if (held) return held;
    const text = await this.#text();
    if (text === undefined) {
      throw new ArchiveUnusable(
        `${this.name} is cut short behind line ${this.#number}. Run the export again, which goes on there, then the import, which goes on too.`,
      );
    }
    const line = readLine(text);
    if (!line) throw this.#wrong();
    return line;
  }

  async #text(): Promise<string | undefined> {
    try {
      const line = await this.#lines.next();
      if (line.done) return undefined;
      this.#number++;
      return line.value.toString();
    } catch (error) {
      throw new ArchiveUnusable(`${this.name} cannot be read: ${(error as Error).message}.`, { cause: error });
    }
  }

  #wrong(): ArchiveUnusable {
    return new ArchiveUnusable(`${this.name} is damaged: line ${this.#number} is not what an archive has there.`);
  }
}
