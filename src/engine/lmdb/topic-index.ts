import type { Entry, Topic } from '../engine.js';
import { damaged } from './damage.js';
import { decodeEntry, isExpired } from './record.js';
import { removeEntries } from './removal.js';
import { type Filed, GROWTH_OF_CHANGE, NOTHING, type Store } from './store.js';
import { Tail } from './tail.js';
import type { Recovering, Writer } from './writer.js';

/** Entries filed in one commit: few enough that neither the event loop nor the senders notice. */
const STEP = 2_000;

/** The same while room is short: few enough that a commit fits into what is kept for a full disk. */
export const SHORT_STEP = 16;

/** Topics that are looked through before others have a turn. */
const TOPICS_AT_A_TIME = 1_000;

/** Topics of which it is remembered that their rows were counted. */
const MOST_COUNTED = 100_000;

/** Bytes a row of the index takes, at the most. */
const ROW = 2 * 160;

/** Which entries each topic has: on the disk those that are filed, in memory the tail. */
export class TopicIndex implements Recovering {
  #tail = new Tail();
  /** A tail that is being filed. */
  #filing: Tail | undefined;
  /** Up to here everything is filed. */
  #filed: number;
  /** Topics that were dropped, up to where: whatever is left of them is not to be seen. */
  readonly #drops = new Map<Topic, number>();
  /** The same of those whose drop is on its way to the disk. */
  readonly #dropping = new Map<Topic, number>();
  /** Topics of which there are as many rows as there should be. */
  readonly #counted = new Set<Topic>();
  /** Entries whose erasure is on its way to the disk. */
  readonly #erasing = new Set<number>();
  /** Entries whose erasure failed, and may be on the disk all the same. */
  readonly #doubtful: number[] = [];
  /** Resolves when whoever changes the tables of filed entries is done. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly writer: Writer,
  ) {
    this.#filed = Number(store.meta.get('filed') ?? 0);
    for (const { key, value } of store.entries.getRange({ start: this.#filed + 1 })) this.add(decodeEntry(key, value));
    this.recover();
  }

  /** Up to here everything is filed. */
  get filed(): number {
    return this.#filed;
  }

  /** How many entries wait to be filed. */
  get waiting(): number {
    return this.#tail.size;
  }

  /** Topics that were dropped, and up to where, while something may be left of them. */
  get drops(): ReadonlyMap<Topic, number> {
    return this.#drops;
  }

  /** A durable entry, newer than all before. */
  add(entry: Entry): void {
    this.#tail.add(entry);
  }

  /** Numbers from `low` to `high`, both included, of entries of this topic. Some of the entries may have been removed. */
  *ascending(topic: Topic, low: number, high: number): Iterable<number> {
    const from = Math.max(low, (this.#drops.get(topic) ?? 0) + 1);
    const filed = Math.min(high, this.#filed);
    if (from <= filed) yield* this.#onDisk({ start: [topic, from], end: [topic, filed + 1] });
    if (this.#filing) yield* this.#filing.of(topic, from, high);
    yield* this.#tail.of(topic, from, high);
  }

  /** The same from the newest on. */
  *descending(topic: Topic, low: number, high: number): Iterable<number> {
    const from = Math.max(low, (this.#drops.get(topic) ?? 0) + 1);
    yield* this.#tail.of(topic, from, high).toReversed();
    if (this.#filing) yield* this.#filing.of(topic, from, high).toReversed();
    const filed = Math.min(high, this.#filed);
    if (from <= filed) yield* this.#onDisk({ start: [topic, filed], end: [topic, from - 1], reverse: true });
  }

  /**
   * Counts the rows of a topic when it is first read: a row has no checksum, but each leads to an entry that has one, so with
   * their number known none is missing.
   * @throws EngineDamaged
   */
  assertCounted(topic: Topic): void {
    if (this.#counted.has(topic)) return;
    const { index, filed } = this.store;
    const isRight = () =>
      index.getKeysCount({ start: [topic, 0], end: [topic, Infinity] }) === (filed.get(topic)?.count ?? 0);
    if (!isRight()) {
      // Both were to be of the same moment.
      this.store.refresh();
      if (!isRight()) throw damaged(`the index of ${topic}`);
    }
    if (this.#counted.size >= MOST_COUNTED) this.#counted.clear();
    this.#counted.add(topic);
  }

  /** Whether an entry that is not in the log may have been taken out of it since the index was read. */
  mayBeGone(topic: Topic, seq: number): boolean {
    if (this.#erasing.has(seq) || this.#doubtful.includes(seq)) return true;
    this.store.refresh();
    return seq <= this.#filed && !this.store.index.doesExist([topic, seq]);
  }

  /** How many entries of this topic there are from `low` to `high`, both included, but for those that have expired by `now`. */
  count(topic: Topic, low: number, high: number, now: number): number {
    const { store } = this;
    const from = Math.max(low, (this.#drops.get(topic) ?? 0) + 1);
    if (from > high) return 0;
    this.assertCounted(topic);
    const filed = Math.min(high, this.#filed);
    const tails = [this.#filing, this.#tail].filter((tail) => tail !== undefined);
    let count = from <= filed ? store.index.getKeysCount({ start: [topic, from], end: [topic, filed + 1] }) : 0;
    for (const tail of tails) count += tail.of(topic, from, high).length;
    // Few: those whose time has come since the trimmer last went by.
    const expired = new Set<number>();
    for (const [, seq] of store.expiries.getKeys({ end: [now, Infinity] })) expired.add(seq);
    for (const tail of tails) for (const [at, seq] of tail.expiring) if (at <= now) expired.add(seq);
    for (const seq of expired) {
      if (seq < from || seq > high) continue;
      const record = store.entries.get(seq);
      if (record && decodeEntry(seq, record).topic === topic) count--;
    }
    return count;
  }

  /** Topics that begin so, and of which there is an entry or a floor. */
  async topics(prefix: string): Promise<Topic[]> {
    const found = new Set<Topic>();
    for (const table of ['filed', 'floors'] as const) {
      let next: string | undefined = prefix;
      while (next !== undefined) {
        const start: string = next;
        next = undefined;
        await this.writer.readable();
        for (const key of this.store[table].getKeys({ start, end: `${prefix}\uffff`, limit: TOPICS_AT_A_TIME })) {
          found.add(key as Topic);
          if (key !== start) next = key;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    for (const tail of [this.#filing, this.#tail]) {
      for (const [topic] of tail?.topics() ?? []) if (topic.startsWith(prefix)) found.add(topic);
    }
    for (const topic of this.#drops.keys()) {
      const [any] =
        found.has(topic) && this.store.floors.get(topic) === undefined ? this.ascending(topic, 1, Infinity) : [0];
      if (any === undefined) found.delete(topic);
    }
    return [...found];
  }

  /** Whether an entry may have been dropped with its topic: for good, or as soon as that is durable. */
  isDropped(topic: Topic, seq: number): boolean {
    return seq <= Math.max(this.#drops.get(topic) ?? 0, this.#dropping.get(topic) ?? 0);
  }

  /** Whether entries of a topic up to `last` wait to be filed. */
  isWaiting(topic: Topic, last: number): boolean {
    return this.#filing !== undefined || this.#tail.of(topic, 0, last).length > 0;
  }

  /**
   * Has one at a time change what the index has on the disk: each begins with how many entries there are of a topic, and
   * cannot see what another puts there in the same commit.
   */
  inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(change);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Resolves when all that waited for its turn has had it. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  /**
   * Takes an entry out of the log and the index.
   * @returns whether it was there
   * @throws EngineUnavailable
   */
  erase(topic: Topic, seq: number, now: () => number): Promise<boolean> {
    return this.inTurn(async () => {
      await this.writer.readable();
      const entry = this.writer.reading(() => {
        const record = this.store.entries.get(seq);
        return record && decodeEntry(seq, record);
      });
      if (entry?.topic !== topic || isExpired(entry, now()) || seq <= (this.#drops.get(topic) ?? 0)) return false;
      await this.writer.write({
        weight: 4,
        growth: 4 * GROWTH_OF_CHANGE,
        isEssential: true,
        write: () => {
          this.#erasing.add(seq);
          removeEntries(this.store, [entry]);
        },
        committed: () => {
          this.#erasing.delete(seq);
          this.#forget(seq);
        },
        failed: () => {
          this.#erasing.delete(seq);
          this.#doubtful.push(seq);
        },
      });
      return true;
    });
  }

  /** Hides all of a topic up to `last`, and forgets its floor. */
  drop(topic: Topic, last: number): Promise<void> {
    const done = () => {
      if (this.#dropping.get(topic) === last) this.#dropping.delete(topic);
    };
    return this.writer.write({
      weight: 2,
      growth: 2 * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        this.#dropping.set(topic, last);
        void this.store.drops.put(topic, last);
        void this.store.floors.remove(topic);
      },
      committed: () => {
        done();
        this.#drops.set(topic, last);
      },
      failed: done,
    });
  }

  /** Nothing is left of these topics up to where they were dropped. */
  dropsDone(done: readonly (readonly [Topic, number])[]): Promise<void> {
    // Any of them may have been dropped again meanwhile.
    const over = ([topic, last]: readonly [Topic, number]) =>
      this.#drops.get(topic) === last && !this.#dropping.has(topic);
    return this.writer.write({
      weight: done.length,
      growth: done.length * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        for (const one of done) if (over(one)) void this.store.drops.remove(one[0]);
      },
      committed: () => {
        for (const one of done) if (over(one)) this.#drops.delete(one[0]);
      },
    });
  }

  /**
   * Files what is in the tail.
   * @param told of each topic that was filed, with how many entries the index has of it
   */
  async file(told: (topic: Topic, count: number) => void): Promise<void> {
    if (!this.#filing) {
      if (this.#tail.size === 0) return;
      this.#filing = this.#tail;
      this.#tail = new Tail();
    }
    const tail = this.#filing;
    const most = this.writer.isShort ? SHORT_STEP : STEP;
    for (const step of stepsOf(tail.topics(), most)) await this.inTurn(() => this.#fileStep(tail, step, told));
    for (let at = 0; at < tail.expiring.length; at += most) {
      await this.inTurn(() => this.#fileExpiring(tail, tail.expiring.slice(at, at + most)));
    }
    await this.writer.write({
      weight: 1,
      growth: GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => void this.store.meta.put('filed', tail.last),
      committed: () => {
        this.#filed = tail.last;
        this.#filing = undefined;
      },
    });
  }

  /** Drops and erasures that failed may be on the disk all the same. */
  recover(): void {
    for (const seq of this.#doubtful.splice(0)) if (!this.store.entries.doesExist(seq)) this.#forget(seq);
    for (const { key, value } of this.store.drops.getRange()) this.#drops.set(key as Topic, value);
  }

  /** From `start`, which is included, to `end`, which is not. lmdb turns back where the end comes before the start. */
  *#onDisk(range: { start: [Topic, number]; end: [Topic, number]; reverse?: true }): Iterable<number> {
    for (const [, seq] of this.store.index.getKeys(range)) yield seq;
  }

  /** An entry is not in the log any more. */
  #forget(seq: number): void {
    for (const tail of [this.#filing, this.#tail]) if (tail && seq > this.#filed) tail.erase(seq);
  }

  #fileStep(tail: Tail, step: Step, told: (topic: Topic, count: number) => void): Promise<void> {
    const { index, filed } = this.store;
    const counts: [Topic, number][] = [];
    const rows = step.reduce((sum, [, seqs]) => sum + seqs.length, 0);
    return this.writer.write({
      weight: rows + step.length,
      // What is filed of one topic is side by side.
      growth: rows * ROW + step.length * 2 * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        const states = step.map(([topic]) => filed.get(topic) ?? { count: 0, newest: 0 });
        for (const [at, [topic, seqs]] of step.entries()) {
          const { count, newest } = states[at] as Filed;
          // A step is done again when one after it failed; nothing may be counted twice.
          const fresh = seqs.filter((seq) => seq > newest && !tail.isErased(seq));
          for (const seq of fresh) void index.put([topic, seq], NOTHING);
          if (fresh.length > 0) void filed.put(topic, { count: count + fresh.length, newest: fresh.at(-1) ?? newest });
          counts.push([topic, count + fresh.length]);
        }
      },
      committed: () => {
        for (const [topic, count] of counts) told(topic, count);
      },
    });
  }

  #fileExpiring(tail: Tail, expiring: Tail['expiring']): Promise<void> {
    return this.writer.write({
      weight: expiring.length,
      growth: expiring.length * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        for (const [expiresAt, seq] of expiring) {
          if (!tail.isErased(seq)) void this.store.expiries.put([expiresAt, seq], NOTHING);
        }
      },
    });
  }
}

type Step = [Topic, readonly number[]][];

/** Parts of at most this many entries. A topic with more than that is in several. */
function* stepsOf(topics: Iterable<[Topic, readonly number[]]>, most: number): Iterable<Step> {
  let step: Step = [];
  let room = most;
  for (const [topic, seqs] of topics) {
    for (let at = 0; at < seqs.length;) {
      const part = seqs.slice(at, at + room);
      step.push([topic, part]);
      at += part.length;
      room -= part.length;
      if (room > 0) continue;
      yield step;
      step = [];
      room = most;
    }
  }
  if (step.length > 0) yield step;
}
