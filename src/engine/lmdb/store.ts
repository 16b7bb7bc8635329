import { randomUUID } from 'node:crypto';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type Transaction } from 'lmdb';
import type { Restoration } from '../engine.js';
import { syncFolder } from '../sync-folder.js';
import { damaged } from './damage.js';
import { type DataFile, FILE } from './data-file.js';
import { IMPORTING } from './importing.js';
import { lockOutReaders } from './lock.js';
import { FORMAT, migrate } from './migrations.js';
import { openDataFile } from './open-data-file.js';
import { checkPages, DamagedFile, readMetaPages } from './page-check.js';
import { assertReaderTable, makeReaderTable, reserveTable } from './reader-table.js';
import { decodeEntry } from './record.js';
import { KEPT, NoRoom, Reserve, tryRoom } from './reserve.js';
import { SealedTable, SealedValues } from './sealed.js';

export { FILE };

/** What the last number of a series has before the name of the series, among the single values. */
export const SERIES = 'series/';

/** Among the single values, as JSON: the restorations of the log. */
export const RESTORATIONS = 'restorations';

/**
 * At a start, the pages with entries are checked where there are at most this many entries: that takes about a second. All other
 * pages are checked at each start.
 */
const MOST_CHECKED_AT_START = 1_000_000;

/** A store that has had more transactions than these has been used: one for each table, and some to spare. */
const TRANSACTIONS_TO_BEGIN = 16;

/** A new file takes as many bytes at the least. */
const ROOM_TO_BEGIN = 1024 * 1024;

/** Bytes by which the file may grow through a commit beside what is put into it: the ways to the pages, the list of free ones. */
const GROWTH_OF_COMMIT = 512 * 1024;

/** Bytes that the reserve must have for a commit that finds its pages within the file: the list of free pages may need a run. */
const LEAST_RESERVE = 256 * 1024;

/** The same for commits that are not essential. */
const LEAST_FOR_ORDINARY = KEPT / 2;

/** Bytes for which the file must have free pages, for more than one small write to succeed. */
const ROOM_INSIDE = 128 * 1024;

/** The same for which the disk must have room. */
const ROOM_TO_GO_ON = 1024 * 1024;

/** LMDB may read 50,000 entries of its list of free pages only, the newest, unless it needs a single page. A run is two entries. */
const MOST_RUNS = 20_000;

/** Bytes by which the file may grow through a put or remove somewhere in a table: its page, and another should it split. */
export const GROWTH_OF_CHANGE = 2 * 4096;

/** The content of a key that says everything by being there. */
export const NOTHING = Buffer.alloc(0);

/** What a commit needs. */
export interface Need {
  /** Bytes by which the file may grow through it, at the most. */
  readonly growth: number;
  /** Bytes of its largest row, at the most; unless given, as many as `growth`, and those of essential commits fit on a page. */
  readonly largest?: number;
  /** It removes, or it is needed before something can be removed: it may use what is kept for a full disk. */
  readonly isEssential?: boolean;
}

/** What the topic index has of a topic. */
export interface Filed {
  readonly count: number;
  /** The newest entry that was ever filed. */
  readonly newest: number;
}

export interface Remembered {
  readonly seq: number;
  readonly note: string;
  /** When it is forgotten. */
  readonly until: number;
}

export interface Kept {
  readonly value: unknown;
  readonly revision: number;
}

export interface Tables {
  readonly root: RootDatabase<unknown, string>;
  /** Single values: the format, the epoch, the last sequence number, the last number of each series, and see importing.ts. */
  readonly meta: SealedValues;
  /**
   * The log: seq → entry, see record.ts. In the order in which it is written, so that a commit fills a few pages at the end
   * whoever its entries are for. Filed by topic, each would touch a page of its own: 4 times slower with 1,000 topics.
   */
  readonly entries: Database<Buffer, number>;
  /** The topic index: [topic, seq], so that whatever is asked of a topic is a range. Behind the log by a tail, see tail.ts. */
  readonly index: Database<Buffer, [string, number]>;
  readonly filed: SealedTable<Filed>;
  /** How far each topic was trimmed. */
  readonly floors: SealedTable<number>;
  /** Topics that were dropped, and up to where, while there are entries of them to be removed. */
  readonly drops: SealedTable<number>;
  /** When entries expire: [milliseconds, seq]. */
  readonly expiries: Database<Buffer, [number, number]>;
  /** Dedup keys: hash → what they stand for. */
  readonly dedups: SealedTable<Remembered>;
  /** Dedup keys in the order in which they are to be forgotten: seq → hash. */
  readonly dedupOrder: Database<string, number>;
  /** The directory: key → record. */
  readonly records: SealedTable<Kept>;
}

/** The file of a data folder, with one table for each thing that is kept. */
export class Store {
  #open = true;
  /** A commit has failed since it was opened. */
  #suspect = false;
  /** How many entries each table had when it was opened. */
  #sizes: ReadonlyMap<string, number> = new Map();
  #closeFile: (() => Promise<void>) | undefined;

  private constructor(
    private readonly folder: string,
    private readonly file: DataFile,
    private readonly reserve: Reserve,
    private tables: Tables,
  ) {}

  /**
   * @param file of the folder, to be closed after the store; unless given, the store has one of its own
   * @throws EngineUnusable when the folder is of another format; otherwise whatever keeps it from being opened or made
   */
  static async open(folder: string, file?: DataFile): Promise<Store> {
    if (file === undefined) return Store.#openAlone(folder);
    const { path } = file;
    // LMDB does not survive that it cannot open a file (lmdb 3.5.6 frees something twice), so it is not given one that it cannot.
    const sizes = await assertReadable(path, 'r+', true);
    const release = await lockOutReaders(folder);
    try {
      // While a backup reads, which takes a server, the table has its place, and is in use.
      if (release) await makeReaderTable(path);
      return await Store.#openFile(folder, file, sizes);
    } finally {
      await release?.();
    }
  }

  static async #openAlone(folder: string): Promise<Store> {
    const file = await openDataFile(folder, makeStore);
    try {
      const store = await Store.open(folder, file);
      store.#closeFile = () => file.close();
      return store;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  static async #openFile(folder: string, file: DataFile, sizes: ReadonlyMap<string, number>): Promise<Store> {
    const root = openRoot(file.path);
    let reserve: Reserve | undefined;
    try {
      // LMDB opens by path: what it has opened is the file that is locked.
      await file.checkLog();
      reserve = await Reserve.of(file.path);
      const store = new Store(folder, file, reserve, openTables(root));
      store.#sizes = sizes;
      await store.#begin();
      await syncFolder(folder);
      return store;
    } catch (error) {
      await root.close();
      await reserve?.close();
      throw error;
    }
  }

  get meta() {
    return this.tables.meta;
  }
  get entries() {
    return this.tables.entries;
  }
  get index() {
    return this.tables.index;
  }
  get filed() {
    return this.tables.filed;
  }
  get floors() {
    return this.tables.floors;
  }
  get drops() {
    return this.tables.drops;
  }
  get expiries() {
    return this.tables.expiries;
  }
  get dedups() {
    return this.tables.dedups;
  }
  get dedupOrder() {
    return this.tables.dedupOrder;
  }
  get records() {
    return this.tables.records;
  }

  get restorations(): readonly Restoration[] {
    return restorationsIn(this.meta.get(RESTORATIONS));
  }

  /** False while it could not be opened again. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** What is read from now on is what has been committed before. */
  refresh(): void {
    this.tables.root.resetReadTxn();
  }

  /** What is there at this moment. */
  snapshot(): Snapshot {
    return snapshotOf(this.tables);
  }

  /** Whether it is to be opened again before it can be trusted. */
  get isSuspect(): boolean {
    return this.#suspect;
  }

  /**
   * Makes all puts and removes of `operations` in one transaction, off this thread; resolves when it has been synced.
   * @throws NoRoom when the disk is full: nothing was begun then
   */
  async commit(operations: () => void, need: Need): Promise<void> {
    await this.#makeRoom(need);
    // Meanwhile, so that it costs no time: what is committed into a file that was removed must not count.
    const moved = this.file.checkWithCommit().catch((error: unknown) => error as Error);
    try {
      // The explicit batch is no ornament: where lmdb makes one of its own for each turn of the event loop, a commit that
      // fails rejects a promise nobody can get hold of, which ends the process.
      await this.tables.root.batch(operations);
    } catch (error) {
      this.#suspect = true;
      throw await reasonOf(error as Error & { commitError?: Promise<never> });
    }
    const error = await moved;
    if (error) throw error;
  }

  /** Finds out whether more than one small write will succeed. */
  async hasRoom(): Promise<boolean> {
    try {
      await this.reserve.ensure(bytesUsed(this.tables.root), ROOM_TO_GO_ON + GROWTH_OF_COMMIT);
      return true;
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error;
      return this.#fits({ growth: ROOM_INSIDE, largest: 0 });
    }
  }

  async #makeRoom(need: Need): Promise<void> {
    try {
      await this.reserve.ensure(bytesUsed(this.tables.root), need.growth + GROWTH_OF_COMMIT);
    } catch (error) {
      if (!(error instanceof NoRoom) || !this.#fits(need)) throw error;
    }
  }

  /** Whether a commit has room within the file as it is. */
  #fits({ growth, isEssential = false, largest = isEssential ? 0 : growth }: Need): boolean {
    const { root } = this.tables;
    const { pageSize } = envOf(root).stat();
    const left = this.reserve.left(bytesUsed(root));
    let missing = growth + GROWTH_OF_COMMIT;
    if (isEssential) missing -= left;
    if (missing <= 0) return true;
    if (left < (isEssential ? LEAST_RESERVE : LEAST_FOR_ORDINARY)) return false;
    // Each page that LMDB takes spoils one run at the most: so with as many runs as pages each row finds one.
    const pages = Math.floor((24 + largest) / pageSize) + 1;
    let runs = 0;
    this.refresh();
    for (const run of this.reserve.freeRuns(this.#oldestReader())) {
      missing -= Math.floor(run / pages) * pageSize;
      if (missing <= 0 && pages === 1) return true;
      // LMDB may not find all of them: all that it needs then has to fit into the reserve.
      if (++runs > MOST_RUNS && pages > 1) return growth + GROWTH_OF_COMMIT <= left - LEAST_FOR_ORDINARY;
    }
    return missing <= 0;
  }

  /** The commit that the oldest reader reads, of this process or another. Infinity where there is none. */
  #oldestReader(): number {
    let oldest = Infinity;
    // A line for each reader: its process, its thread, and the commit, or a dash.
    for (const line of String(this.tables.root.readerList()).split('\n')) {
      const [, , commit] = line.trim().split(/\s+/);
      if (commit !== undefined && /^\d+$/.test(commit)) oldest = Math.min(oldest, Number(commit));
    }
    return oldest;
  }

  /** @throws DataFileMoved */
  check(): Promise<void> {
    return this.file.check();
  }

  /**
   * Closes the file and opens it again: what a commit that failed has left of the environment is not to be trusted. After a
   * write of the meta page that failed, the next commit would never end.
   */
  async reopen(): Promise<void> {
    if (this.#open) await this.tables.root.close();
    this.#open = false;
    const { path } = this.file;
    await this.file.checkLog();
    await assertReadable(path, 'r+', true);
    const root = openRoot(path);
    try {
      await this.file.checkLog();
    } catch (error) {
      await root.close();
      throw error;
    }
    this.tables = openTables(root);
    this.#open = true;
    this.#suspect = false;
  }

  async close(): Promise<void> {
    if (this.#open) await this.tables.root.close();
    this.#open = false;
    await this.reserve.close();
    await this.#closeFile?.();
  }

  async #begin(): Promise<void> {
    const { meta } = this.tables;
    const format = meta.get('format');
    if (format === undefined) {
      // A crash of an earlier version, at its first start, left a store in which nothing was ever written.
      const isUsed = envOf(this.tables.root).info().lastTxnId > TRANSACTIONS_TO_BEGIN;
      if (isUsed || this.#sizes.get('entries') || this.#sizes.get('records')) throw damaged('the value "format"');
      await this.commit(() => begin(meta), { growth: 0 });
    } else {
      await migrate(this, this.folder, Number(format));
      this.#check();
    }
  }

  /**
   * Reads all that is small, and compares what the log and its index say of each other.
   * @throws EngineDamaged
   */
  #check(): void {
    const { meta, records, floors, drops, filed, entries, index } = this.tables;
    for (const table of [meta, records, floors, drops, filed]) table.check();
    const filedUpTo = Number(meta.get('filed') ?? 0);
    const last = Number(meta.get('last') ?? 0);
    let newest = 0;
    let unfiled = 0;
    for (const { key, value } of entries.getRange({ start: filedUpTo + 1 })) {
      newest = key;
      if (!index.doesExist([decodeEntry(key, value).topic, key])) unfiled++;
    }
    if (newest > last || filedUpTo > last) throw damaged('the value "last"');
    const [found, expected] = [this.#sizes.get('entries') ?? 0, (this.#sizes.get('index') ?? 0) + unfiled];
    if (found !== expected) throw damaged(`the number of entries (${found}, with ${expected} in the index)`);
  }
}

/**
 * Makes an empty store under `path`, durable when it resolves but for its name.
 * @param file the file of that path, whose content is removed
 */
export async function makeStore(path: string, file: FileHandle, importing: string | undefined): Promise<void> {
  await file.truncate(0);
  await tryRoom(file, ROOM_TO_BEGIN);
  await reserveTable(`${path}-lock`, 'w');
  const root = openRoot(path);
  let reserve: Reserve | undefined;
  try {
    reserve = await Reserve.of(path);
    await reserve.ensure(bytesUsed(root), GROWTH_OF_COMMIT, 0);
    const { meta } = openTables(root);
    const write = () => {
      begin(meta);
      if (importing !== undefined) void meta.put(IMPORTING, importing);
    };
    await root.batch(write).catch(async (error: unknown) => {
      throw await reasonOf(error as Error);
    });
  } finally {
    await root.close();
    await reserve?.close();
  }
}

function begin(meta: Tables['meta']): void {
  void meta.put('epoch', randomUUID());
  void meta.put('format', FORMAT);
}

/** What a file holds at one moment, whatever is written to it meanwhile. */
export interface Snapshot {
  readonly tables: Omit<Tables, 'root'>;
  /** To be given along with each read. */
  readonly transaction: Transaction;
  /** The number of the last commit that is in it: another one after every commit, and the same after closing and opening. */
  readonly number: number;
  /** What it held can be written over from now on. */
  release(): void;
}

/**
 * Opens the file of a folder that another process writes, to read it; see lockAsReader. Nothing is written but LMDB's table of
 * readers.
 */
export async function openToRead(folder: string): Promise<{ snapshot: Snapshot; close: () => Promise<void> }> {
  const path = join(folder, FILE);
  await assertReadable(path, 'r', false);
  await assertReaderTable(path);
  const root = openRoot(path, true);
  const close = () => root.close();
  try {
    return { snapshot: await checkedSnapshotOf(path, openTables(root)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function snapshotOf(tables: Tables): Snapshot {
  const { root } = tables;
  const env = envOf(root);
  for (;;) {
    const number = env.info().lastTxnId;
    root.resetReadTxn();
    const transaction = root.useReadTransaction();
    const release = () => transaction.done();
    // A commit between the two would make the number another's.
    if (env.info().lastTxnId === number) return { tables, transaction, number, release };
    release();
  }
}

/** A snapshot whose pages were checked. A server may write meanwhile: not to pages of a snapshot that is not released. */
async function checkedSnapshotOf(path: string, tables: Tables): Promise<Snapshot> {
  const file = await openFile(path, 'r');
  try {
    for (;;) {
      const snapshot = snapshotOf(tables);
      try {
        const metas = readMetaPages(file.fd, (await file.stat()).size);
        const meta = metas.find(({ commit }) => commit === snapshot.number);
        if (meta) {
          await checkPages(file.fd, meta);
          return snapshot;
        }
      } catch (error) {
        snapshot.release();
        throw error instanceof DamagedFile ? damaged(error.message, error) : error;
      }
      // Other commits have come since.
      snapshot.release();
    }
  } finally {
    await file.close();
  }
}

/** @param text what is kept under {@link RESTORATIONS} */
export function restorationsIn(text: string | number | undefined): readonly Restoration[] {
  return text === undefined ? [] : (JSON.parse(String(text)) as Restoration[]);
}

function openRoot(path: string, readOnly = false): RootDatabase<unknown, string> {
  return open<unknown, string>({
    path,
    noSubdir: true,
    readOnly,
    maxDbs: 16,
    // A promise resolves when the commit has been synced; overlapping would resolve it before.
    overlappingSync: false,
    eventTurnBatching: false,
  });
}

function openTables(root: RootDatabase<unknown, string>): Tables {
  const openSealed = <Value>(table: string, row: string) =>
    new SealedTable<Value>(row, root.openDB(table, { encoding: 'binary' }));
  return {
    root,
    meta: new SealedValues(root.openDB('meta', { encoding: 'json' })),
    entries: root.openDB('entries', { encoding: 'binary' }),
    index: root.openDB('index', { encoding: 'binary' }),
    filed: openSealed('filed', 'the number of entries of'),
    floors: openSealed('floors', 'the floor of'),
    drops: openSealed('drops', 'the drop of'),
    expiries: root.openDB('expiries', { encoding: 'binary' }),
    dedups: openSealed('dedups', 'the dedup key'),
    dedupOrder: root.openDB('dedupOrder', { encoding: 'string' }),
    records: openSealed('records', 'the record'),
  };
}

/** How much of the file is in use. */
function bytesUsed(root: RootDatabase<unknown, string>): number {
  const env = envOf(root);
  return (env.info().lastPageNumber + 1) * env.stat().pageSize;
}

interface Environment {
  info(): { readonly lastPageNumber: number; readonly lastTxnId: number };
  stat(): { readonly pageSize: number };
}

/** What the types leave out. The public getStats walks through all free pages besides. */
function envOf(root: RootDatabase<unknown, string>): Environment {
  return (root as unknown as { readonly env: Environment }).env;
}

/** lmdb rejects with an error that holds a promise of the reason, which rejects in its turn. */
async function reasonOf(error: Error & { commitError?: Promise<never> }): Promise<Error> {
  const reason = await (error.commitError ?? Promise.reject(error)).catch((reason: Error) => reason);
  // "No space left on device: Attempting to write page at …" says enough with its first words.
  return new Error(reason.message.split(':')[0], { cause: reason });
}

/**
 * Whether LMDB can be given a file. LMDB maps it and trusts what it finds there: a file that was cut short ends the process by
 * SIGBUS, a page of another kind by an assertion that fails.
 * @param pages whether to check the pages, too; nothing may write meanwhile
 * @returns how many entries each table has, where the pages were checked
 * @throws when the file cannot be opened so, is none of LMDB's, or is damaged
 */
async function assertReadable(path: string, flags: 'r' | 'r+', pages: boolean): Promise<ReadonlyMap<string, number>> {
  const file = await openFile(path, flags);
  try {
    const [meta] = readMetaPages(file.fd, (await file.stat()).size);
    if (!pages) return new Map();
    const tables = await checkPages(file.fd, meta, {
      withoutLeaves: (name, entries) => name === 'entries' && entries > MOST_CHECKED_AT_START,
    });
    return new Map(tables.map(({ name, entries }) => [name, entries]));
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    throw new Error(
      `${path} is not a data file, or is damaged: ${error.message}. Restore a backup, or run interchat restore --salvage`,
      { cause: error },
    );
  } finally {
    await file.close();
  }
}
