import type { Entry, Log, Relayed, Seq, Topic, Unfollow } from '../engine/engine.js';
import { type Deletion, readDeletion } from './deletion.js';
import { DELETIONS } from './topics.js';

/**
 * A message on its way to streams. All who get it share this one object, so that what is computed from it is computed once:
 * see {@link Delivery.frames}.
 */
export class Delivery {
  /** Room for the encodings of whoever writes streams, by format. */
  readonly frames: { sse?: Buffer; ndjson?: Buffer } = {};

  constructor(
    /** Its place in the log; null when it was relayed past it. */
    readonly seq: Seq | null,
    /** The message as JSON, without its id: see encodeEnvelope. */
    readonly body: Uint8Array,
    /** When it was committed, by performance.now(); null when it was read from the log later. */
    readonly committedAt: number | null,
    /** It is given later than others that are behind it: see {@link Log.follow}. */
    readonly late = false,
    /** Up to where a reader has read that has been given this; its place, unless it is given late. */
    readonly position = seq,
    /** What was deleted, where this is no message but says so. */
    readonly deletion: Deletion | undefined = undefined,
    /** Its reader has had messages with higher ids: the message says so. */
    readonly isMarkedLate = false,
    /** See StreamPlace.low. */
    readonly low: Seq | undefined = undefined,
  ) {}

  /** An entry as it was read from the log. */
  static of({ seq, topic, body }: Entry, position: Seq, isMarkedLate = false, low?: Seq): Delivery {
    return new Delivery(seq, body, null, false, position, deletionIn(topic, body), isMarkedLate, low);
  }

  /** The same for one reader who has read further already. */
  after(position: Seq, isMarkedLate: boolean, low: Seq | undefined): Delivery {
    return new Delivery(this.seq, this.body, this.committedAt, this.late, position, this.deletion, isMarkedLate, low);
  }
}

function deletionIn(topic: Topic, body: Uint8Array): Deletion | undefined {
  return topic === DELETIONS ? readDeletion(body) : undefined;
}

export interface FeedListener {
  take(delivery: Delivery): void;
}

/** Who reads one topic. Most topics are mailboxes and have one reader, who is kept without a Set of its own. */
class Feed {
  #first: FeedListener | undefined;
  #others: Set<FeedListener> | undefined;
  readonly following: Promise<Unfollow>;

  constructor(log: Log, topic: Topic) {
    this.following = log.follow(topic, (entry) => this.#tell(entry));
  }

  get isEmpty(): boolean {
    return !this.#first && !this.#others?.size;
  }

  add(listener: FeedListener): void {
    if (this.#first) (this.#others ??= new Set()).add(listener);
    else this.#first = listener;
  }

  delete(listener: FeedListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }

  #tell(entry: Entry | Relayed): void {
    const { seq, topic, body } = entry;
    const late = seq !== null && entry.late === true;
    const delivery = new Delivery(seq, body, performance.now(), late, seq, deletionIn(topic, body));
    this.#first?.take(delivery);
    if (this.#others) for (const listener of this.#others) listener.take(delivery);
  }
}

/** The topics that somebody here reads live: each followed once, whatever the number of its readers. */
export class Feeds {
  readonly #feeds = new Map<Topic, Feed>();

  constructor(private readonly log: Log) {}

  /** From the moment this resolves the listener gets everything committed or relayed to the topic; see {@link Log.follow}. */
  async subscribe(topic: Topic, listener: FeedListener): Promise<void> {
    let feed = this.#feeds.get(topic);
    if (!feed) this.#feeds.set(topic, (feed = new Feed(this.log, topic)));
    feed.add(listener);
    try {
      await feed.following;
    } catch (error) {
      this.unsubscribe(topic, listener);
      throw error;
    }
  }

  /** It gets nothing of this topic any more. */
  unsubscribe(topic: Topic, listener: FeedListener): void {
    const feed = this.#feeds.get(topic);
    feed?.delete(listener);
    if (!feed?.isEmpty) return;
    this.#feeds.delete(topic);
    feed.following.then(
      (unfollow) => unfollow(),
      () => undefined,
    );
  }
}
