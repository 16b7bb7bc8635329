import type { Entry, Topic } from '../engine.js';

/**
 * The newest entries by topic, in memory: those that are in the log, but not in the topic index yet. To file them many at a
 * time, topic by topic, costs a fraction of doing so one by one; after a restart the tail is read from the log again.
 */
export class Tail {
  readonly #topics = new Map<Topic, number[]>();
  readonly #expiring: [expiresAt: number, seq: number][] = [];
  readonly #erased = new Set<number>();
  #size = 0;
  #last = 0;

  get size(): number {
    return this.#size;
  }

  /** The newest of all, 0 when it is empty. */
  get last(): number {
    return this.#last;
  }

  get expiring(): readonly (readonly [expiresAt: number, seq: number])[] {
    return this.#expiring;
  }

  /** What there is of each topic, and what was erased of it, in ascending order; the topics in the order of the index. */
  topics(): [Topic, readonly number[]][] {
    return [...this.#topics].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  add({ topic, seq, expiresAt }: Entry): void {
    const seqs = this.#topics.get(topic);
    if (seqs) seqs.push(seq);
    else this.#topics.set(topic, [seq]);
    if (expiresAt !== undefined) this.#expiring.push([expiresAt, seq]);
    this.#size++;
    this.#last = seq;
  }

  /** What there is of a topic from `low` to `high`, both included, in ascending order. */
  of(topic: Topic, low: number, high: number): readonly number[] {
    const seqs = this.#topics.get(topic);
    const found = seqs ? seqs.slice(firstFrom(seqs, low), firstFrom(seqs, high + 1)) : [];
    return this.#erased.size === 0 ? found : found.filter((seq) => !this.#erased.has(seq));
  }

  /** One of them is not in the log any more. */
  erase(seq: number): void {
    this.#erased.add(seq);
  }

  isErased(seq: number): boolean {
    return this.#erased.has(seq);
  }
}

/** The index of the first number that is `low` or more. */
function firstFrom(ascending: readonly number[], low: number): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((ascending[middle] as number) < low) from = middle + 1;
    else to = middle;
  }
  return from;
}
