import type { Retention, Topic } from '../engine.js';
import { appendedAt, isExpired } from './record.js';
import type { Store } from './store.js';
import type { Writer } from './writer.js';

interface Stored {
  readonly key: [string, number];
  readonly value: Buffer;
}

/** Entries removed in one write: few enough that neither the event loop nor the senders notice. */
const STEP = 500;

/** Topics looked at for entries that are too old before the event loop gets its turn. */
const TOPICS_A_TURN = 200;

/** How often everything that has a time of its own is looked at, at the least and at the most; milliseconds. */
const SWEEP = { least: 50, most: 60_000 };

/**
 * Removes what need not be kept any longer, in the background: entries beyond the number a topic may have, entries that are too
 * old or have expired, dedup keys whose time is over. Each removal that raises a floor says so in the same transaction.
 */
export class Trimmer {
  /** How many entries a topic has, of those that were counted: each is, the first time something is appended to it. */
  readonly #counts = new Map<Topic, number>();
  readonly #crowded = new Set<Topic>();
  #working: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
    private readonly retention: Retention,
    private readonly now: () => number,
    private readonly onError: (error: Error) => void,
  ) {
    this.#schedule();
  }

  /** An entry is about to be added to this topic: how many it has is counted now, or is known. */
  expect(topic: Topic): void {
    if (!this.#counts.has(topic)) this.#counts.set(topic, this.store.entries.getKeysCount(rangeOf(topic)));
  }

  /** An entry that was expected has been added. */
  appended(topic: Topic): void {
    const count = (this.#counts.get(topic) ?? 0) + 1;
    this.#counts.set(topic, count);
    if (count > this.retention.maxEntries) {
      this.#crowded.add(topic);
      this.#work();
    }
  }

  /** Removes all of a topic. */
  async drop(topic: Topic): Promise<void> {
    const { entries, floors } = this.store;
    for (;;) {
      const keys = [...entries.getKeys({ ...rangeOf(topic), limit: STEP })];
      await this.writer.write(() => [...keys.map((key) => entries.remove(key)), floors.remove(topic)]);
      this.#uncount(topic, keys.length);
      if (keys.length < STEP) break;
    }
    this.#counts.delete(topic);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #schedule(): void {
    const { maxAge, dedupWindow } = this.retention;
    const wait = Math.min(Math.max(Math.min(maxAge, dedupWindow) / 10, SWEEP.least), SWEEP.most);
    this.#timer = setTimeout(() => {
      this.#work(() => this.#sweep());
    }, wait);
    this.#timer.unref();
  }

  /** One thing after another, and never twice at once. */
  #work(sweep?: () => Promise<void>): void {
    if (this.#closed) return;
    if (this.#working) {
      if (sweep) void this.#working.then(() => this.#work(sweep));
      return;
    }
    this.#working = this.#run(sweep)
      // The writer tells the operator when it cannot write; what is left is removed another time.
      .catch((error: unknown) => {
        if (this.writer.trouble === null) this.onError(error as Error);
      })
      .finally(() => {
        this.#working = undefined;
        if (sweep && !this.#closed) this.#schedule();
        if (this.#crowded.size > 0 && this.writer.trouble === null) this.#work();
      });
  }

  async #run(sweep?: () => Promise<void>): Promise<void> {
    for (const topic of this.#crowded) {
      this.#crowded.delete(topic);
      await this.#thin(topic);
    }
    await sweep?.();
  }

  /** Removes the oldest of a topic that has too many. */
  async #thin(topic: Topic): Promise<void> {
    while (!this.#closed) {
      const surplus = (this.#counts.get(topic) ?? 0) - this.retention.maxEntries;
      if (surplus <= 0) return;
      const oldest = [...this.store.entries.getRange({ ...rangeOf(topic), limit: Math.min(surplus, STEP) })];
      if (oldest.length === 0) return;
      await this.#remove(topic, oldest);
    }
  }

  async #sweep(): Promise<void> {
    const now = this.now();
    await this.#sweepExpired(now);
    await this.#sweepDedups(now);
    await this.#sweepOld(now);
  }

  async #sweepExpired(now: number): Promise<void> {
    for (;;) {
      const ends = [...this.store.expiries.getKeys({ end: [now + 1, '', 0], limit: STEP })];
      if (ends.length === 0 || this.#closed) return;
      const { entries, expiries } = this.store;
      const there = ends.filter(([, topic, seq]) => entries.doesExist([topic, seq]));
      await this.writer.write(() => [
        ...ends.map((end) => expiries.remove(end)),
        ...there.map(([, topic, seq]) => entries.remove([topic, seq])),
      ]);
      for (const [, topic] of there) this.#uncount(topic as Topic, 1);
    }
  }

  async #sweepDedups(now: number): Promise<void> {
    for (;;) {
      const ends = [...this.store.dedupEnds.getKeys({ end: [now + 1, ''], limit: STEP })];
      if (ends.length === 0 || this.#closed) return;
      const { dedups, dedupEnds } = this.store;
      await this.writer.write(() =>
        ends.flatMap((end) => {
          const [until, key] = end;
          // The key may have come again since, for another entry.
          const forgotten = dedups.get(key)?.until === until ? [dedups.remove(key)] : [];
          return [dedupEnds.remove(end), ...forgotten];
        }),
      );
    }
  }

  /** Goes from topic to topic, and in each from its oldest entry on, as long as that is too old. */
  async #sweepOld(now: number): Promise<void> {
    const oldest = now - this.retention.maxAge;
    let looked = 0;
    let topic = this.#topicAfter('');
    while (topic !== undefined && !this.#closed) {
      while (await this.#removeOld(topic, oldest));
      if (++looked % TOPICS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      topic = this.#topicAfter(topic);
    }
  }

  #topicAfter(topic: string): Topic | undefined {
    for (const [next] of this.store.entries.getKeys({ start: [topic, Number.MAX_SAFE_INTEGER], limit: 1 }))
      return next as Topic;
    return undefined;
  }

  /** Removes one step of what is too old; whether there may be more. */
  async #removeOld(topic: Topic, oldest: number): Promise<boolean> {
    const old: Stored[] = [];
    for (const stored of this.store.entries.getRange({ ...rangeOf(topic), limit: STEP })) {
      if (appendedAt(stored.value) > oldest) break;
      old.push(stored);
    }
    if (old.length > 0) await this.#remove(topic, old);
    return old.length === STEP;
  }

  /** Removes the oldest entries of a topic, and raises its floor over those that nobody expected to be gone. */
  async #remove(topic: Topic, oldest: readonly Stored[]): Promise<void> {
    const { entries, floors } = this.store;
    const now = this.now();
    const missed = oldest.findLast(({ value }) => !isExpired(value, now));
    await this.writer.write(() => [
      ...oldest.map(({ key }) => entries.remove(key)),
      ...(missed ? [floors.put(topic, missed.key[1])] : []),
    ]);
    this.#uncount(topic, oldest.length);
  }

  #uncount(topic: Topic, removed: number): void {
    const count = this.#counts.get(topic);
    if (count !== undefined) this.#counts.set(topic, Math.max(count - removed, 0));
  }
}

function rangeOf(topic: Topic): { start: [string, number]; end: [string, number] } {
  return { start: [topic, 0], end: [topic, Number.MAX_SAFE_INTEGER] };
}
