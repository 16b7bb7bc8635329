import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  type ArchivedEntry,
  type ArchivedFloor,
  type ArchivedRecord,
  type ArchiveSummary,
  ArchiveUnusable,
} from '../archive.js';
import type { Seq, Topic } from '../engine.js';
import { Losses, raiseSeries, type SalvageSource } from '../salvage.js';
import { type Counts, type Header, type Line, readHeader, readLine, salvageHeader } from './format.js';
import { linesOf } from './lines.js';

/** Bytes read at a time. */
const CHUNK = 1024 * 1024;

/**
 * The lines of a damaged archive that are whole. The file is read to its end first, to find out what is lost.
 * @throws ArchiveUnusable when it cannot be read, or there is no archive in it
 */
export async function openFileSalvage(path: string): Promise<SalvageSource> {
  const source = new FileSalvage(path);
  try {
    await (await open(path, 'r')).close();
    await source.begin();
    return source;
  } catch (error) {
    if (error instanceof ArchiveUnusable) throw error;
    throw new ArchiveUnusable(`${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

class FileSalvage implements SalvageSource {
  readonly losses = new Losses();
  #header: Header | undefined;
  #version = 2;
  readonly #topics = new Set<Topic>();
  readonly #floors = new Map<Topic, number>();
  readonly #series: Record<string, number> = {};
  #newest = 0;

  constructor(private readonly path: string) {}

  async begin(): Promise<void> {
    const found: Counts = { entries: 0, floors: 0, records: 0 };
    let said: Counts | undefined;
    let isFirst = true;
    let isHole = false;
    let before = 0;
    for await (const bytes of linesOf(this.#chunks())) {
      if (isFirst) {
        isFirst = false;
        this.#readHeader(bytes);
        continue;
      }
      const line = readLine(bytes, this.#version);
      if (!line || (line.kind === 'entry' && line.entry.seq <= before)) {
        isHole = true;
        continue;
      }
      switch (line.kind) {
        case 'entry':
          if (isHole) this.losses.add(before + 1, line.entry.seq - 1);
          isHole = false;
          before = line.entry.seq;
          found.entries++;
          this.#topics.add(line.entry.topic);
          break;
        case 'floor':
          this.#floors.set(line.floor.topic, line.floor.floor);
          found.floors++;
          break;
        case 'record':
          raiseSeries(this.#series, line.record.key);
          found.records++;
          break;
        case 'end':
          said = line.counts;
          break;
      }
    }
    if (found.entries + found.records === 0 && !this.#header) {
      throw new ArchiveUnusable(`${this.path} is not an archive of InterChat: interchat backup makes them.`);
    }
    this.#newest = Math.max(before, this.#header?.summary.last ?? 0);
    this.losses.hasSummary = this.#header !== undefined;
    this.losses.entries = said && Math.max(0, said.entries - found.entries);
    this.losses.records = said && Math.max(0, said.records - found.records);
    // Without an end, nothing says how far it went. Without an entry after it, a hole ends where the archive does.
    if (!said || isHole) this.losses.add(before + 1, this.#newest);
    if (this.losses.entries && this.losses.places.length === 0) this.losses.add(1, this.#newest);
    this.losses.settle();
  }

  async summary(): Promise<ArchiveSummary> {
    const header = this.#header?.summary;
    if (header) return { ...header, snapshot: `${header.snapshot} salvaged` };
    return { epoch: randomUUID(), snapshot: 'salvaged', last: this.#newest as Seq, series: this.#series };
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    yield* this.losses.floors(this.#floors, this.#topics);
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    for await (const line of this.#lines()) if (line.kind === 'record') yield line.record;
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    let before: number = after;
    for await (const line of this.#lines()) {
      if (line.kind !== 'entry' || line.entry.seq <= before) continue;
      before = line.entry.seq;
      yield line.entry;
    }
  }

  async close(): Promise<void> {}

  #readHeader(bytes: Buffer): void {
    const header = readHeader(bytes);
    if (typeof header === 'object' && !header.summary) {
      throw new ArchiveUnusable(
        `${this.path} was written by a newer InterChat (archives of version ${header.version}). Install that one or a later one.`,
      );
    }
    this.#header = typeof header === 'object' && header.summary ? header : salvageHeader(bytes);
    this.#version = this.#header?.version ?? this.#version;
  }

  async *#lines(): AsyncGenerator<Line> {
    for await (const bytes of linesOf(this.#chunks())) {
      const line = readLine(bytes, this.#version);
      if (line) yield line;
    }
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    yield* createReadStream(this.path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
  }
}
