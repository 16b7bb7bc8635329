import type { JetStreamApiError } from '@nats-io/jetstream';
import { EngineUnavailable, type Retention, type Topic } from '../engine.js';
import type { Bucket } from './bucket.js';
import { deleteEntry, type Erasures } from './erasures.js';
import type { Floors } from './floors.js';
import type { Link } from './link.js';
import { asked } from './link.js';
import type { LogPlaces } from './log-places.js';
import type { NatsLeases } from './leases.js';
import { purge } from './log.js';
import type { Names } from './names.js';
import { NODE } from './nodes.js';
import type { Notes } from './notes.js';
import type { Reads } from './reads.js';
import { particularsOf } from './record.js';
import type { StorageReserve } from './storage-reserve.js';
import type { StreamState } from './stream-state.js';
import type { TopicIndex } from './topic-index.js';
import type { TopicIndexes } from './topic-indexes.js';

export interface TrimmerParts {
  readonly link: Link;
  readonly names: Names;
  readonly places: LogPlaces;
  readonly reads: Reads;
  readonly state: StreamState;
  readonly indexes: TopicIndexes;
  readonly bucket: Bucket;
  readonly floors: Floors;
  readonly notes: Notes;
  readonly erasures: Erasures;
  readonly leases: NatsLeases;
  readonly reserve: StorageReserve;
}

/** The least time between two rounds, in milliseconds; and how much longer than a round it rests at the least. */
const ROUND_EVERY = 500;
const REST = 4;

/** Entries that expired, of one topic, that are removed in a round: each is a round trip. */
const SINGLY = 500;

/** Things in the bucket that are removed at the same time. */
const AT_ONCE = 16;

/** A topic is trimmed when it has so many times what it may have, or more than that for so many milliseconds. */
const CROWDED = 1.25;
const LINGER = 8_000;

/** What JetStream answers when a message that is to be deleted is not there. */
const NOT_DELETED = 10_057;

/** Entries that are looked at for their age in a round. */
const AGED = 1_000;

/** Topics that are cleared of expired entries in a round while storage is full. */
const CLEARED = 50;

/**
 * Removes what need not be kept. JetStream could keep so many messages a subject by itself, but then nobody could say
 * afterwards what had been there, nor count those that expire apart. One node does it for all: the first of those alive. A
 * floor is raised before anything below it goes.
 */
export class Trimmer {
  #timer: NodeJS.Timeout;
  #working: Promise<void> | undefined;
  #closed = false;
  /** The place of the newest entry when the topics were counted last; undefined when they never were. */
  #counted: number | undefined;
  /** Topics that have more than they may have, and since when (performance.now): purging is dear, so they gather some. */
  #crowded = new Map<Topic, number>();
  readonly #forever: ReadonlySet<Topic>;
  /** Up to this place there is nothing but entries that are kept however old they are. */
  #lasting = 0;
  /** The last topic that was cleared of expired entries since storage is full; empty to begin with the first. */
  #cleared = '';

  constructor(
    private readonly parts: TrimmerParts,
    private readonly retention: Retention,
    private readonly now: () => number,
    private readonly onError: (error: Error) => void,
  ) {
    this.#forever = new Set(retention.forever);
    parts.reserve.freeing = () => this.#clearBucket();
    this.#timer = this.#later(ROUND_EVERY);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #later(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => void (this.#working = this.#round()), milliseconds).unref();
  }

  async #round(): Promise<void> {
    const began = performance.now();
    try {
      if (this.parts.leases.isFirst && this.parts.link.trouble === null) await this.#work();
    } catch (error) {
      // What it could not do now it does in the next round, and why not is in the health of the engine.
      if (!(error instanceof EngineUnavailable)) this.onError(error as Error);
    }
    if (!this.#closed) this.#timer = this.#later(Math.max(ROUND_EVERY, REST * (performance.now() - began)));
  }

  async #work(): Promise<void> {
    const { link, names, state, notes, erasures, reserve } = this.parts;
    const isFull = reserve.trouble !== null;
    // What needs no write goes first.
    if (isFull) await this.#clearBucket();
    await erasures.resume();
    const last = await state.last();
    if (last !== this.#counted || this.#crowded.size > 0 || isFull) {
      const { state: counts } = await asked(link.jsm.streams.info(names.log, { subjects_filter: names.subject('>') }));
      const subjects = Object.entries(counts.subjects ?? {});
      if (isFull) await this.#clearExpired(subjects.map(([subject]) => names.topicOf(subject)));
      await this.#trimCrowded(subjects, isFull);
      this.#counted = last;
    }
    await this.#trimAged();
    await notes.sweep();
    await this.#clearBucket();
    await this.#forgetNodes();
  }

  /** Removes expired entries of some topics, others in each round: no floor is needed for that. */
  async #clearExpired(topics: readonly Topic[]): Promise<void> {
    const from = topics.findIndex((topic) => topic > this.#cleared);
    const some = topics.slice(Math.max(0, from)).slice(0, CLEARED);
    this.#cleared = some.length < CLEARED ? '' : (some.at(-1) ?? '');
    for (const topic of some) {
      if (this.#closed) return;
      await this.#removeExpired(topic, await this.parts.indexes.fresh(topic));
    }
  }

  async #trimCrowded(counts: readonly [subject: string, count: number][], atOnce: boolean): Promise<void> {
    const { maxEntries } = this.retention;
    const now = performance.now();
    const before = this.#crowded;
    this.#crowded = new Map();
    for (const [subject, count] of counts) {
      if (count <= maxEntries || this.#closed) continue;
      const topic = this.parts.names.topicOf(subject);
      if (this.#forever.has(topic)) continue;
      const since = before.get(topic) ?? now;
      if (atOnce || count > maxEntries * CROWDED || now - since > LINGER) await this.#trim(topic);
      else this.#crowded.set(topic, since);
    }
  }

  /** The oldest entry of all says whether there is anything too old. */
  async #trimAged(): Promise<void> {
    const { names, reads } = this.parts;
    for (let round = 0; round < AGED && !this.#closed; round++) {
      const oldest = await reads.next(names.log, names.subject('>'), this.#lasting);
      if (!oldest || particularsOf(oldest.header).appendedAt > this.#tooOld()) return;
      const topic = names.topicOf(oldest.subject);
      if (this.#forever.has(topic)) this.#lasting = oldest.seq;
      else await this.#trim(topic);
    }
  }

  #tooOld(): number {
    return this.now() - this.retention.maxAge;
  }

  async #trim(topic: Topic): Promise<void> {
    const { indexes, floors, notes, reserve } = this.parts;
    const index = await indexes.fresh(topic);
    const now = this.now();
    const isFull = reserve.trouble !== null;
    const seqs = [...index.seqs];
    const lasting = index.seqs.filter((seq) => !index.isExpired(seq, now));
    const old = index.seqs.filter((seq) => index.appendedAt(seq) <= this.#tooOld());
    const crowded = lasting[lasting.length - this.retention.maxEntries - 1] ?? 0;
    const upTo = Math.max(crowded, old.at(-1) ?? 0);
    if (upTo > 0) {
      let after = 0;
      for (const end of isFull ? notes.steps(index, upTo) : [upTo]) {
        // Before the floor is raised, which takes the entries out of the index.
        await notes.keep(topic, index, end, after);
        const floor = lasting.findLast((seq) => seq <= end);
        if (floor !== undefined) await floors.raise(topic, floor);
        const full = isFull ? seqs.filter((seq) => seq > after) : undefined;
        await purge(this.parts, topic, end + 1, full);
        indexes.removeThrough(topic, end);
        after = end;
      }
    }
    await this.#removeExpired(topic, index);
  }

  async #removeExpired(topic: Topic, index: TopicIndex): Promise<void> {
    const now = this.now();
    // Not the newest: servers of version 2.9 find none of a subject any more once its newest message was deleted. Nor one
    // whose dedup key is remembered: it is by its being there that a repeat is known.
    const rememberedFrom = now - this.retention.dedupWindow;
    const expired = index.seqs.filter(
      (seq) =>
        index.isExpired(seq, now) &&
        seq < index.newest &&
        !index.isErasure(seq) &&
        (index.keyOf(seq) === undefined || index.appendedAt(seq) <= rememberedFrom),
    );
    for (const seq of expired.slice(0, SINGLY)) {
      await deleteEntry(this.parts, seq, false);
      this.parts.indexes.remove(topic, seq);
    }
  }

  async #clearBucket(): Promise<void> {
    const { link, names, bucket } = this.parts;
    for (let failed = false; !failed && !this.#closed;) {
      const waste = bucket.takeWaste(AT_ONCE);
      if (waste.length === 0) return;
      const deletions = waste.map(async (seq) => {
        try {
          await link.jsm.streams.deleteMessage(names.bucketStream, seq, false);
        } catch (error) {
          // It may be gone already: another node was the first before.
          if ((error as JetStreamApiError).code === NOT_DELETED) return;
          failed = true;
          bucket.giveBack(seq);
        }
      });
      await Promise.all(deletions);
    }
  }

  /** Nodes that ended without a word. */
  async #forgetNodes(): Promise<void> {
    const { bucket, leases } = this.parts;
    const alive = new Set([leases.node, ...leases.others()]);
    for (const [key] of [...bucket.all(NODE)]) {
      if (!alive.has(key.slice(NODE.length))) await bucket.remove(key);
    }
  }
}
