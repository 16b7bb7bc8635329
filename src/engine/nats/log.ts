import {
  type Appended,
  type Bounds,
  type Entry,
  type Log,
  type NewEntry,
  type Range,
  type Relayed,
  type Restoration,
  type Seq,
  type Topic,
  type Unfollow,
} from '../engine.js';
import { type Dedup, hashOf } from './dedup.js';
import type { Erasures } from './erasures.js';
import type { Feed } from './feed.js';
import type { Floors } from './floors.js';
import { asked, type Link } from './link.js';
import type { LogPlaces } from './log-places.js';
import type { Names } from './names.js';
import type { Notes } from './notes.js';
import type { Publisher } from './publisher.js';
import { assertStoredUnder, type Reads } from './reads.js';
import { encodeHeaders, type Keyed } from './record.js';
import type { StorageReserve } from './storage-reserve.js';
import type { StreamState } from './stream-state.js';
import type { TopicIndex } from './topic-index.js';
import type { TopicIndexes } from './topic-indexes.js';

export interface NatsLogParts {
  readonly link: Link;
  readonly names: Names;
  readonly places: LogPlaces;
  readonly publisher: Publisher;
  readonly reads: Reads;
  readonly state: StreamState;
  readonly indexes: TopicIndexes;
  readonly feed: Feed;
  readonly floors: Floors;
  readonly notes: Notes;
  readonly dedup: Dedup;
  readonly erasures: Erasures;
  readonly reserve: StorageReserve;
}

export interface NatsLogOptions {
  readonly epoch: string;
  readonly restorations: readonly Restoration[];
  readonly now: () => number;
  /** Told how long an append took to become durable, in seconds, and of how many entries it was. */
  readonly appended: (seconds: number, entries: number) => void;
}

/** An append that has been called and not been answered. */
interface UnderWay {
  readonly topics: ReadonlySet<Topic>;
  readonly done: Promise<readonly Appended[]>;
}

/** A topic that is being dropped, and the appends to it that were called after that. */
interface Dropping {
  readonly topic: Topic;
  readonly later: UnderWay[];
}

/** From so many on, entries are read in one go instead of one by one. */
const MANY = 48;

/** Entries in the first step and in the largest one, where the bytes are bounded: see {@link NatsLog.read}. */
const FIRST_STEP = 16;
const LARGEST_STEP = 256;

const NOTHING = Promise.resolve();

/** The log, as a stream of JetStream: an entry is a message whose subject is its topic and whose sequence gives its place: see LogPlaces. */
export class NatsLog implements Log {
  readonly epoch: string;
  readonly restorations: readonly Restoration[];
  readonly #underWay = new Set<UnderWay>();
  readonly #dropping = new Set<Dropping>();
  /** By hash: the entries with a dedup key that are on their way, and what becomes of them. */
  readonly #keyed = new Map<string, { readonly note: string; readonly appended: Promise<Appended> }>();
  /** Resolves when all that was called before has been published; undefined when it has been. */
  #turn: Promise<void> | undefined;

  constructor(
    private readonly parts: NatsLogParts,
    private readonly options: NatsLogOptions,
  ) {
    this.epoch = options.epoch;
    this.restorations = options.restorations;
  }

  async append(entries: readonly NewEntry[]): Promise<Appended[]> {
    this.parts.link.assertServing();
    this.parts.reserve.assertRoom();
    if (entries.length === 0) return [];
    const began = performance.now();
    const now = this.options.now();
    const done = Promise.all(
      entries.map((entry) => (entry.dedup ? this.#appendKeyed(entry, entry.dedup, now) : this.#append(entry, now))),
    );
    const underWay = { topics: new Set(entries.map(({ topic }) => topic)), done };
    this.#underWay.add(underWay);
    for (const { topic, later } of this.#dropping) if (underWay.topics.has(topic)) later.push(underWay);
    try {
      const appended = await done;
      const fresh = appended.filter(({ duplicate }) => !duplicate).length;
      if (fresh > 0) this.options.appended((performance.now() - began) / 1000, fresh);
      return appended;
    } finally {
      this.#underWay.delete(underWay);
    }
  }

  async relay(topic: Topic, body: Uint8Array): Promise<void> {
    this.parts.link.assertServing();
    this.parts.feed.relay(topic, body);
    // What is published on one connection comes back in order: followers here have been told when this is answered.
    await this.parts.link.flush();
  }

  async read(topic: Topic, range: Range): Promise<Entry[]> {
    const { indexes, link } = this.parts;
    link.assertServing();
    const index = await indexes.fresh(topic);
    const seqs = index.select(range, this.options.now());
    if (range.bytes === undefined) return this.#load(topic, index, seqs);
    return this.#loadUpTo(topic, index, seqs, range.bytes, range.newest === true);
  }

  async follow(topic: Topic, listener: (entry: Entry | Relayed) => void): Promise<Unfollow> {
    this.parts.link.assertServing();
    return this.parts.feed.follow(topic, listener);
  }

  async count(topic: Topic, after: Seq): Promise<number> {
    this.parts.link.assertServing();
    return (await this.parts.indexes.fresh(topic)).count(after, this.options.now());
  }

  async bounds(topic: Topic): Promise<Bounds> {
    this.parts.link.assertServing();
    const [index, floor] = await Promise.all([this.parts.indexes.fresh(topic), this.parts.floors.read(topic)]);
    const now = this.options.now();
    const [oldest = null] = index.select({ limit: 1 }, now) as Seq[];
    const [newest = null] = index.select({ limit: 1, newest: true }, now) as Seq[];
    return { floor: floor as Seq, oldest, newest };
  }

  async topics(prefix: string): Promise<Topic[]> {
    const { link, names, floors } = this.parts;
    link.assertUp();
    const filter = names.subject(`${prefix}>` as Topic);
    const { state } = await asked(link.jsm.streams.info(names.log, { subjects_filter: filter }));
    const stored = Object.keys(state.subjects ?? {}).map((subject) => names.topicOf(subject));
    return [...new Set([...stored, ...floors.topics(prefix)])];
  }

  async last(): Promise<Seq> {
    this.parts.link.assertServing();
    return (await this.parts.state.last()) as Seq;
  }

  async drop(topic: Topic): Promise<void> {
    const { names, reads, indexes, floors, notes, reserve } = this.parts;
    this.parts.link.assertServing();
    const earlier = [...this.#underWay].filter(({ topics }) => topics.has(topic));
    const dropping: Dropping = { topic, later: [] };
    this.#dropping.add(dropping);
    try {
      await placesOf(earlier);
      const newest = (await reads.newest(names.log, names.subject(topic)))?.seq ?? 0;
      // What was called after this must stay, even if it was stored before the answer.
      const end = Math.min(newest + 1, ...(await placesOf(dropping.later)));
      if (newest > 0) {
        const index = await indexes.fresh(topic);
        const seqs = reserve.trouble === null ? undefined : [...index.seqs];
        await notes.keep(topic, index, end - 1);
        await purge(this.parts, topic, end, seqs);
      }
      indexes.removeThrough(topic, end - 1);
      await floors.forget(topic);
    } finally {
      this.#dropping.delete(dropping);
    }
  }

  async erase(topic: Topic, seq: Seq): Promise<boolean> {
    this.parts.link.assertServing();
    return this.parts.erasures.erase(topic, seq);
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([...[...this.#underWay].map(({ done }) => done), this.parts.erasures.idle()]);
  }

  async #append(entry: NewEntry, now: number): Promise<Appended> {
    const seq = await (this.#turn ? this.#inTurn(NOTHING, () => this.#publish(entry, now)) : this.#publish(entry, now));
    return { seq: seq as Seq };
  }

  /** A repeat of an entry that is on its way shares its fate. */
  async #appendKeyed(entry: NewEntry, { key, note }: Required<NewEntry>['dedup'], now: number): Promise<Appended> {
    const hash = hashOf(key);
    const first = this.#keyed.get(hash);
    if (first) {
      const { seq, duplicate = { note: first.note } } = await first.appended;
      return { seq, duplicate };
    }
    const appended = this.#storeKeyed(entry, hash, note, now);
    this.#keyed.set(hash, { note, appended });
    try {
      return await appended;
    } finally {
      this.#keyed.delete(hash);
    }
  }

  async #storeKeyed(entry: NewEntry, hash: string, note: string, now: number): Promise<Appended> {
    const { dedup } = this.parts;
    const stored = await this.#inTurn(dedup.look(hash, entry.topic, note), async (look) => {
      if ('first' in look) return look.first;
      const [seq] = await Promise.all([
        this.#publish(entry, now, look.keyed, look.noteId),
        dedup.use(hash, entry.topic),
      ]);
      return seq;
    });
    return typeof stored === 'number' ? dedup.settle(entry, stored, hash) : stored;
  }

  /**
   * Has what was called before be published first: of two calls the first made comes first.
   * @param ready what has to be known before
   * @param go publishes at once when it is called
   */
  #inTurn<Known, Result>(ready: Promise<Known>, go: (known: Known) => Promise<Result>): Promise<Result> {
    const begun = Promise.allSettled([ready, this.#turn]).then(([known]) => {
      if (known.status === 'rejected') throw known.reason;
      return { result: go(known.value) };
    });
    const turn = begun.then(
      () => undefined,
      () => undefined,
    );
    this.#turn = turn;
    void turn.then(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    return begun.then(({ result }) => result);
  }

  async #publish(entry: NewEntry, now: number, keyed?: Keyed, noteId?: string): Promise<number> {
    const { names, places, publisher } = this.parts;
    const headers = encodeHeaders(entry, now, keyed, noteId);
    const seq = places.toPlace(await publisher.publish(names.subject(entry.topic), entry.body, headers));
    this.#assertTold(entry.topic, seq);
    return seq;
  }

  /** What is stored is published before it is confirmed, on the same way: if it has not come by now it is lost. */
  #assertTold(topic: Topic, seq: number): void {
    if (!this.parts.feed.hasTold(topic, seq)) this.parts.feed.doubt();
  }

  /**
   * The same up to this many bytes, from the end where `newest`. The index has no lengths: each step asks for as many entries as are
   * expected to fit by the mean of those before, so that one step is the most that is read in vain.
   */
  async #loadUpTo(
    topic: Topic,
    index: TopicIndex,
    seqs: readonly number[],
    bytes: number,
    newest: boolean,
  ): Promise<Entry[]> {
    const found: Entry[] = [];
    let length = 0;
    let next = 0;
    let step = FIRST_STEP;
    while (next < seqs.length && length < bytes) {
      const [from, to] = [next, (next += step)];
      const part = newest ? seqs.slice(Math.max(0, seqs.length - to), seqs.length - from) : seqs.slice(from, to);
      const entries = await this.#load(topic, index, part);
      for (const entry of newest ? entries.reverse() : entries) {
        found.push(entry);
        length += entry.body.length;
        if (length >= bytes) break;
      }
      const mean = Math.max(1, length / Math.max(1, found.length));
      step = Math.max(1, Math.min(LARGEST_STEP, Math.ceil((bytes - length) / mean)));
    }
    return newest ? found.reverse() : found;
  }

  async #load(topic: Topic, index: TopicIndex, seqs: readonly number[]): Promise<Entry[]> {
    const { names, reads, indexes } = this.parts;
    const entryOf = (seq: number, body: Uint8Array): Entry => {
      const expiresAt = index.expiresAt(seq);
      return { seq: seq as Seq, topic, body, ...(expiresAt === undefined ? {} : { expiresAt }) };
    };
    const [first] = seqs;
    if (first === undefined) return [];
    const entries: Entry[] = [];
    if (seqs.length < MANY) {
      const found = await reads.atEach(names.log, seqs);
      for (const [at, stored] of found.entries()) {
        const seq = seqs[at] as number;
        assertStoredUnder(names.subject(topic), stored);
        if (stored) entries.push(entryOf(seq, stored.data));
        else indexes.remove(topic, seq);
      }
      return entries;
    }
    const wanted = new Set(seqs);
    const upTo = seqs.at(-1) as number;
    const part = { stream: names.log, filter: names.subject(topic), after: first - 1, upTo, headersOnly: false };
    for await (const messages of reads.scan(part)) {
      for (const { seq, data } of messages) if (wanted.has(seq)) entries.push(entryOf(seq, data));
    }
    return entries;
  }
}

async function placesOf(appends: readonly UnderWay[]): Promise<number[]> {
  const settled = await Promise.allSettled(appends.map(({ done }) => done));
  return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value.map(({ seq }) => seq) : []));
}

/** Entries that are deleted at the same time. */
const AT_ONCE = 32;

/**
 * Removes what is stored of a topic before the place `end`.
 * @param full while storage is full: the places of the topic's entries, as they were before its floor was raised
 * @throws EngineUnavailable
 */
export async function purge(
  parts: Pick<NatsLogParts, 'link' | 'names' | 'places'>,
  topic: Topic,
  end: number,
  full: readonly number[] | undefined,
): Promise<void> {
  const { link, names, places } = parts;
  // Servers of version 2.9 go on counting what was purged of a part of a stream against max_file_store until they start again.
  if (full && !link.isFrom(2, 10)) await deleteEach(parts, end, full);
  const seq = places.toSequence(end - 1) + 1;
  await asked(link.jsm.streams.purge(names.log, { filter: names.subject(topic), seq }));
}

/** Deletes the entries before the place `end` one by one, but for the newest of the topic: see {@link Erasures}. */
async function deleteEach(
  { link, names, places }: Pick<NatsLogParts, 'link' | 'names' | 'places'>,
  end: number,
  all: readonly number[],
): Promise<void> {
  const newest = all.at(-1) ?? 0;
  const seqs = all.filter((seq) => seq < end && seq < newest);
  for (let from = 0; from < seqs.length; from += AT_ONCE) {
    const some = seqs.slice(from, from + AT_ONCE);
    // One that is not there any more is what is wanted; purging finds out what else is the matter.
    await Promise.allSettled(
      some.map((seq) => link.jsm.streams.deleteMessage(names.log, places.toSequence(seq), false)),
    );
  }
}
