import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { EngineUnusable } from '../engine.js';

/** The format of a data folder. One that is newer than the program is left alone. */
const FORMAT = 1;

/** A key that sorts after every number, whatever the type: ordered-binary puts texts behind numbers. */
export const LAST = '\uffff';

/** What the folder keeps, each under keys in order. */
export interface Store {
  readonly root: RootDatabase<unknown, string>;
  /**
   * The log: [topic, seq] → the entry, see record.ts. Filed by topic first, for all that is ever asked is a range of one
   * topic: to read on, to page back, to trim, to drop. The order over all topics lives in the sequence numbers alone.
   */
  readonly entries: Database<Buffer, [string, number]>;
  /** When entries expire: [milliseconds, topic, seq]. */
  readonly expiries: Database<true, [number, string, number]>;
  /** How far each topic was trimmed. */
  readonly floors: Database<number, string>;
  /** Dedup keys: hash → what they stand for. */
  readonly dedups: Database<Remembered, string>;
  /** When dedup keys are forgotten: [milliseconds, hash]. */
  readonly dedupEnds: Database<true, [number, string]>;
  /** The directory: key → record. */
  readonly records: Database<Kept, string>;
  /** Single values: the format, the epoch, the last sequence number, the last number of each series. */
  readonly meta: Database<string | number, string>;
  readonly epoch: string;
}

export interface Remembered {
  readonly seq: number;
  readonly note: string;
  readonly until: number;
}

export interface Kept {
  readonly value: unknown;
  readonly revision: number;
}

/** @throws EngineUnusable when the folder is of a newer format */
export async function openStore(folder: string): Promise<Store> {
  const root = open<unknown, string>({
    path: join(folder, 'log.mdb'),
    noSubdir: true,
    maxDbs: 8,
    // A promise resolves when the commit has been synced; overlapping would resolve it before.
    overlappingSync: false,
  });
  const meta = root.openDB<string | number, string>('meta', { encoding: 'json' });
  const format = meta.get('format');
  if (typeof format === 'number' && format > FORMAT) {
    await root.close();
    throw new EngineUnusable(
      `The data folder ${folder} was written by a newer InterChat (format ${format}, this one knows ${FORMAT}). Install that version or a later one.`,
    );
  }
  if (format === undefined) {
    await Promise.all([meta.put('epoch', randomUUID()), meta.put('format', FORMAT)]);
  }
  return {
    root,
    meta,
    entries: root.openDB('entries', { encoding: 'binary' }),
    expiries: root.openDB('expiries', { encoding: 'json' }),
    floors: root.openDB('floors', { encoding: 'json' }),
    dedups: root.openDB('dedups', { encoding: 'json' }),
    dedupEnds: root.openDB('dedupEnds', { encoding: 'json' }),
    records: root.openDB('records', { encoding: 'json' }),
    epoch: String(meta.get('epoch')),
  };
}
