import type { Entry } from '../engine.js';
import type { Dedup } from './dedup.js';
import { encodeEntry } from './record.js';
import { GROWTH_OF_CHANGE, type Remembered, type Store } from './store.js';
import type { Work } from './writer.js';

/** An entry on its way to the disk. */
export interface Fresh {
  readonly entry: Entry;
  readonly appendedAt: number;
  readonly dedup?: { readonly hash: string; readonly remembered: Remembered };
}

const MOST_ENTRIES = 2_000;
const MOST_BYTES = 4 * 1024 * 1024;

/** Bytes an entry takes beside its body, at the most. */
const OVERHEAD = 200;

/** Entries of many appends that are written together. One of these for all costs less than a promise for each. */
export class Batch implements Work {
  /** What {@link Writer.write} promised. */
  stored: Promise<void> = Promise.resolve();
  readonly #entries: Fresh[] = [];
  #bytes = 0;
  #keys = 0;
  #largest = 0;

  constructor(
    private readonly store: Store,
    private readonly dedup: Dedup,
    private readonly on: {
      /** It takes no more entries. */
      readonly sealed: () => void;
      /** It is durable. */
      readonly stored: (entries: readonly Entry[]) => void;
    },
  ) {}

  get weight(): number {
    return this.#entries.length;
  }

  /** Its entries come one after the other, so it is their size that counts; dedup keys are everywhere. */
  get growth(): number {
    return 2 * (this.#bytes + this.#entries.length * OVERHEAD) + this.#keys * 2 * GROWTH_OF_CHANGE;
  }

  get largest(): number {
    return this.#largest;
  }

  get isFull(): boolean {
    return this.#entries.length >= MOST_ENTRIES || this.#bytes >= MOST_BYTES;
  }

  /** @returns {@link stored} */
  add(fresh: Fresh): Promise<void> {
    this.#entries.push(fresh);
    const { length } = fresh.entry.body;
    this.#bytes += length;
    this.#largest = Math.max(this.#largest, length + OVERHEAD);
    if (fresh.dedup) this.#keys++;
    return this.stored;
  }

  sealed(): void {
    this.on.sealed();
  }

  write(): void {
    for (const { entry, appendedAt, dedup } of this.#entries) {
      void this.store.entries.put(entry.seq, encodeEntry(entry, appendedAt));
      if (dedup) this.dedup.write(dedup.hash, dedup.remembered);
    }
    void this.store.meta.put('last', this.#entries.at(-1)?.entry.seq ?? 0);
  }

  committed(): void {
    this.#forget();
    this.on.stored(this.#entries.map(({ entry }) => entry));
  }

  failed(): void {
    this.on.sealed();
    this.#forget();
  }

  /** From now on the store knows what became of the dedup keys. */
  #forget(): void {
    for (const { dedup } of this.#entries) if (dedup) this.dedup.end(dedup.hash);
  }
}
