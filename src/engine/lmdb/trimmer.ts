import { type Entry, EngineUnavailable, type Retention, type Topic } from '../engine.js';
import type { Dedup } from './dedup.js';
import { damaged } from './damage.js';
import { appendedAt, decodeEntry, isExpired } from './record.js';
import { removeEntries } from './removal.js';
import { GROWTH_OF_CHANGE, type Store } from './store.js';
import { SHORT_STEP, type TopicIndex } from './topic-index.js';
import type { Writer } from './writer.js';

/** Entries removed in one write: few enough that neither the event loop nor the senders notice. */
const STEP = 500;

/** Entries that wait to be filed before that is done at once. */
const MANY_WAITING = 20_000;

/** How often it looks at what there is to do, in milliseconds. */
const ROUND_EVERY = 500;

/** Topics looked at when it starts, at a time. */
const TOPICS_AT_A_TIME = 1_000;

/**
 * Files what was appended, and removes what need not be kept: entries beyond the number a topic may have, entries that are too
 * old or have expired or whose topic was dropped, dedup keys whose time is over. All in the background and in small steps, one
 * after the other; each removal that raises a floor says so in the same transaction.
 */
export class Trimmer {
  /** Topics with more entries than they may have. */
  readonly #crowded = new Set<Topic>();
  readonly #forever: ReadonlySet<Topic>;
  /** Up to this place there is nothing but entries that are kept however old they are. */
  #lasting = 0;
  #working: Promise<void> | undefined;
  #closed = false;
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
    private readonly index: TopicIndex,
    private readonly dedup: Dedup,
    private readonly retention: Retention,
    private readonly now: () => number,
    private readonly onError: (error: Error) => void,
  ) {
    this.#forever = new Set(retention.forever);
    this.#timer = setInterval(() => this.work(), ROUND_EVERY);
    this.#timer.unref();
    this.#begin(() => this.#findCrowded());
  }

  /** Something was appended: to be called often. */
  appended(): void {
    if (this.index.waiting >= MANY_WAITING) this.work();
  }

  /** Does what there is to do, unless it is at it. */
  work(): void {
    if (this.#closed || !this.writer.takesEssential) return;
    if (!this.#working) this.#begin(() => this.#work());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#working;
  }

  #begin(work: () => Promise<void>): void {
    this.#working = work()
      .catch((error: unknown) => {
        // A large step may find no room where a small one does.
        if (error instanceof EngineUnavailable && this.writer.isShort) return;
        // That nothing can be written is known; what is left is removed another time.
        if (this.writer.trouble === null && this.writer.failureOf(error) === error) this.onError(error as Error);
      })
      .finally(() => (this.#working = undefined))
      .then(() => undefined);
  }

  async #work(): Promise<void> {
    for (let more = true; more && !this.#closed;) {
      await this.#file();
      more = false;
      // Each takes a step only, so that none keeps the others waiting for long.
      for (const step of [this.#dropped, this.#expired, this.#surplus, this.#old, this.#forget]) {
        if (!this.#closed && (await this.index.inTurn(() => step.call(this)))) more = true;
      }
    }
  }

  async #file(): Promise<void> {
    try {
      await this.index.file((topic, count) => {
        this.#noteCount(topic, count);
      });
    } catch (error) {
      // Removals may give the room that filing needs.
      if (!(error instanceof EngineUnavailable) || !this.writer.takesEssential || !this.writer.isShort) throw error;
    }
  }

  /** Entries removed in one write. */
  get #step(): number {
    return this.writer.isShort ? SHORT_STEP : STEP;
  }

  /** The number of entries to be kept may be another one than when the folder was used last. */
  async #findCrowded(): Promise<void> {
    let next: string | undefined = '';
    while (next !== undefined && !this.#closed) {
      const start: string = next;
      next = undefined;
      for (const { key, value } of this.store.filed.getRange({ start, limit: TOPICS_AT_A_TIME })) {
        this.#noteCount(key as Topic, value.count);
        if (key !== start) next = key;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #noteCount(topic: Topic, count: number): void {
    if (count > this.retention.maxEntries && !this.#forever.has(topic)) this.#crowded.add(topic);
  }

  async #dropped(): Promise<boolean> {
    const step = this.#step;
    let room = step;
    const found: Entry[] = [];
    const done: [Topic, number][] = [];
    for (const [topic, last] of this.index.drops) {
      const those = this.#oldestOf(topic, last, room);
      found.push(...those);
      room -= those.length;
      if (room <= 0) break;
      if (!this.index.isWaiting(topic, last)) done.push([topic, last]);
      // To look at a topic costs the event loop something, also where nothing is left of it.
      if (done.length === step) break;
    }
    await this.#remove(found);
    if (done.length > 0) await this.index.dropsDone(done);
    return room === 0 || done.length === step;
  }

  async #expired(): Promise<boolean> {
    const { expiries } = this.store;
    const limit = this.#step;
    const due = [...expiries.getKeys({ end: [this.now(), Infinity], limit })];
    await this.#remove(due.flatMap(([, seq]) => this.#stored(seq) ?? []));
    return due.length === limit;
  }

  async #surplus(): Promise<boolean> {
    const step = this.#step;
    for (const topic of this.#crowded) {
      const surplus = (this.store.filed.get(topic)?.count ?? 0) - this.retention.maxEntries;
      if (surplus > 0) await this.#remove(this.#oldestOf(topic, this.index.filed, Math.min(surplus, step)));
      if (surplus <= step) this.#crowded.delete(topic);
      return this.#crowded.size > 0;
    }
    return false;
  }

  /** The log is in the order of time, so what is too old is at its beginning. */
  async #old(): Promise<boolean> {
    const oldest = this.now() - this.retention.maxAge;
    const found: Entry[] = [];
    const range = { start: this.#lasting + 1, end: this.index.filed + 1, limit: this.#step };
    let seen = 0;
    let last = this.#lasting;
    for (const { key, value } of this.store.entries.getRange(range)) {
      const entry = decodeEntry(key, value);
      if (appendedAt(value) > oldest) break;
      if (!this.#forever.has(entry.topic)) found.push(entry);
      last = key;
      seen++;
    }
    await this.#remove(found);
    this.#lasting = last;
    return seen === range.limit;
  }

  #forget(): Promise<boolean> {
    return this.dedup.forget(this.writer, this.#step);
  }

  #oldestOf(topic: Topic, last: number, limit: number): Entry[] {
    const end: [string, number] = [topic, Math.min(last, this.index.filed) + 1];
    return [...this.store.index.getKeys({ start: [topic, 0], end, limit })].map(([, seq]) => {
      const entry = this.#stored(seq);
      if (entry?.topic !== topic) throw damaged(`the index of ${topic}`);
      return entry;
    });
  }

  #stored(seq: number): Entry | undefined {
    const record = this.store.entries.get(seq);
    return record && decodeEntry(seq, record);
  }

  /** Removes entries, and raises the floors over those that nobody expected to be gone. */
  async #remove(found: readonly Entry[]): Promise<void> {
    if (found.length === 0) return;
    const { floors } = this.store;
    const now = this.now();
    await this.writer.write({
      weight: found.length * 3,
      growth: found.length * 4 * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        const raised = new Map<Topic, number>();
        for (const entry of found) {
          const { seq, topic } = entry;
          if (!isExpired(entry, now) && !this.index.isDropped(topic, seq)) raised.set(topic, seq);
        }
        for (const [topic, floor] of raised) if (floor <= (floors.get(topic) ?? 0)) raised.delete(topic);
        removeEntries(this.store, found);
        for (const [topic, floor] of raised) void floors.put(topic, floor);
      },
    });
  }
}
