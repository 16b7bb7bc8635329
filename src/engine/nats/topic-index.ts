import type { Range } from '../engine.js';
import type { Erased, Particulars } from './record.js';

/** An entry that repeats one before it (see RecentKeys) is as one that expired before it was stored. */
const VOID = 0;

/** Where the entries of one topic are, in order: a copy of what JetStream knows, without the bodies. */
export class TopicIndex {
  #seqs: number[] = [];
  #appendedAt: number[] = [];
  /** Of those that expire, when; of those that are void, {@link VOID}. */
  readonly #expiresAt = new Map<number, number>();
  /** Of those with a dedup key, its hash; and of each hash the newest that is not void, erased or not. */
  readonly #keys = new Map<number, string>();
  readonly #places = new Map<string, number>();
  /** Of those that say that another is erased, which. */
  readonly #erasures = new Map<number, Erased>();

  get size(): number {
    return this.#seqs.length;
  }

  get seqs(): readonly number[] {
    return this.#seqs;
  }

  /** 0 when there is nothing. */
  get newest(): number {
    return this.#seqs.at(-1) ?? 0;
  }

  /** To be called in ascending order. */
  add(seq: number, { appendedAt, expiresAt, keyed, erased }: Particulars): void {
    if (seq <= this.newest) return;
    this.#seqs.push(seq);
    this.#appendedAt.push(appendedAt);
    if (expiresAt !== undefined) this.#expiresAt.set(seq, expiresAt);
    if (erased) this.#erase(seq, erased);
    if (!keyed) return;
    const { hash, since } = keyed;
    this.#keys.set(seq, hash);
    if ((this.#places.get(hash) ?? 0) > since) this.#expiresAt.set(seq, VOID);
    else this.#places.set(hash, seq);
  }

  has(seq: number): boolean {
    return this.#seqs[this.#firstAbove(seq - 1)] === seq;
  }

  /** Whether it is there to say that another is erased. */
  isErasure(seq: number): boolean {
    return this.#erasures.has(seq);
  }

  /** Those that repeat the entry at this place, and are void. */
  repeatsOf(seq: number, hash: string): number[] {
    const keyed = [...this.#keys].filter(([place, its]) => place > seq && its === hash && this.isVoid(place));
    return keyed.map(([place]) => place);
  }

  /** Where the newest entry with a dedup key of this hash is, or was before it was erased. */
  placeOf(hash: string): number | undefined {
    return this.#places.get(hash);
  }

  /** Whether it repeats one before it, and does not count. */
  isVoid(seq: number): boolean {
    return this.#expiresAt.get(seq) === VOID;
  }

  /** Takes out everything up to and with this place. */
  removeThrough(seq: number): void {
    this.#remove(0, this.#firstAbove(seq));
  }

  /** Takes out everything behind this place. */
  removeBehind(seq: number): void {
    this.#remove(this.#firstAbove(seq), this.#seqs.length);
  }

  remove(seq: number): void {
    const at = this.#firstAbove(seq - 1);
    if (this.#seqs[at] === seq) this.#remove(at, at + 1);
  }

  isExpired(seq: number, now: number): boolean {
    const expiresAt = this.#expiresAt.get(seq);
    return expiresAt !== undefined && expiresAt <= now;
  }

  expiresAt(seq: number): number | undefined {
    return this.#expiresAt.get(seq);
  }

  appendedAt(seq: number): number {
    return this.#appendedAt[this.#firstAbove(seq - 1)] ?? 0;
  }

  keyOf(seq: number): string | undefined {
    return this.#keys.get(seq);
  }

  /** The places that {@link Log.read} gives, in ascending order. */
  select({ after = 0 as never, before, limit, newest = false }: Range, now: number): number[] {
    const begin = this.#firstAbove(after);
    const end = before === undefined ? this.#seqs.length : this.#firstAbove(before - 1);
    const found: number[] = [];
    if (newest) {
      for (let at = end - 1; at >= begin && found.length < limit; at--) this.#take(at, now, found);
      return found.reverse();
    }
    for (let at = begin; at < end && found.length < limit; at++) this.#take(at, now, found);
    return found;
  }

  /** How many there are behind this place that have not expired. */
  count(after: number, now: number): number {
    const begin = this.#firstAbove(after);
    let count = this.#seqs.length - begin;
    for (const [seq, expiresAt] of this.#expiresAt) if (seq > after && expiresAt <= now) count--;
    return count;
  }

  #take(at: number, now: number, found: number[]): void {
    const seq = this.#seqs[at] as number;
    if (!this.isExpired(seq, now)) found.push(seq);
  }

  #remove(begin: number, end: number): void {
    for (let at = begin; at < end; at++) {
      const seq = this.#seqs[at] as number;
      const hash = this.#keys.get(seq);
      this.#expiresAt.delete(seq);
      this.#keys.delete(seq);
      const erased = this.#erasures.get(seq);
      this.#erasures.delete(seq);
      if (hash !== undefined) this.#forgetKey(hash, seq);
      if (erased?.hash !== undefined) this.#forgetKey(erased.hash, erased.seq);
    }
    this.#seqs.splice(begin, end - begin);
    this.#appendedAt.splice(begin, end - begin);
  }

  /** Whoever repeats what was erased is void as before. */
  #erase(by: number, erased: Erased): void {
    const { seq, hash } = erased;
    this.#erasures.set(by, erased);
    this.remove(seq);
    if (hash !== undefined && (this.#places.get(hash) ?? 0) < seq) this.#places.set(hash, seq);
  }

  #forgetKey(hash: string, seq: number): void {
    if (this.#places.get(hash) === seq) this.#places.delete(hash);
  }

  /** The position of the first place above `seq`, by bisection. */
  #firstAbove(seq: number): number {
    let low = 0;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[middle] as number) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
