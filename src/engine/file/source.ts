import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  type ArchivedEntry,
  type ArchivedFloor,
  type ArchivedRecord,
  type ArchiveKind,
  type ArchiveSource,
  type ArchiveSummary,
  ArchiveUnusable,
} from '../archive.js';
import type { Seq } from '../engine.js';
import { Digest, type Header, type Line, type Counts, readHeader, readLine } from './format.js';
import { linesOf } from './lines.js';

/** Bytes read at a time. */
const CHUNK = 1024 * 1024;

const LINE_FEED = Buffer.from('\n');

/** In which order the lines of each version stand. */
const ORDERS: Readonly<Record<number, readonly Line['kind'][]>> = {
  1: ['entry', 'floor', 'record', 'end'],
  2: ['floor', 'record', 'entry', 'end'],
};

/** The bytes of an archive. */
interface Bytes {
  readonly name: string;
  /** From the beginning. A pipe has them once. */
  readonly read: () => AsyncIterable<Buffer>;
  readonly isPipe: boolean;
}

/**
 * A backup is read to its end before anything of it is given: nothing is made of one that is damaged.
 * @param expected refuses an archive of the other kind
 * @throws ArchiveUnusable when there is no such file, or it cannot be read
 */
export async function openFileSource(path: string, expected?: ArchiveKind): Promise<ArchiveSource> {
  return new FileSource(await bytesOfFile(path), expected);
}

/** An archive that comes through a pipe: read once, from its beginning. */
export function openPipeSource(chunks: AsyncIterable<Buffer>, expected?: ArchiveKind): ArchiveSource {
  return new FileSource({ name: 'The archive', read: () => chunks, isPipe: true }, expected);
}

/** @throws ArchiveUnusable when there is no such file, or it cannot be read */
async function bytesOfFile(path: string): Promise<Bytes> {
  try {
    await (await open(path, 'r')).close();
  } catch (error) {
    throw new ArchiveUnusable(`${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  return { name: path, read: () => chunksOf(path), isPipe: false };
}

/** Opens the file when the first of them is asked for. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  yield* createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
}

class FileSource implements ArchiveSource {
  #reader: ArchiveReader;
  #lines: AsyncGenerator<Line> | undefined;
  /** Read, but of a kind that nobody has asked for yet. */
  #held: Line | undefined;
  #version = 0;

  constructor(
    private readonly bytes: Bytes,
    private readonly expected: ArchiveKind | undefined,
  ) {
    this.#reader = new ArchiveReader(bytes);
  }

  async summary(): Promise<ArchiveSummary> {
    const { version, kind, summary } = await this.#reader.header();
    this.#version = version;
    this.#assertKind(kind);
    // The lines of version 1 do not stand in the order in which they are given.
    if (!this.bytes.isPipe && kind !== 'export') {
      await endOf(this.#reader.lines());
      this.#reader = new ArchiveReader(this.bytes);
      await this.#reader.header();
    }
    this.#lines = this.#reader.lines();
    return summary;
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    if (this.#version === 1) await this.#skipEntries();
    for await (const line of this.#linesOf('floor')) yield line.floor;
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    for await (const line of this.#linesOf('record')) yield line.record;
  }

  /** Having given all of them, it knows that the archive is whole. */
  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    if (this.#version === 1) await this.#rewind();
    for await (const { entry } of this.#linesOf('entry')) if (entry.seq > after) yield entry;
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  #assertKind(kind: ArchiveKind | undefined): void {
    const { expected } = this;
    const { name } = this.bytes;
    if (kind === undefined) {
      if (this.bytes.isPipe) {
        throw new ArchiveUnusable(`${name} is of version 1. Write it to a file, and give that.`);
      }
      if (expected === 'export') {
        throw new ArchiveUnusable(
          `${name} is of version 1, which does not say whether it is a backup. Run interchat export again with this version, or interchat restore, which is right for either.`,
        );
      }
    }
    if (expected === undefined || kind === undefined || kind === expected) return;
    throw new ArchiveUnusable(
      expected === 'export'
        ? `${name} is a backup, not an export: to import it would give ids twice. Run interchat restore with it.`
        : `${name} is an export, not a backup. Run interchat import with it; or, if its server has run since, interchat restore --salvage.`,
    );
  }

  async *#linesOf<Kind extends Line['kind']>(kind: Kind): AsyncIterable<Extract<Line, { kind: Kind }>> {
    if (!this.#lines) throw new Error('Its summary has not been asked for.');
    for (;;) {
      const line = this.#held ?? ((await this.#lines.next()).value as Line | undefined);
      this.#held = line;
      if (line?.kind !== kind) return;
      this.#held = undefined;
      yield line as Extract<Line, { kind: Kind }>;
    }
  }

  async #skipEntries(): Promise<void> {
    await endOf(this.#linesOf('entry'));
  }

  async #rewind(): Promise<void> {
    await this.#reader.close();
    this.#reader = new ArchiveReader(this.bytes);
    await this.#reader.header();
    this.#lines = this.#reader.lines();
    this.#held = undefined;
  }
}

/** Resolves when all of them have come. */
async function endOf(lines: AsyncIterable<unknown>): Promise<void> {
  const iterator = lines[Symbol.asyncIterator]();
  while (!(await iterator.next()).done);
}

/** Reads an archive from its beginning, and checks all that it says of itself. */
class ArchiveReader {
  readonly #bytes: AsyncGenerator<Buffer, number>;
  /** The number of the last line that was read, from 1. */
  #number = 0;
  /** Bytes after the last line feed. */
  #rest = 0;
  #header: Header | undefined;

  constructor(private readonly source: Bytes) {
    this.#bytes = linesOf(source.read());
  }

  /** @throws ArchiveUnusable */
  async header(): Promise<Header> {
    const { name } = this.source;
    const bytes = await this.#next();
    if (bytes === undefined && this.#rest > 0) {
      throw new ArchiveUnusable(`${name} is not an archive of InterChat, or is cut short in its first line.`);
    }
    const header = bytes && readHeader(bytes);
    if (!header) throw new ArchiveUnusable(`${name} is not an archive of InterChat: interchat export makes them.`);
    if (header === 'damaged') throw this.wrong();
    if (!header.summary) {
      throw new ArchiveUnusable(
        `${name} was written by a newer InterChat (archives of version ${header.version}). Install that one or a later one.`,
      );
    }
    return (this.#header = header);
  }

  /**
   * All lines after the header but the end, which says whether they are all.
   * @throws ArchiveUnusable
   */
  async *lines(): AsyncGenerator<Line> {
    if (!this.#header) throw new Error('Its header has not been read.');
    const { version, summary } = this.#header;
    const order = ORDERS[version] ?? [];
    const counts: Counts = { entries: 0, floors: 0, records: 0 };
    const digest = new Digest();
    let rank = 0;
    let seq = 0;
    for (;;) {
      const bytes = await this.#next();
      if (bytes === undefined) throw this.#cutShort();
      const line = readLine(bytes, version);
      if (!line || order.indexOf(line.kind) < rank) throw this.wrong();
      rank = order.indexOf(line.kind);
      switch (line.kind) {
        case 'entry':
          if (line.entry.seq <= seq || line.entry.seq > summary.last) throw this.wrong();
          ({ seq } = line.entry);
          counts.entries++;
          break;
        case 'floor':
          counts.floors++;
          break;
        case 'record':
          counts.records++;
          break;
        case 'end':
          this.#assertAll(counts, line.counts);
          if (line.digest !== undefined && line.digest !== digest.text)
            throw this.#damaged('its digest is another one');
          if ((await this.#next()) !== undefined || this.#rest > 0) throw this.#damaged('there is more after its end');
          return;
      }
      digest.add(bytes);
      digest.add(LINE_FEED);
      yield line;
    }
  }

  /** The last line that was read does not belong there. */
  wrong(): ArchiveUnusable {
    return this.#damaged(`line ${this.#number} is not what an archive has there`);
  }

  async close(): Promise<void> {
    await this.#bytes.return(0);
  }

  #assertAll(found: Counts, said: Counts): void {
    if (found.entries === said.entries && found.floors === said.floors && found.records === said.records) return;
    throw this.#damaged('at its end it says that it has more or fewer lines than it has');
  }

  #damaged(how: string): ArchiveUnusable {
    const advice =
      this.#header?.kind === 'export' ? 'Run the export again, into another file' : 'Restore another backup';
    return new ArchiveUnusable(
      `${this.source.name} is damaged: ${how}. ${advice}; or run interchat restore --salvage, which takes what is whole.`,
    );
  }

  #cutShort(): ArchiveUnusable {
    const advice =
      this.#header?.kind === 'export'
        ? 'Run the export again, which goes on there, then the import, which goes on too'
        : 'Restore another backup';
    return new ArchiveUnusable(
      `${this.source.name} is cut short after line ${this.#number}. ${advice}; or run interchat restore --salvage, which takes what is whole.`,
    );
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#bytes.next();
      if (done) {
        this.#rest = value;
        return undefined;
      }
      this.#number++;
      return value;
    } catch (error) {
      throw new ArchiveUnusable(`${this.source.name} cannot be read: ${(error as Error).message}.`, { cause: error });
    }
  }
}
