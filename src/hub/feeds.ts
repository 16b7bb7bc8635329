import type { Entry, Log, Relayed, Seq, Topic, Unfollow } from '../engine/engine.js';

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
  ) {}
}

export type DeliveryListener = (delivery: Delivery) => void;

interface Feed {
  readonly listeners: Set<DeliveryListener>;
  readonly following: Promise<Unfollow>;
}

/** The topics that somebody here reads live: each followed once, whatever the number of its readers. */
export class Feeds {
  readonly #feeds = new Map<Topic, Feed>();

  constructor(private readonly log: Log) {}

  /** From the moment this resolves the listener gets everything committed or relayed to the topic; see {@link Log.follow}. */
  async subscribe(topic: Topic, listener: DeliveryListener): Promise<Unfollow> {
    let feed = this.#feeds.get(topic);
    if (!feed) {
      const listeners = new Set<DeliveryListener>();
      feed = { listeners, following: this.log.follow(topic, (entry) => deliver(entry, listeners)) };
      this.#feeds.set(topic, feed);
    }
    const { listeners, following } = feed;
    listeners.add(listener);
    try {
      await following;
    } catch (error) {
      this.#unsubscribe(topic, feed, listener);
      throw error;
    }
    const subscribed = feed;
    return () => this.#unsubscribe(topic, subscribed, listener);
  }

  #unsubscribe(topic: Topic, feed: Feed, listener: DeliveryListener): void {
    feed.listeners.delete(listener);
    if (feed.listeners.size > 0 || this.#feeds.get(topic) !== feed) return;
    this.#feeds.delete(topic);
    feed.following.then(
      (unfollow) => unfollow(),
      () => undefined,
    );
  }
}

function deliver(entry: Entry | Relayed, listeners: ReadonlySet<DeliveryListener>): void {
  const delivery = new Delivery(entry.seq, entry.body, performance.now());
  for (const listener of listeners) listener(delivery);
}
