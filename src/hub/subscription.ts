import { EngineUnavailable, type Entry, type Log, type Seq, type Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import type { StreamPlace } from './credentials.js';
import { isWithin } from './deletion.js';
import { type EntryPauses, LONGEST_PAUSE } from './entry-pauses.js';
import { Delivery, type FeedListener, type Feeds } from './feeds.js';
import type { Scope, Window } from './memberships.js';
import type { ReadTurns } from './read-turns.js';
import { type Address, addressOf, DELETIONS } from './topics.js';

/** Where a subscription puts what it reads. Its methods must not throw. */
export interface Sink {
  deliver(delivery: Delivery): void;
  /** Messages between these places are no longer kept: of one address, or of any where that is null. */
  gap(after: Seq, oldest: Seq | null, to: Address | null): void;
  /** Resolves when so little waits to be taken that more may be read for it; undefined when that is so already. */
  ready(): Promise<void> | undefined;
  /** Nothing more can be read for it. */
  broken(error: unknown): void;
}

/** Where subscriptions have it from. */
export interface Sources {
  readonly log: Log;
  readonly feeds: Feeds;
  /** What a client may read; asked again on {@link Subscription.refresh}. */
  readonly scopes: { scopeOf(index: ClientIndex): Scope };
  /** Resolves when the streams of a client may go on that enters a room; undefined when they may at this moment. */
  readonly pauses: Pick<EntryPauses, 'of'>;
  readonly turns: ReadTurns;
}

/** Entries read from the log at a time, of all topics. */
const PAGE = 64;
const LEAST_PAGE = 8;

/** Bytes of entries that are kept while a stream takes nothing: of thousands that do not, each holds so many. What is more is read again. */
const KEPT_WHILE_WAITING = 32 * 1024;

/** Bytes that are read at a time where entries turn out to be long: about as many as a stream takes at once. */
const READ_AT_ONCE = 64 * 1024;

/** The same of all topics together. Of each topic one entry is read at least. */
const READ_OF_ALL = 4 * READ_AT_ONCE;

/** A part of the log that was read. */
interface Stretch {
  readonly after: Seq;
  readonly upTo: Seq;
}

/** How much that is committed while it reads is kept, so that it need not be read as well. */
const MOST_WAITING = 256;

/** Between two attempts to read while the engine cannot, in milliseconds. */
const TRY_AGAIN = 200;

/** Enough of them: what is late is so by seconds. */
const MOST_STRETCHES = 8;

/** Everybody follows what is deleted, and is told of that part of it which it may have read. */
const DELETED: Window = { topic: DELETIONS, from: 0 as Seq, to: null };

/** Shared, as there are many subscriptions and most of what they keep is empty. */
const NONE: readonly never[] = [];

/**
 * One reader of what a client may read, from a place in the log on: first what is kept behind that place, all topics in the
 * one order of the log, as fast as the sink takes it; then what is committed from moment to moment. It follows before it
 * reads, so nothing falls between the two, and tells the overlap by the place it has reached. What is relayed past the log can
 * be read nowhere: so it follows before anybody is told that there is a reader.
 *
 * It stands still while its client enters a room, so that the room begins after its place: see {@link EntryPauses}. A room of which
 * this process hears only later begins at a place that it has passed: what is between is given late, and marked. So ids ascend
 * but for marked ones, and nothing is skipped.
 */
export class Subscription implements FeedListener {
  #live = false;
  /** There is something else to be read, or more than is kept was committed, since this round of reading began. */
  #more = false;
  /** What is to be read has changed, or is about to, since this round of reading began. */
  #changed = false;
  /** It waits for the sink to take what it was given. */
  #paused = false;
  /** What was committed since then. */
  #waiting: Delivery[] = [];
  #ended = false;
  #sink: Sink | undefined;
  /** What was relayed before there was a sink. */
  #early: readonly Delivery[] = NONE;
  /** Few, so they are looked through. */
  #following: readonly Topic[] = NONE;
  /** Of those, the ones that have only just been asked for. */
  #joining: readonly Promise<void>[] = NONE;
  /** It has begun to read: a topic that is followed from now on has a past that this may have passed by. */
  #reading = false;
  /** Everything up to this place was read before it went live the first time; -1 before that. */
  #begun = -1;
  /** Topics that were followed later, and have not been read from their beginning yet. */
  #late: readonly Topic[] = NONE;
  /** Some of what is being read was given, and some not. */
  #giving = false;
  /** What was read later: parts of the log, the newest last. */
  #alsoRead: Stretch[] | undefined;
  /** Where the sink has read up to. */
  private position: Seq;
  /** The highest place of a message that the sink may have had. */
  #highest: Seq;
  /** See {@link StreamPlace.low}. */
  #low: Seq | undefined;

  /**
   * @param index whose scope is to be read
   * @param place where the sink has read up to
   */
  constructor(
    private readonly sources: Sources,
    private readonly index: ClientIndex,
    { position, low }: StreamPlace,
  ) {
    this.position = position;
    this.#highest = position;
    this.#low = low;
  }

  /**
   * Resolves when nothing that is committed or relayed from then on is missed: from then on others may know of the reader.
   * @throws EngineUnavailable
   */
  async follow(): Promise<void> {
    await this.#follow(this.#scope().windows);
  }

  /**
   * Resolves when all that was kept has been given to the sink and the rest comes live.
   * @throws EngineUnavailable when it is in the midst of what it reads; then the subscription has ended
   */
  async start(sink: Sink): Promise<void> {
    this.#sink = sink;
    if (this.#misses()) sink.gap(this.position, null, null);
    for (const delivery of this.#early) sink.deliver(delivery);
    this.#early = NONE;
    await this.#untilCaughtUp(sink);
  }

  /** Resolves when it follows all that it is to read, or has tried to: where that fails, it tries again before it reads on. */
  async following(): Promise<void> {
    await Promise.allSettled(this.#joining);
  }

  /**
   * What is to be read is another from now on, or will be once the pause is over: nothing is given to the sink until that is known
   * to be complete.
   */
  refresh(): void {
    const sink = this.#sink;
    if (this.#ended || !sink) return;
    this.#more = true;
    this.#changed = true;
    if (!this.#live) {
      // At once, as what is relayed now cannot be read afterwards. Where that fails it is tried again before it reads on.
      this.#follow(this.#scope().windows).catch(() => undefined);
      return;
    }
    this.#live = false;
    this.#untilCaughtUp(sink).catch((error: unknown) => sink.broken(error));
  }

  /** Where the engine is not there for a while, what is to be read waits for it. */
  async #untilCaughtUp(sink: Sink): Promise<void> {
    while (!this.#ended) {
      try {
        return await this.#catchUp(sink);
      } catch (error) {
        if (!(error instanceof EngineUnavailable) || this.#giving) {
          this.end();
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN).unref());
      }
    }
  }

  end(): void {
    this.#ended = true;
    for (const topic of this.#following) this.sources.feeds.unsubscribe(topic, this);
    this.#following = NONE;
  }

  take(delivery: Delivery): void {
    if (this.#ended) return;
    const sink = this.#sink;
    if (!sink) {
      // What is committed will be read.
      if (delivery.seq === null && this.#early.length < MOST_WAITING) this.#early = [...this.#early, delivery];
      return;
    }
    if (delivery.seq === null) return sink.deliver(delivery);
    if (delivery.late && delivery.seq <= this.position) {
      const { seq } = delivery;
      if (!this.#hasRead(seq)) this.#deliver(sink, delivery.after(this.position, seq < this.#highest, this.#low));
      return;
    }
    if (this.#live) this.#give(sink, delivery);
    else if (!this.#paused && this.#waiting.push(delivery) > MOST_WAITING) {
      this.#waiting = [];
      this.#more = true;
    }
  }

  #give(sink: Sink, delivery: Delivery): void {
    if (delivery.seq === null || delivery.seq <= this.position) return;
    this.position = delivery.seq;
    this.#deliver(sink, delivery);
  }

  #deliver(sink: Sink, delivery: Delivery): void {
    const { deletion, seq } = delivery;
    if (deletion) {
      if (!isWithin(deletion, this.sources.scopes.scopeOf(this.index).windows)) return;
    } else if (seq !== null && seq > this.#highest) {
      this.#highest = seq;
    }
    sink.deliver(delivery);
  }

  /** Whether what is at this place was read, if there was something to be read. */
  #hasRead(seq: Seq): boolean {
    if (this.#begun < 0 || seq <= this.#begun) return true;
    return this.#alsoRead?.some(({ after, upTo }) => seq > after && seq <= upTo) ?? false;
  }

  async #catchUp(sink: Sink): Promise<void> {
    // A client that enters rooms all the time must not keep its own messages back for ever.
    let waitsUntil = performance.now() + LONGEST_PAUSE;
    while (!this.#ended) {
      for (;;) {
        const pause = this.sources.pauses.of(this.index);
        if (!pause || performance.now() >= waitsUntil) break;
        await pause;
      }
      this.#more = false;
      this.#changed = false;
      this.#waiting = [];
      const { windows } = this.#scope();
      await this.#follow(windows);
      this.#reading = true;
      const late = this.#late;
      // All that is to come has a place behind this one, or has been committed and can be read.
      const last = await this.sources.log.last();
      // Up to that place a room may have to be read that these windows do not have.
      if (this.#changed && performance.now() < waitsUntil) continue;
      const after = this.position;
      if (last > after || late.length > 0 || this.#low !== undefined) await this.#read(sink, windows, last, late);
      if (late.length > 0) this.#late = this.#late.slice(late.length);
      if (this.#begun >= 0) this.#remember({ after, upTo: last });
      waitsUntil = performance.now() + LONGEST_PAUSE;
      if (this.#more) continue;
      if (this.#begun < 0) this.#begun = this.position;
      this.#live = true;
      // One that was told late came after those behind it.
      const waiting = this.#waiting.sort((one, other) => (one.seq ?? 0) - (other.seq ?? 0));
      this.#waiting = [];
      for (const delivery of waiting) this.#give(sink, delivery);
      return;
    }
  }

  #remember(stretch: Stretch): void {
    this.#alsoRead = [...(this.#alsoRead ?? []), stretch].slice(-MOST_STRETCHES);
  }

  /**
   * Follows the topics of windows that have no end, and no others. All of them are asked for before this gives back; it resolves
   * when nothing of them is missed any more.
   */
  async #follow(windows: readonly Window[]): Promise<void> {
    const before = this.#following;
    const open = windows.filter(({ to }) => to === null).map(({ topic }) => topic);
    this.#following = open;
    for (const topic of before) if (!open.includes(topic)) this.sources.feeds.unsubscribe(topic, this);
    for (const topic of open) {
      if (before.includes(topic)) continue;
      const joining = this.#join(topic).finally(() => {
        const others = this.#joining.filter((other) => other !== joining);
        this.#joining = others.length > 0 ? others : NONE;
      });
      this.#joining = [...this.#joining, joining];
    }
    await Promise.all(this.#joining);
  }

  async #join(topic: Topic): Promise<void> {
    try {
      await this.sources.feeds.subscribe(topic, this);
    } catch (error) {
      this.#following = this.#following.filter((other) => other !== topic);
      throw error;
    }
    // Where a room was entered by way of another process, this may have read further before it heard of that.
    if (this.#reading) this.#late = [...this.#late, topic];
  }

  #scope(): Scope {
    const scope = this.sources.scopes.scopeOf(this.index);
    return { ...scope, windows: [...scope.windows, DELETED] };
  }

  /** Whether there may have been more for it behind its place than is known of any topic. */
  #misses(): boolean {
    const { since, forgotten } = this.#scope();
    if (this.position < forgotten) return true;
    const lost = this.sources.log.restorations.at(-1)?.upTo ?? 0;
    return Math.max(this.position, since) < lost;
  }

  /** Gives the sink everything up to `last`, in order; of the topics in `late` also what it has passed by already. */
  async #read(sink: Sink, windows: readonly Window[], last: Seq, late: readonly Topic[]): Promise<void> {
    const { position } = this;
    const begin = this.#low ?? position;
    const parts = windows
      .map(({ topic, from, to }) => ({
        topic,
        after: to === null && late.includes(topic) ? from : larger(begin, from),
        to: smaller(last, to),
      }))
      .filter(({ after, to }) => after < to);
    const lowest = Math.min(...parts.map(({ after }) => after));
    if (lowest < position) this.#low = lowest as Seq;
    const limit = Math.max(LEAST_PAGE, Math.ceil(PAGE / parts.length));
    const told = (part: Part, oldest: Seq | null) => sink.gap(part.after, oldest, addressOf(part.topic));
    const bytes = Math.min(READ_AT_ONCE, Math.ceil(READ_OF_ALL / parts.length));
    const sources = parts.map((part) => new Source(this.sources.log, part, limit, bytes, told));
    const { turns } = this.sources;
    await turns.take();
    try {
      for (const source of sources) await source.fill();
      await this.#giveAll(sink, sources, turns, position);
    } finally {
      turns.give();
    }
    if (this.#ended) return;
    this.#giving = false;
    this.#low = undefined;
    this.position = larger(this.position, last);
  }

  /** Gives the sink all that these sources have, in the order of the log. @param position where it stood before it read */
  async #giveAll(sink: Sink, sources: readonly Source[], turns: ReadTurns, position: Seq): Promise<void> {
    for (;;) {
      const source = earliest(sources);
      const entry = source?.shift();
      if (!source || !entry || this.#ended) return;
      this.#giving = true;
      this.#low = undefined;
      if (entry.seq <= position) {
        // The last of those that are late says that none is left, so that a stream that resumes there does not repeat them.
        if (source.isUsedUp) await source.fill();
        const next = earliest(sources)?.next;
        if (next && next.seq <= position) this.#low = entry.seq;
      }
      this.position = larger(this.position, entry.seq);
      this.#deliver(sink, Delivery.of(entry, this.position, entry.seq <= this.#highest, this.#low));
      const ready = sink.ready();
      if (ready) {
        // What is committed meanwhile is read afterwards, instead of being kept for as long as nothing is taken.
        this.#paused = true;
        this.#more = true;
        this.#waiting = [];
        if (sources.reduce((sum, { bytes }) => sum + bytes, 0) > KEPT_WHILE_WAITING)
          for (const one of sources) one.release();
        turns.give();
        await ready;
        await turns.take();
        this.#paused = false;
        for (const one of sources) if (one.isUsedUp) await one.fill();
      }
      if (this.#ended) return;
      if (source.isUsedUp) await source.fill();
    }
  }
}

interface Part {
  readonly topic: Topic;
  readonly after: Seq;
  /** The last place that is read. */
  readonly to: Seq;
}

/** What is to be read of one topic, page by page. */
class Source {
  #page: Entry[] = [];
  #at = 0;
  #after: Seq;
  #done = false;
  /** How many entries to read at a time. */
  #limit: number;

  constructor(
    private readonly log: Log,
    private readonly part: Part,
    limit: number,
    /** At which a page ends: see {@link Range.bytes}. */
    private readonly most: number,
    private readonly gap: (part: Part, oldest: Seq | null) => void,
  ) {
    this.#after = part.after;
    this.#limit = limit;
  }

  get next(): Entry | undefined {
    return this.#page[this.#at];
  }

  /** How many bytes are held of what comes next. */
  get bytes(): number {
    return bytesOf(this.#page.slice(this.#at));
  }

  /** Lets go of what comes next: it is to be read again, and no more of it at a time than can be taken. */
  release(): void {
    const left = this.#page.slice(this.#at);
    const [next] = left;
    if (!next) return;
    this.#limit = Math.max(1, Math.min(this.#limit, Math.floor(READ_AT_ONCE / (bytesOf(left) / left.length))));
    this.#after = (next.seq - 1) as Seq;
    this.#page = [];
    this.#at = 0;
    this.#done = false;
  }

  shift(): Entry | undefined {
    return this.#page[this.#at++];
  }

  /** Whether the next page has to be read before it is known what comes next. */
  get isUsedUp(): boolean {
    return !this.#done && this.#at >= this.#page.length;
  }

  /** Reads the next page. */
  async fill(): Promise<void> {
    const { topic, to } = this.part;
    const after = this.#after;
    const before = (to + 1) as Seq;
    this.#page = await this.log.read(topic, { after, before, limit: this.#limit, bytes: this.most });
    this.#at = 0;
    // Asked after reading: what is trimmed between the two is announced though it was read, never the other way round.
    const { floor, oldest } = await this.log.bounds(topic);
    if (floor > after && topic !== DELETIONS) this.gap({ topic, after, to }, this.#page[0]?.seq ?? oldest);
    this.#after = this.#page.at(-1)?.seq ?? to;
    this.#done = this.#page.length < this.#limit && bytesOf(this.#page) < this.most;
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { body }) => sum + body.length, 0);
}

/** Whose next entry is the first of all. A client reads few topics, so they are looked through. */
function earliest(sources: readonly Source[]): Source | undefined {
  let first: Source | undefined;
  for (const source of sources) {
    if (source.next && (!first?.next || source.next.seq < first.next.seq)) first = source;
  }
  return first;
}

function larger(one: Seq, other: Seq): Seq {
  return one > other ? one : other;
}

function smaller(one: Seq, other: Seq | null): Seq {
  return other === null || one < other ? one : other;
}
