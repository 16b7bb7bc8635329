import type { Log, Seq, Topic, Unfollow } from '../engine/engine.js';
import { Delivery, type Feeds } from './feeds.js';

/** Where a subscription puts what it reads. Its methods must not throw. */
export interface Sink {
  deliver(delivery: Delivery): void;
  /** Messages between these places are no longer kept; `oldest` is the first that is, null when none is. */
  gap(after: Seq, oldest: Seq | null): void;
  /** Resolves when so little waits to be taken that more may be read for it; undefined when that is so already. */
  ready(): Promise<void> | undefined;
}

/** Entries read from the log at a time: few, as a stream that takes nothing holds a page of them in memory meanwhile. */
const PAGE = 64;

/**
 * One reader of a topic, from a place in the log on: first what is kept behind that place, as fast as the sink takes it, then
 * what is committed from moment to moment. It follows before it reads, so nothing falls between the two, and tells the overlap
 * by the place it has reached.
 */
export class Subscription {
  #live = false;
  /** Something was committed since the page now being read was asked for. */
  #more = false;
  #ended = false;
  #unsubscribe: Unfollow | undefined;

  private constructor(
    private readonly log: Log,
    private readonly topic: Topic,
    private readonly sink: Sink,
    private position: Seq,
  ) {}

  /**
   * Resolves when all that was kept has been given to the sink and the rest comes live.
   * @throws EngineUnavailable; then the subscription has ended
   */
  static async start(
    log: Log,
    feeds: Feeds,
    topic: Topic,
    after: Seq,
    sink: Sink,
    signal: AbortSignal,
  ): Promise<Subscription> {
    const subscription = new Subscription(log, topic, sink, after);
    const end = () => subscription.end();
    signal.addEventListener('abort', end, { once: true });
    try {
      const unsubscribe = await feeds.subscribe(topic, (delivery) => subscription.#take(delivery));
      if (signal.aborted) unsubscribe();
      else subscription.#unsubscribe = unsubscribe;
      await subscription.#catchUp();
    } catch (error) {
      end();
      throw error;
    }
    return subscription;
  }

  end(): void {
    this.#ended = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  #take(delivery: Delivery): void {
    if (this.#ended) return;
    if (delivery.seq === null) return this.sink.deliver(delivery);
    if (!this.#live) {
      this.#more = true;
      return;
    }
    if (delivery.seq <= this.position) return;
    this.position = delivery.seq;
    this.sink.deliver(delivery);
  }

  async #catchUp(): Promise<void> {
    while (!this.#ended) {
      this.#more = false;
      const before = this.position;
      const entries = await this.log.read(this.topic, { after: before, limit: PAGE });
      // Asked after reading: what is trimmed between the two is announced though it was read, never the other way round.
      const { floor, oldest } = await this.log.bounds(this.topic);
      if (this.#ended) return;
      if (floor > before) {
        this.sink.gap(before, entries[0]?.seq ?? oldest);
        this.position = floor;
      }
      for (const { seq, body } of entries) {
        this.position = seq;
        this.sink.deliver(new Delivery(seq, body, null));
        const ready = this.sink.ready();
        if (ready) await ready;
        if (this.#ended) return;
      }
      // Whatever was committed since the read began has been noted by #take, or is yet to come to it.
      if (entries.length < PAGE && !this.#more) {
        this.#live = true;
        return;
      }
    }
  }
}
