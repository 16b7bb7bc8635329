import type { Msg, Subscription } from '@nats-io/transport-node';
import type { Entry, Relayed, Seq, Topic, Unfollow } from '../engine.js';
import { Followers } from '../followers.js';
import type { Link } from './link.js';
import type { LogPlaces } from './log-places.js';
import type { Names } from './names.js';
import { assertStoredUnder, type Reads } from './reads.js';
import { RecentKeys } from './recent-keys.js';
import { type Particulars, particularsOf, storedAt, storedBefore } from './record.js';
import type { StreamState } from './stream-state.js';
import type { TopicIndex } from './topic-index.js';
import type { TopicIndexes } from './topic-indexes.js';

/** A topic that is followed here. */
interface Followed {
  readonly subscription: Subscription;
  readonly ready: Promise<void>;
  /** Everything of the topic up to this place has been told, or was there before. */
  known: number;
  readonly keys: RecentKeys;
  followers: number;
}

/** An entry that has come and not been told yet. */
interface Arrived {
  readonly seq: number;
  /** The place of the one before it in its topic. */
  readonly before: number;
  readonly topic: Topic;
  readonly body: Uint8Array;
  readonly particulars: Particulars;
}

export interface FeedOptions {
  readonly now: () => number;
  /** Resolves when the copy of the directory has all that was stored before the call. @throws EngineUnavailable */
  readonly directoryCaughtUp: () => Promise<void>;
}

/** What was before an entry that was read: it may have been anything. */
const NOT_KNOWN = Infinity;

/** Between two attempts to make up for what may have been missed, in milliseconds. */
const TRY_AGAIN = 200;

/**
 * What is committed, as it comes: JetStream publishes what it has stored once more, each entry under its topic, and a node
 * subscribes to the topics that somebody here follows, so that nothing else comes to it.
 *
 * Published is not delivered: what is on its way between two servers when one of them ends, or is cut off, is lost. That is
 * noticed in two ways. Each entry says which one was before it in its topic; and whenever something happens by which any could
 * have been lost ({@link doubt}), everything that comes is held back, the log is read from the last place up to which it is
 * certain that nothing was missed, and all of it is told in the order of the log.
 */
export class Feed {
  readonly #followed = new Map<Topic, Followed>();
  readonly #followers = new Followers();
  /** What came while it is held back; undefined while it is not. */
  #held: Arrived[] | undefined;
  #doubtful = false;
  #closed = false;
  /** Nothing that was committed up to this place has been missed. */
  #certain = 0;
  /** The highest place told of, whatever its topic. */
  #told = 0;

  constructor(
    private readonly link: Link,
    private readonly names: Names,
    private readonly reads: Reads,
    private readonly log: StreamState,
    private readonly places: LogPlaces,
    private readonly indexes: TopicIndexes,
    private readonly options: FeedOptions,
  ) {
    link.listen({ doubt: () => this.doubt() });
  }

  /**
   * Resolves when whatever is committed from then on is told.
   * @throws EngineUnavailable
   */
  async follow(topic: Topic, listener: (entry: Entry | Relayed) => void): Promise<Unfollow> {
    this.link.assertUp();
    const followed = this.#followed.get(topic) ?? this.#subscribe(topic);
    followed.followers++;
    const unfollow = this.#followers.add(topic, listener);
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      unfollow();
      this.#release(topic, followed);
    };
    try {
      await followed.ready;
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  /** Gives a body past the log to whoever follows the topic, on all nodes. */
  relay(topic: Topic, body: Uint8Array): void {
    this.link.assertUp();
    this.link.nc.publish(this.names.live(topic), body);
  }

  /** Whether all who follow the topic here have been told of what is at this place. */
  hasTold(topic: Topic, seq: number): boolean {
    const followed = this.#followed.get(topic);
    return !followed || followed.known >= seq || this.#held !== undefined;
  }

  /** It is certain that everything up to this place came, if there was anything to follow. */
  confirm(seq: number): void {
    if (!this.#held) this.#certain = Math.max(this.#certain, seq);
  }

  /** Something that was published may not have come. */
  doubt(): void {
    if (this.#closed) return;
    this.#doubtful = true;
    if (this.#held) return;
    this.#held = [];
    void this.#makeUp();
  }

  close(): void {
    this.#closed = true;
  }

  #subscribe(topic: Topic): Followed {
    const subscription = this.link.nc.subscribe(this.names.live(topic), {
      callback: (error, message) => (error ? undefined : this.#arrived(topic, followed, message)),
    });
    // It is asked after the subscription has gone out on the same connection: whatever is stored after the answer comes here.
    const ready = this.log.last().then((last) => {
      followed.known = Math.max(followed.known, last);
      followed.keys.startAt(last);
    });
    const followed: Followed = { subscription, ready, known: -1, keys: new RecentKeys(Infinity), followers: 0 };
    this.#followed.set(topic, followed);
    return followed;
  }

  #release(topic: Topic, followed: Followed): void {
    if (--followed.followers > 0) return;
    followed.subscription.unsubscribe();
    if (this.#followed.get(topic) === followed) this.#followed.delete(topic);
  }

  #arrived(topic: Topic, followed: Followed, message: Msg): void {
    const { headers, data } = message;
    const { places } = this;
    const sequence = storedAt(headers);
    // What is relayed has no place, and is worth nothing later.
    if (!sequence) return this.#followers.tell({ seq: null, topic, body: data });
    const seq = places.toPlace(sequence);
    const before = places.toPlace(storedBefore(headers));
    const particulars = particularsOf(headers);
    this.indexes.observe(topic, seq, before, particulars);
    const arrived = { seq, before, topic, body: data, particulars };
    if (!this.#held && !canTell(followed, arrived)) this.doubt();
    const held = this.#held;
    if (held) held.push(arrived);
    else this.#tell(followed, arrived);
  }

  /** @param index of the topic, where what is recent does not tell whether it is void */
  #tell(followed: Followed, arrived: Arrived, index?: TopicIndex): void {
    const { seq, topic, body } = arrived;
    const { expiresAt, keyed } = arrived.particulars;
    if (seq <= followed.known) return;
    followed.known = seq;
    if (keyed) {
      if (isVoid(followed, arrived) ?? index?.isVoid(seq)) return;
      followed.keys.add(keyed.hash, seq);
    }
    const late = seq < this.#told;
    if (!late) this.#told = seq;
    if (expiresAt !== undefined && expiresAt <= this.options.now()) return;
    const entry = { seq: seq as Seq, topic, body, ...(expiresAt === undefined ? {} : { expiresAt }) };
    this.#followers.tell(late ? { ...entry, late } : entry);
  }

  #tellIfFollowed(arrived: Arrived, index?: TopicIndex): void {
    const followed = this.#followed.get(arrived.topic);
    if (followed) this.#tell(followed, arrived, index);
  }

  #canTell(arrived: Arrived): boolean {
    const followed = this.#followed.get(arrived.topic);
    return !followed || canTell(followed, arrived);
  }

  /** Reads what may have been missed, then tells it and what came meanwhile, in order. */
  async #makeUp(): Promise<void> {
    while (this.#doubtful && !this.#closed) {
      this.#doubtful = false;
      try {
        const last = await this.log.last();
        // Before a reader is given what was sent after it had entered or left a room, the hub knows that it did: else it would
        // pass by what is for it, or be given what is not.
        await this.options.directoryCaughtUp();
        const missed = await this.#missed(last);
        const indexes = await this.#indexesFor([...missed, ...(this.#held ?? [])]);
        if (this.#doubtful) continue;
        const all = [...missed, ...(this.#held ?? [])].sort((one, other) => one.seq - other.seq);
        this.#held = [];
        const behind = all.findIndex(({ seq }) => seq > last);
        const certain = behind < 0 ? all.splice(0) : all.splice(0, behind);
        for (const arrived of certain) this.#tellIfFollowed(arrived, indexes.get(arrived.topic));
        for (const followed of this.#followed.values()) followed.known = Math.max(followed.known, last);
        this.#certain = Math.max(this.#certain, last);
        while (all[0] && this.#canTell(all[0])) this.#tellIfFollowed(all.shift() as Arrived);
        this.#held.push(...all);
        this.#doubtful = all.length > 0;
      } catch {
        // Whatever it is, nothing is told before it is over: why it cannot be done now is in the health of the engine.
        this.#doubtful = true;
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN).unref());
      }
    }
    this.#held = undefined;
  }

  /** The indexes of those topics with an entry of which nothing else tells whether it is void. @throws EngineUnavailable */
  async #indexesFor(entries: readonly Arrived[]): Promise<Map<Topic, TopicIndex>> {
    const topics = new Set<Topic>();
    for (const arrived of entries) {
      const followed = this.#followed.get(arrived.topic);
      if (followed && isVoid(followed, arrived) === undefined) topics.add(arrived.topic);
    }
    const found = [...topics].map(async (topic) => [topic, await this.indexes.fresh(topic)] as const);
    return new Map(await Promise.all(found));
  }

  /** Entries of followed topics that were not told of, up to this place. */
  async #missed(last: number): Promise<Arrived[]> {
    const { names, reads } = this;
    if (this.#followed.size === 0 || last <= this.#certain) return [];
    const filter = names.subject('>');
    const newest = (await reads.newest(names.log, filter))?.seq ?? 0;
    const upTo = Math.min(newest, last);
    const part = { stream: names.log, filter, after: this.#certain, upTo, headersOnly: true };
    const missed: Omit<Arrived, 'body' | 'before'>[] = [];
    const has = new Set(this.#held?.map(({ seq }) => seq));
    for await (const messages of reads.scan(part)) {
      for (const { seq, subject, headers } of messages) {
        const topic = names.topicOf(subject);
        const followed = this.#followed.get(topic);
        if (!followed || seq <= followed.known || seq > last || has.has(seq)) continue;
        missed.push({ seq, topic, particulars: particularsOf(headers) });
      }
    }
    const bodies = await reads.atEach(
      names.log,
      missed.map(({ seq }) => seq),
    );
    return missed.flatMap((entry, at) => {
      const stored = bodies[at];
      assertStoredUnder(names.subject(entry.topic), stored);
      return stored ? [{ ...entry, before: NOT_KNOWN, body: stored.data }] : [];
    });
  }
}

/** Whether nothing of its topic has been missed before it, and it is known whether it counts. */
function canTell(followed: Followed, arrived: Arrived): boolean {
  const { known } = followed;
  // What was there before it was followed is not known.
  return (known < 0 || arrived.before <= known) && isVoid(followed, arrived) !== undefined;
}

/** Whether it repeats one before it; undefined if only the index of its topic can tell. */
function isVoid({ keys }: Followed, { before, particulars: { keyed } }: Arrived): boolean | undefined {
  // Nothing was stored since somebody looked.
  if (!keyed || before <= keyed.since) return false;
  return keys.isVoid(keyed);
}
