import type { Keyed } from './record.js';

/** For how many milliseconds, and how many of them at the most, keys are remembered. */
const RECENT = 30_000;
const MOST = 20_000;

/**
 * The dedup keys of a topic's newest entries. Two nodes, or a node and what it published itself before the connection broke,
 * may store an entry with the same key, as neither can have seen the other's. The first in the log counts; the other, which
 * says up to where nobody had stored one when it was published, is void for whoever reads it.
 */
export class RecentKeys {
  readonly #places = new Map<string, { readonly seq: number; readonly at: number }>();
  #horizon: number;

  /** @param horizon from where on all entries are going to be added */
  constructor(horizon: number) {
    this.#horizon = horizon;
  }

  /** All is known behind this place. */
  startAt(horizon: number): void {
    this.#horizon = horizon;
  }

  /** To be called with those that count, in the order of the log; with one that is erased when that is read. */
  add(hash: string, seq: number): void {
    const now = performance.now();
    this.#places.set(hash, { seq: Math.max(seq, this.#places.get(hash)?.seq ?? 0), at: now });
    for (const [oldest, { seq: place, at }] of this.#places) {
      if (at > now - RECENT && this.#places.size <= MOST) break;
      this.#places.delete(oldest);
      this.#horizon = Math.max(this.#horizon, place);
    }
  }

  /** Whether an entry is void; undefined if what would tell is too long ago. */
  isVoid({ hash, since }: Keyed): boolean | undefined {
    const first = this.#places.get(hash);
    if (first && first.seq > since) return true;
    return since >= this.#horizon ? false : undefined;
  }
}
