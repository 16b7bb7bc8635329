import type { Topic } from '../engine.js';
import type { Names } from './names.js';
import type { Reads } from './reads.js';
import { type Particulars, particularsOf } from './record.js';
import { TopicIndex } from './topic-index.js';

/** How many topics, and how many entries of them, are kept in memory. */
const MOST_TOPICS = 20_000;
const MOST_ENTRIES = 4_000_000;

/** A topic somebody has asked for, with the look at its leader that is under way and the one after that. */
interface Indexed {
  readonly index: TopicIndex;
  current: Promise<TopicIndex> | undefined;
  next: Promise<TopicIndex> | undefined;
}

/**
 * The indexes of the topics that are read here. JetStream can neither go backwards nor count what has not expired, so the
 * places of a topic are read once, then only what is new; those used least are forgotten.
 */
export class TopicIndexes {
  readonly #indexed = new Map<Topic, Indexed>();
  #entries = 0;

  constructor(
    private readonly names: Names,
    private readonly reads: Reads,
  ) {}

  /** The index with everything that was acknowledged before the call. @throws EngineUnavailable */
  fresh(topic: Topic): Promise<TopicIndex> {
    let indexed = this.#indexed.get(topic);
    if (indexed) this.#indexed.delete(topic);
    else indexed = { index: new TopicIndex(), current: undefined, next: undefined };
    this.#indexed.set(topic, indexed);
    return (indexed.next ??= this.#begin(topic, indexed));
  }

  /** The index as far as it is known here. */
  peek(topic: Topic): TopicIndex | undefined {
    return this.#indexed.get(topic)?.index;
  }

  /** An entry has come that follows the entry at `before` in its topic: nothing has to be read to know of it. */
  observe(topic: Topic, seq: number, before: number, particulars: Particulars): void {
    const index = this.#indexed.get(topic)?.index;
    if (!index || index.size === 0 || index.newest < before || index.newest >= seq) return;
    this.#change(topic, () => index.add(seq, particulars));
  }

  /** Everything of this topic up to and with this place is gone. */
  removeThrough(topic: Topic, seq: number): void {
    this.#change(topic, (index) => index.removeThrough(seq));
  }

  remove(topic: Topic, seq: number): void {
    this.#change(topic, (index) => index.remove(seq));
  }

  #change(topic: Topic, change: (index: TopicIndex) => void): void {
    const index = this.#indexed.get(topic)?.index;
    if (!index) return;
    const before = index.size;
    change(index);
    this.#entries += index.size - before;
  }

  async #begin(topic: Topic, indexed: Indexed): Promise<TopicIndex> {
    await indexed.current?.catch(() => undefined);
    indexed.current = indexed.next;
    indexed.next = undefined;
    try {
      await this.#update(topic, indexed.index);
    } finally {
      if (!indexed.next) indexed.current = undefined;
      this.#forgetSome();
    }
    return indexed.index;
  }

  async #update(topic: Topic, index: TopicIndex): Promise<void> {
    const { names, reads } = this;
    const filter = names.subject(topic);
    const newest = await reads.newest(names.log, filter);
    const upTo = newest?.seq ?? 0;
    if (upTo < index.newest) this.#change(topic, () => index.removeBehind(upTo));
    if (!newest || upTo <= index.newest) return;
    // Mostly it is one entry that is new: to find that out is cheaper than to begin to read.
    if (index.size > 0 && (await reads.next(names.log, filter, index.newest))?.seq === upTo) {
      this.#change(topic, () => index.add(upTo, particularsOf(newest.header)));
      return;
    }
    const part = { stream: names.log, filter, after: index.newest, upTo, headersOnly: true };
    for await (const messages of reads.scan(part)) {
      this.#change(topic, () => {
        for (const { seq, headers } of messages) index.add(seq, particularsOf(headers));
      });
    }
  }

  #forgetSome(): void {
    for (const [topic, { index, current, next }] of this.#indexed) {
      if (this.#indexed.size <= MOST_TOPICS && this.#entries <= MOST_ENTRIES) return;
      if (current || next) continue;
      this.#indexed.delete(topic);
      this.#entries -= index.size;
    }
  }
}
