import type { Database, Transaction } from 'lmdb';
import { checksum, CHECKSUM_LENGTH, checksumText } from '../checksum.js';
import { damaged } from './damage.js';

/** Of which rows to read; as lmdb takes them. */
export interface RowRange {
  readonly start?: string;
  readonly end?: string;
  readonly limit?: number;
  readonly transaction?: Transaction;
}

interface ReadOptions {
  readonly transaction?: Transaction;
}

/** A table of JSON values, each with the CRC-32 of its key and itself before it. Reading checks it: EngineDamaged. */
export class SealedTable<Value> {
  constructor(
    private readonly name: string,
    /** The rows as they are on the disk. */
    readonly rows: Database<Buffer, string>,
  ) {}

  get(key: string, options: ReadOptions = {}): Value | undefined {
    const bytes = this.rows.get(key, options);
    return bytes && this.#open(key, bytes);
  }

  put(key: string, value: Value): Promise<boolean> {
    return this.rows.put(key, seal(key, Buffer.from(JSON.stringify(value))));
  }

  remove(key: string): Promise<boolean> {
    return this.rows.remove(key);
  }

  *getRange(range: RowRange = {}): Generator<{ key: string; value: Value }> {
    for (const { key, value } of this.rows.getRange(range)) yield { key, value: this.#open(key, value) };
  }

  getKeys(range: RowRange = {}): Iterable<string> {
    return this.rows.getKeys(range);
  }

  getKeysCount(range: RowRange = {}): number {
    return this.rows.getKeysCount(range);
  }

  /** Reads all rows. @throws EngineDamaged */
  check(): void {
    for (const { key, value } of this.rows.getRange()) if (!isSealed(key, value)) throw this.#damaged(key);
  }

  /** The keys of the rows that are damaged, and how many there are in all. */
  damage(range: RowRange = {}): { readonly rows: number; readonly damaged: readonly string[] } {
    let rows = 0;
    const damaged: string[] = [];
    for (const { key, value } of this.rows.getRange(range)) {
      rows++;
      if (!isSealed(key, value)) damaged.push(JSON.stringify(key));
    }
    return { rows, damaged };
  }

  #open(key: string, bytes: Buffer): Value {
    if (!isSealed(key, bytes)) throw this.#damaged(key);
    return openSealed<Value>(bytes);
  }

  #damaged(key: string) {
    // A damaged key may hold anything.
    return damaged(`${this.name} ${JSON.stringify(key)}`);
  }
}

/** Bytes before the value. */
const SEAL = 4;

/** A value as a {@link SealedTable} keeps it. */
export function seal(key: string, json: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(SEAL + json.length);
  json.copy(bytes, SEAL);
  bytes.writeUInt32LE(checksum(json, checksum(key)), 0);
  return bytes;
}

/** The value in what {@link isSealed}. */
export function openSealed<Value>(bytes: Buffer): Value {
  return JSON.parse(bytes.toString('utf8', SEAL)) as Value;
}

export function isSealed(key: string, bytes: Buffer): boolean {
  return bytes.length >= SEAL && checksum(bytes.subarray(SEAL), checksum(key)) === bytes.readUInt32LE(0);
}

/** Kept as they are: earlier and later versions have to read the format, and nothing follows from a probe. */
const UNSEALED: ReadonlySet<string> = new Set(['format', 'probe', 'migrating']);

/** The table of single values: texts and numbers, each as a text with its CRC-32 before it. Reading checks it: EngineDamaged. */
export class SealedValues {
  constructor(
    /** The rows as they are on the disk. */
    readonly rows: Database<string | number, string>,
  ) {}

  get(key: string, options: ReadOptions = {}): string | number | undefined {
    const value = this.rows.get(key, options);
    return value === undefined || UNSEALED.has(key) ? value : openValue(key, value);
  }

  put(key: string, value: string | number): Promise<boolean> {
    return this.rows.put(key, UNSEALED.has(key) ? value : sealValue(key, value));
  }

  remove(key: string): Promise<boolean> {
    return this.rows.remove(key);
  }

  *getRange(range: RowRange = {}): Generator<{ key: string; value: string | number }> {
    for (const { key, value } of this.rows.getRange(range)) {
      yield { key, value: UNSEALED.has(key) ? value : openValue(key, value) };
    }
  }

  getKeysCount(range: RowRange = {}): number {
    return this.rows.getKeysCount(range);
  }

  /** Reads all. @throws EngineDamaged */
  check(): void {
    for (const { key, value } of this.rows.getRange()) if (!UNSEALED.has(key)) openValue(key, value);
  }
}

export function sealValue(key: string, value: string | number): string {
  const json = JSON.stringify(value);
  return `${checksumText(checksum(json, checksum(key)))} ${json}`;
}

export function openValue(key: string, sealed: string | number): string | number {
  const text = String(sealed);
  const json = text.slice(CHECKSUM_LENGTH + 1);
  if (text !== `${checksumText(checksum(json, checksum(key)))} ${json}`)
    throw damaged(`the value ${JSON.stringify(key)}`);
  return JSON.parse(json) as string | number;
}
