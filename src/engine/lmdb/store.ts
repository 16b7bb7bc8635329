import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open as openFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { EngineUnusable } from '../engine.js';

/** The format of a data folder. One that is newer than the program is left alone. */
const FORMAT = 2;

const FILE = 'log.mdb';

/** LMDB's table of readers takes this many bytes at most. */
const READERS = 8192;

/** With less than this many bytes free, a write that failed failed for want of room, whatever LMDB says. */
const NO_ROOM = 1024 * 1024;

/** The content of a key that says everything by being there. */
export const NOTHING = Buffer.alloc(0);

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

interface Tables {
  readonly root: RootDatabase<unknown, string>;
  /** Single values: the format, the epoch, the last sequence number, the last number of each series. */
  readonly meta: Database<string | number, string>;
  /**
   * The log: seq → entry, see record.ts. In the order in which it is written, so that a commit fills a few pages at the end
   * whoever its entries are for. Filed by topic, each would touch a page of its own: 4 times slower with 1,000 topics.
   */
  readonly entries: Database<Buffer, number>;
  /** The topic index: [topic, seq], so that whatever is asked of a topic is a range. Behind the log by a tail, see tail.ts. */
  readonly index: Database<Buffer, [string, number]>;
  readonly filed: Database<Filed, string>;
  /** How far each topic was trimmed. */
  readonly floors: Database<number, string>;
  /** Topics that were dropped, and up to where, while there are entries of them to be removed. */
  readonly drops: Database<number, string>;
  /** When entries expire: [milliseconds, seq]. */
  readonly expiries: Database<Buffer, [number, number]>;
  /** Dedup keys: hash → what they stand for. */
  readonly dedups: Database<Remembered, string>;
  /** Dedup keys in the order in which they are to be forgotten: seq → hash. */
  readonly dedupOrder: Database<string, number>;
  /** The directory: key → record. */
  readonly records: Database<Kept, string>;
}

/** The file of a data folder, with one table for each thing that is kept. */
export class Store {
  #tables: Tables;
  #open = true;

  private constructor(
    private readonly folder: string,
    tables: Tables,
  ) {
    this.#tables = tables;
  }

  /** @throws EngineUnusable when the folder is of another format; otherwise whatever keeps it from being opened or made */
  static async open(folder: string): Promise<Store> {
    const isNew = !existsSync(join(folder, FILE));
    try {
      await reserveReaders(folder);
      const store = new Store(folder, openTables(folder));
      try {
        await store.#begin();
      } catch (error) {
        await store.close();
        throw error;
      }
      await sync(folder);
      return store;
    } catch (error) {
      // What is begun for want of room is neither a new folder nor an old one.
      if (isNew) await rm(join(folder, FILE), { force: true });
      throw error;
    }
  }

  get meta() {
    return this.#tables.meta;
  }
  get entries() {
    return this.#tables.entries;
  }
  get index() {
    return this.#tables.index;
  }
  get filed() {
    return this.#tables.filed;
  }
  get floors() {
    return this.#tables.floors;
  }
  get drops() {
    return this.#tables.drops;
  }
  get expiries() {
    return this.#tables.expiries;
  }
  get dedups() {
    return this.#tables.dedups;
  }
  get dedupOrder() {
    return this.#tables.dedupOrder;
  }
  get records() {
    return this.#tables.records;
  }

  /** False while it could not be opened again. */
  get isOpen(): boolean {
    return this.#open;
  }

  /**
   * Makes all puts and removes of `operations` in one transaction, off this thread; resolves when it has been synced.
   *
   * The explicit batch is no ornament: where lmdb makes one of its own for each turn of the event loop, a commit that fails
   * rejects a promise nobody can get hold of, which ends the process.
   */
  async commit(operations: () => void): Promise<void> {
    try {
      await this.#tables.root.batch(operations);
    } catch (error) {
      throw await this.#reason(error as Error & { commitError?: Promise<never> });
    }
  }

  /**
   * Closes the file and opens it again: what a commit that failed has left of the environment is not to be trusted. (After a
   * write of the meta page that failed, the next commit would never end.)
   */
  async reopen(): Promise<void> {
    await this.close();
    this.#tables = openTables(this.folder);
    this.#open = true;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#tables.root.close();
  }

  async #begin(): Promise<void> {
    const { meta } = this.#tables;
    const format = meta.get('format');
    if (format === undefined) {
      await this.commit(() => {
        void meta.put('epoch', randomUUID());
        void meta.put('format', FORMAT);
      });
    } else if (format !== FORMAT) {
      const [age, advice] =
        Number(format) > FORMAT
          ? ['a newer', 'Install that version or a later one']
          : ['an older', 'Give this one another folder: --data or INTERCHAT_DATA'];
      throw new EngineUnusable(
        `The data folder ${this.folder} was written by ${age} InterChat (format ${format}, this one knows ${FORMAT}). ${advice}.`,
      );
    }
  }

  /** lmdb rejects with an error that holds a promise of the reason, which rejects in its turn. */
  async #reason(error: Error & { commitError?: Promise<never> }): Promise<Error> {
    const reason = await (error.commitError ?? Promise.reject(error)).catch((reason: Error) => reason);
    // A write cut short by a full disk is an "Input/output error" to LMDB.
    const room = await statfs(this.folder)
      .then(({ bavail, bsize }) => bavail * bsize)
      .catch(() => Infinity);
    // "No space left on device: Attempting to write page at …" says enough with its first words.
    const message = room < NO_ROOM ? 'no space left on device' : (reason.message.split(':')[0] ?? reason.message);
    return new Error(message, { cause: reason });
  }
}

function openTables(folder: string): Tables {
  const root = open<unknown, string>({
    path: join(folder, FILE),
    noSubdir: true,
    maxDbs: 16,
    // A promise resolves when the commit has been synced; overlapping would resolve it before.
    overlappingSync: false,
    eventTurnBatching: false,
  });
  return {
    root,
    meta: root.openDB('meta', { encoding: 'json' }),
    entries: root.openDB('entries', { encoding: 'binary' }),
    index: root.openDB('index', { encoding: 'binary' }),
    filed: root.openDB('filed', { encoding: 'json' }),
    floors: root.openDB('floors', { encoding: 'json' }),
    drops: root.openDB('drops', { encoding: 'json' }),
    expiries: root.openDB('expiries', { encoding: 'binary' }),
    dedups: root.openDB('dedups', { encoding: 'json' }),
    dedupOrder: root.openDB('dedupOrder', { encoding: 'string' }),
    records: root.openDB('records', { encoding: 'json' }),
  };
}

/**
 * Gives LMDB's table of readers its place on the disk before it is mapped: a page of a mapped file that finds no room when it
 * is first written to ends the process by SIGBUS.
 */
async function reserveReaders(folder: string): Promise<void> {
  const file = await openFile(join(folder, `${FILE}-lock`), 'w', 0o600);
  try {
    await file.write(Buffer.alloc(READERS));
  } finally {
    await file.close();
  }
}

/** Makes the names of new files durable. */
async function sync(folder: string): Promise<void> {
  // Windows does not let a folder be opened, and keeps names without being asked to.
  if (process.platform === 'win32') return;
  const handle: FileHandle = await openFile(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
