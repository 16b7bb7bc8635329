import { readSync } from 'node:fs';
import * as lmdb from 'lmdb';

/**
 * What LMDB's file looks like inside, checked without LMDB: a page that is not what LMDB takes it for ends the process, or leads
 * to other entries than those that were written. LMDB itself has no checksums of pages.
 *
 * Numbers are little-endian. A page has a header of 24 bytes: its own number, the number of the commit that wrote it, flags, and
 * where its node offsets end and its nodes begin, both counted from the end of the header. The first two pages are meta pages,
 * which take turns: one for each commit.
 */
const HEADER = 24;
const META_SIZE = 144;
const MAGIC = 0xbeefc0de;
const VERSION = 2;

const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;

/** Of a node: its data is on overflow pages; it is the root of a table. */
const BIG_DATA = 0x01;
const SUB_TABLE = 0x02;
const NODE_HEADER = 8;
const TABLE_SIZE = 48;

/** Instead of the root of an empty table. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Deeper trees do not exist: each page has at least two children. */
const DEEPEST = 32;

/** Pages checked before others get their turn. */
const AT_A_TIME = 2_000;

/** The file is not what LMDB has written. The message says what is wrong with it, for the middle of a sentence. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile';
}

/** The root of a tree of pages, as LMDB keeps it. */
interface Table {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Undefined for an empty table. */
  readonly root: number | undefined;
}

export interface MetaPage {
  readonly pageSize: number;
  readonly lastPage: number;
  /** The number of the commit that it belongs to. */
  readonly commit: number;
  readonly free: Table;
  readonly main: Table;
}

/** What a tree of pages has. */
export interface TableSize {
  readonly name: string;
  readonly entries: number;
  readonly pages: number;
}

/**
 * Reads the two meta pages of a file.
 * @returns the newer first
 * @throws DamagedFile when LMDB must not be given the file: not even to find out how long it is
 */
export function readMetaPages(file: number, size: number): [MetaPage, MetaPage] {
  const first = Buffer.alloc(HEADER + META_SIZE);
  if (size < first.length || readSync(file, first, 0, first.length, 0) < first.length) {
    throw new DamagedFile(size === 0 ? 'it is empty' : `it has ${size} bytes, too few`);
  }
  const one = metaIn(first, 0);
  const second = Buffer.alloc(HEADER + META_SIZE);
  if (size < 2 * one.pageSize || readSync(file, second, 0, second.length, one.pageSize) < second.length) {
    throw new DamagedFile(`it is cut short: it has ${size} bytes`);
  }
  const other = metaIn(second, 1);
  if (one.pageSize !== other.pageSize) throw new DamagedFile('its meta pages do not agree');
  // Each commit writes the meta page whose turn it is.
  const inTurn = one.commit % 2 === 0 && (other.commit % 2 === 1 || other.commit === 0);
  if (!inTurn || Math.abs(one.commit - other.commit) > 1) throw new DamagedFile('its meta pages do not agree');
  const metas: [MetaPage, MetaPage] = one.commit > other.commit ? [one, other] : [other, one];
  for (const { lastPage, pageSize } of metas) {
    const needed = (lastPage + 1) * pageSize;
    if (size < needed) throw new DamagedFile(`it is cut short: it has ${size} bytes of ${needed}`);
  }
  return metas;
}

/**
 * The newer of the meta pages that are whole, however long the file is.
 * @throws DamagedFile when neither is
 */
export function newestMetaPage(file: number, size: number): MetaPage {
  const metas: MetaPage[] = [];
  for (const page of [0, 1]) {
    for (const pageSize of page === 0 ? [0] : [4_096, 8_192, 16_384, 32_768, 65_536]) {
      const bytes = Buffer.alloc(HEADER + META_SIZE);
      if (readSync(file, bytes, 0, bytes.length, page * pageSize) < bytes.length) continue;
      try {
        metas.push(metaIn(bytes, page));
      } catch (error) {
        if (!(error instanceof DamagedFile)) throw error;
      }
    }
  }
  const [newest] = metas.sort((one, other) => other.commit - one.commit);
  if (!newest) throw new DamagedFile(`it has ${size} bytes, and no meta page that is whole`);
  return newest;
}

/** A row as it stands on a page. */
export interface Row {
  /** As lmdb reads it. */
  readonly key: unknown;
  readonly value: Buffer;
}

/**
 * The rows of a table that stand on pages that are whole, in the order of the table, and undefined for each page, or row, that is
 * damaged. None for a table that cannot be found.
 * @returns how many rows the table should have, undefined where nothing says so
 */
export function wholeRows(
  file: number,
  meta: MetaPage,
  table: string,
): { readonly expected: number | undefined; readonly rows: Iterable<Row | undefined> } {
  const reader = new WholePages(file, meta);
  for (const row of reader.rows(meta.main)) {
    if (!row || keyText(row.key) !== table || row.value.length !== TABLE_SIZE) continue;
    const found = tableIn(row.value, 0);
    return { expected: found.entries, rows: decoded(reader.rows(found)) };
  }
  return { expected: undefined, rows: [] };
}

/**
 * The lengths, in pages, of the runs of free pages that the next commit may use. Nothing may write meanwhile. Runs that lie side
 * by side come as several.
 * @param size of the file, in bytes
 * @param oldestReader the commit that the oldest reader reads
 * @throws DamagedFile
 */
export function* freeRuns(file: number, size: number, oldestReader: number): Generator<number> {
  const [meta] = readMetaPages(file, size);
  const usable = Math.min(meta.commit, oldestReader);
  for (const row of new WholePages(file, meta).rows(meta.free)) {
    if (!row) throw new DamagedFile('its list of free pages is damaged');
    // The key is the commit that freed the pages.
    if (numberAt(row.key, 0) >= usable) continue;
    const { value } = row;
    const end = Math.min(Number(value.readBigInt64LE(0)), value.length / 8 - 1);
    for (let at = 1; at <= end; at++) {
      const entry = Number(value.readBigInt64LE(8 * at));
      if (entry > 0) yield 1;
      // The length of a run comes before its first page, as a negative number.
      else if (entry < 0 && ++at <= end) yield -entry;
    }
  }
}

function* decoded(rows: Iterable<RawRow | undefined>): Generator<Row | undefined> {
  for (const row of rows) yield row && { key: keyOf(row.key), value: row.value };
}

interface RawRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What lmdb reads a key as. Its types leave the function out. */
const keyOf = (bytes: Buffer): unknown =>
  (lmdb as unknown as { readonly bufferToKeyValue: (bytes: Buffer) => unknown }).bufferToKeyValue(bytes);

function keyText(key: Buffer): string {
  return key.toString('latin1').replace(/\0+$/, '');
}

/** Reads pages, and skips those that are not what they should be. */
class WholePages {
  constructor(
    private readonly file: number,
    private readonly meta: MetaPage,
  ) {}

  *rows({ root, depth }: Table): Generator<RawRow | undefined> {
    if (root !== undefined && depth >= 1 && depth <= DEEPEST) yield* this.#page(root, depth);
    else if (root !== undefined) yield undefined;
  }

  *#page(number: number, level: number): Generator<RawRow | undefined> {
    const { pageSize, lastPage } = this.meta;
    const page = number >= 2 && number <= lastPage ? this.#read(number, 1) : undefined;
    const flags = level > 1 ? BRANCH : LEAF;
    if (!page || numberAt(page, 0) !== number || page.readUInt16LE(18) !== flags) {
      yield undefined;
      return;
    }
    const count = Math.min(page.readUInt16LE(20) >> 1, (pageSize - HEADER) / 2);
    for (let i = 0; i < count; i++) {
      const at = HEADER + page.readUInt16LE(HEADER + 2 * i);
      const keyAt = at + NODE_HEADER;
      const dataAt = keyAt <= pageSize ? keyAt + page.readUInt16LE(at + 6) : Infinity;
      if (dataAt > pageSize) {
        yield undefined;
        continue;
      }
      const size = page.readUInt32LE(at);
      const nodeFlags = page.readUInt16LE(at + 4);
      if (level > 1) {
        yield* this.#page(size + nodeFlags * 2 ** 32, level - 1);
        continue;
      }
      const value = nodeFlags & BIG_DATA ? this.#bigData(page, dataAt, size) : page.subarray(dataAt, dataAt + size);
      yield value?.length === size ? { key: page.subarray(keyAt, dataAt), value } : undefined;
    }
  }

  #bigData(page: Buffer, at: number, size: number): Buffer | undefined {
    const { pageSize, lastPage } = this.meta;
    if (at + 8 > pageSize) return undefined;
    const number = numberAt(page, at);
    const pages = Math.floor((HEADER - 1 + size) / pageSize) + 1;
    if (number < 2 || number + pages - 1 > lastPage) return undefined;
    return this.#read(number, pages)?.subarray(HEADER, HEADER + size);
  }

  #read(number: number, pages: number): Buffer | undefined {
    const bytes = Buffer.allocUnsafe(pages * this.meta.pageSize);
    return readSync(this.file, bytes, 0, bytes.length, number * this.meta.pageSize) === bytes.length
      ? bytes
      : undefined;
  }
}

function metaIn(bytes: Buffer, page: number): MetaPage {
  const isMeta = numberAt(bytes, 0) === page && bytes.readUInt16LE(18) === META;
  if (!isMeta || bytes.readUInt32LE(24) !== MAGIC || bytes.readUInt32LE(28) !== VERSION) {
    throw new DamagedFile(`its meta page ${page} is none`);
  }
  const pageSize = bytes.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new DamagedFile(`its meta page ${page} is damaged`);
  }
  const lastPage = numberAt(bytes, 144);
  const meta = {
    pageSize,
    lastPage,
    commit: numberAt(bytes, 152),
    free: tableIn(bytes, 48),
    main: tableIn(bytes, 96),
  };
  for (const { root, depth } of [meta.free, meta.main]) {
    const isEmpty = root === undefined && depth === 0;
    if (!isEmpty && !(root !== undefined && root >= 2 && root <= lastPage && depth >= 1 && depth <= DEEPEST)) {
      throw new DamagedFile(`its meta page ${page} is damaged`);
    }
  }
  return meta;
}

function tableIn(bytes: Buffer, at: number): Table {
  const root = bytes.readBigUInt64LE(at + 40);
  return {
    depth: bytes.readUInt16LE(at + 6),
    branchPages: numberAt(bytes, at + 8),
    leafPages: numberAt(bytes, at + 16),
    overflowPages: numberAt(bytes, at + 24),
    entries: numberAt(bytes, at + 32),
    root: root === NO_PAGE ? undefined : Number(root),
  };
}

function numberAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

export interface PageCheckOptions {
  /** Of which tables the leaf pages are not read; their branch pages are. */
  readonly withoutLeaves?: (name: string, entries: number) => boolean;
}

/**
 * Checks all pages that can be reached from a meta page: that each is where it belongs, is of its kind, and has its keys in order.
 * @throws DamagedFile
 */
export async function checkPages(file: number, meta: MetaPage, options: PageCheckOptions = {}): Promise<TableSize[]> {
  const check = new PageCheck(file, meta, options);
  const tables: TableSize[] = [];
  await check.table('free pages', meta.free, true);
  await check.table('tables', meta.main, false);
  for (const [name, table] of check.named) {
    await check.table(name, table, false);
    tables.push({
      name,
      entries: table.entries,
      pages: table.branchPages + table.leafPages + table.overflowPages,
    });
  }
  return tables;
}

interface Counts {
  branch: number;
  leaf: number;
  overflow: number;
  entries: number;
}

class PageCheck {
  /** Tables found in the main table. */
  readonly named: [string, Table][] = [];
  readonly #seen: Uint8Array;
  #sinceTurn = 0;

  constructor(
    private readonly file: number,
    private readonly meta: MetaPage,
    private readonly options: PageCheckOptions,
  ) {
    this.#seen = new Uint8Array(meta.lastPage + 1);
  }

  async table(name: string, table: Table, integerKeys: boolean): Promise<void> {
    const counts: Counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 };
    const { root, depth } = table;
    if (root === undefined) {
      if (table.entries !== 0) throw new DamagedFile(`its table ${name} has lost its entries`);
      return;
    }
    if (depth < 1 || depth > DEEPEST) throw new DamagedFile(`its table ${name} is damaged`);
    const skipLeaves = this.options.withoutLeaves?.(name, table.entries) ?? false;
    await this.#page(name, root, depth, undefined, undefined, counts, integerKeys, skipLeaves);
    const branches = counts.branch === table.branchPages;
    const rest =
      skipLeaves ||
      (counts.leaf === table.leafPages && counts.overflow === table.overflowPages && counts.entries === table.entries);
    if (!branches || !rest) {
      throw new DamagedFile(`its table ${name} has ${counts.entries} entries instead of ${table.entries}`);
    }
  }

  async #page(
    name: string,
    number: number,
    level: number,
    from: Buffer | undefined,
    to: Buffer | undefined,
    counts: Counts,
    integerKeys: boolean,
    skipLeaves: boolean,
  ): Promise<void> {
    if (level === 1 && skipLeaves) return this.#mark(name, number, 1);
    const { pageSize } = this.meta;
    this.#mark(name, number, 1);
    const page = this.#read(number, pageSize);
    if (++this.#sinceTurn >= AT_A_TIME) {
      this.#sinceTurn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const wrong = (what: string) => new DamagedFile(`page ${number}, of its table ${name}, ${what}`);
    this.#assertHeader(page, number, level > 1 ? BRANCH : LEAF, wrong);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const room = pageSize - HEADER;
    const count = lower >> 1;
    if (lower % 2 !== 0 || lower > upper || upper > room || count < (level > 1 ? 2 : 1)) throw wrong('is damaged');
    let used = 0;
    let before = from;
    const children: [number, Buffer | undefined][] = [];
    for (let i = 0; i < count; i++) {
      const offset = page.readUInt16LE(HEADER + 2 * i);
      if (offset < upper || offset + NODE_HEADER > room) throw wrong('is damaged');
      const at = HEADER + offset;
      const size = page.readUInt32LE(at);
      const flags = page.readUInt16LE(at + 4);
      const keySize = page.readUInt16LE(at + 6);
      const keyAt = at + NODE_HEADER;
      const dataAt = keyAt + keySize;
      const dataSize = level > 1 ? 0 : flags & BIG_DATA ? HEADER : size;
      if (dataAt + dataSize > pageSize) throw wrong('is damaged');
      const length = NODE_HEADER + keySize + dataSize;
      used += length + (length % 2);
      const key = page.subarray(keyAt, dataAt);
      // The first key of a branch page means nothing.
      if (level === 1 || i > 0) {
        const order = before === undefined ? 1 : compareKeys(key, before, integerKeys);
        // The first key may be the one by which the page is found.
        if (order < 0 || (order === 0 && !(i === 0 && level === 1))) throw wrong('has its keys in another order');
        before = key;
      }
      if (level > 1) children.push([size + flags * 2 ** 32, i === 0 ? undefined : key]);
      else this.#leafNode(name, page, key, { flags, size, dataAt }, counts, wrong);
    }
    if (used !== room - upper) throw wrong('is damaged');
    if (to !== undefined && before !== undefined && compareKeys(before, to, integerKeys) >= 0) {
      throw wrong('has its keys in another order');
    }
    if (level === 1) {
      counts.leaf++;
      counts.entries += count;
      return;
    }
    counts.branch++;
    for (const [i, [child, key]] of children.entries()) {
      const end = children[i + 1]?.[1] ?? to;
      await this.#page(name, child, level - 1, key ?? from, end, counts, integerKeys, skipLeaves);
    }
  }

  #leafNode(
    name: string,
    page: Buffer,
    key: Buffer,
    { flags, size, dataAt }: { flags: number; size: number; dataAt: number },
    counts: Counts,
    wrong: (what: string) => DamagedFile,
  ): void {
    switch (flags) {
      case 0:
        return;
      case BIG_DATA: {
        const { pageSize } = this.meta;
        const number = numberAt(page, dataAt);
        const pages = Math.floor((HEADER - 1 + size) / pageSize) + 1;
        this.#mark(name, number, pages);
        const header = this.#read(number, HEADER);
        this.#assertHeader(header, number, OVERFLOW, wrong);
        if (header.readUInt32LE(20) !== pages) throw wrong('has data on pages that are damaged');
        counts.overflow += pages;
        return;
      }
      case SUB_TABLE:
        if (name !== 'tables' || size !== TABLE_SIZE) throw wrong('is damaged');
        this.named.push([key.toString('latin1').replace(/\0+$/, ''), tableIn(page, dataAt)]);
        return;
      default:
        throw wrong('is damaged');
    }
  }

  #assertHeader(page: Buffer, number: number, flags: number, wrong: (what: string) => DamagedFile): void {
    if (numberAt(page, 0) !== number) throw wrong('is another one');
    if (page.readUInt16LE(18) !== flags) throw wrong('is of another kind');
    if (numberAt(page, 8) > this.meta.commit) throw wrong('is of a later commit');
  }

  #mark(name: string, number: number, pages: number): void {
    if (!(number >= 2) || number + pages - 1 > this.meta.lastPage) {
      throw new DamagedFile(`its table ${name} goes on at page ${number}, which is not there`);
    }
    for (let n = number; n < number + pages; n++) {
      if (this.#seen[n]) throw new DamagedFile(`page ${n} is used twice, by its table ${name} too`);
      this.#seen[n] = 1;
    }
  }

  #read(number: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.file, bytes, 0, length, number * this.meta.pageSize) < length) {
      throw new DamagedFile(`it ends within page ${number}`);
    }
    return bytes;
  }
}

function compareKeys(one: Buffer, other: Buffer, integers: boolean): number {
  if (!integers) return Buffer.compare(one, other);
  const [a, b] = [one.readBigUInt64LE(0), other.readBigUInt64LE(0)];
  return a < b ? -1 : a > b ? 1 : 0;
}
