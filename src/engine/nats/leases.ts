import type { Msg } from '@nats-io/transport-node';
import { EngineUnavailable, type Holding, type Json, type Leases, type Unfollow } from '../engine.js';
import { copyOf } from '../json.js';
import type { Link } from './link.js';
import type { Names } from './names.js';

/** A node that does not show itself for so long is taken for dead. Milliseconds, as all here. */
export const LEASE = 2_000;
const BEAT_EVERY = 400;
const LOOK_EVERY = 200;

/** Changes are told together with those that come within this time. */
const GATHER = 2;

/** Holdings in one message of an answer. */
const AT_A_TIME = 4_000;

/** For how long the answer of a node is waited for. */
const ANSWER = 1_000;

/** A change of what is held; without a second part it is held no longer. */
type Change = readonly [key: string, value?: Json];

/** What a node tells all others, every now and then and when something changes. */
interface Beat {
  readonly node: string;
  /** How often it has told changes, with these. Whoever has heard of fewer asks for everything. */
  readonly count: number;
  readonly changes?: readonly Change[];
  /** It stops. */
  readonly bye?: true;
}

/** A part of what a node holds, as it answers to one who asks. */
interface Part {
  readonly count: number;
  readonly held: readonly Change[];
  readonly last: boolean;
}

interface Other {
  count: number;
  readonly held: Map<string, Json>;
  heard: number;
  /** Its changes that have come while it was asked for everything; undefined while it is not. */
  asked: Beat[] | undefined;
  /** Settles when the answer to that is in the copy, or does not come. */
  answer: Promise<void> | undefined;
}

/**
 * What each node holds, told by the nodes themselves: kept nowhere, so that nothing is left of a node that is gone. Each has a
 * copy of what the others hold, knows by a count whether it has missed a change, and then asks for all of it. A node that was
 * not heard of for {@link LEASE} is dead; but who does not hear itself either takes nobody for dead.
 */
export class NatsLeases implements Leases {
  readonly node = crypto.randomUUID();
  readonly shared = true;
  readonly #held = new Map<string, Json>();
  readonly #others = new Map<string, Other>();
  readonly #listeners = new Set<(holding: Holding) => void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #changes: Change[] = [];
  #gathering: NodeJS.Timeout | undefined;
  #count = 0;
  /** Since when others could have been heard (performance.now). */
  #hearing = Infinity;
  #looked = performance.now();
  /** When its own beat came back last. */
  #echoed = -Infinity;

  constructor(
    private readonly link: Link,
    private readonly names: Names,
    /** The nodes that are noted as running at the moment of the call. @throws EngineUnavailable */
    private readonly noted: () => Promise<readonly string[]>,
  ) {}

  /** Begins to show itself, and to listen. */
  open(): void {
    const { nc } = this.link;
    nc.subscribe(this.names.leases, {
      callback: (error, message) => (error ? undefined : this.#heard(message.json<Beat>())),
    });
    nc.subscribe(this.names.node(this.node, 'held'), {
      callback: (error, message) => (error ? undefined : this.#answer(message)),
    });
    nc.subscribe(this.names.node(this.node, 'count'), {
      callback: (error, message) => {
        if (error) return;
        // Published before the answer, on the same connection: a node that has the answer has had these changes.
        this.#beat();
        message.respond(String(this.#count));
      },
    });
    this.#beat();
    this.#timers.push(
      setInterval(() => this.#beat(), BEAT_EVERY),
      setInterval(() => this.#look(), LOOK_EVERY),
    );
    for (const timer of this.#timers) timer.unref();
  }

  async hold(key: string, value: Json): Promise<void> {
    this.#assertOpen();
    const copy = copyOf(value);
    this.#held.set(key, copy);
    this.#tell(this.node, key, copy);
    this.#change([key, copy]);
  }

  async release(key: string): Promise<void> {
    this.#assertOpen();
    if (!this.#held.delete(key)) return;
    this.#tell(this.node, key, undefined);
    this.#change([key]);
  }

  async watch(listener: (holding: Holding) => void): Promise<Unfollow> {
    this.#assertOpen();
    for (const [key, value] of this.#held) listener({ node: this.node, key, value });
    for (const [node, { held }] of this.#others) for (const [key, value] of held) listener({ node, key, value });
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks all other nodes: those heard of, and those that are only noted. A noted node that does not answer may be alive and cut
   * off; it is dead once it has been forgotten.
   */
  async catchUp(): Promise<void> {
    this.#assertOpen();
    const nodes = new Set([...(await this.noted()), ...this.#others.keys()]);
    nodes.delete(this.node);
    await Promise.all([...nodes].map((node) => this.#catchUpWith(node)));
  }

  /** The other nodes that are alive. */
  others(): string[] {
    return [...this.#others.keys()];
  }

  /** Whether it is the first of those alive: what one of them has to do is done by this one. */
  get isFirst(): boolean {
    for (const node of this.#others.keys()) if (node < this.node) return false;
    return true;
  }

  /** Whether everything that a node holds is known here. */
  knows(node: string): boolean {
    const other = this.#others.get(node);
    return other !== undefined && other.asked === undefined;
  }

  /** Tells the others that nothing is held here any more. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#gathering);
    this.#publish({ node: this.node, count: this.#count, bye: true });
  }

  #assertOpen(): void {
    if (this.link.isShut) this.link.assertUp();
  }

  #change(change: Change): void {
    this.#changes.push(change);
    this.#gathering ??= setTimeout(() => this.#beat(), GATHER);
  }

  #beat(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const changes = this.#changes.splice(0);
    if (changes.length > 0) this.#count++;
    this.#publish({ node: this.node, count: this.#count, ...(changes.length > 0 ? { changes } : {}) });
  }

  #publish(beat: Beat): void {
    // Without a connection nobody would hear it, and the count tells the others that they have to ask.
    if (this.link.isConnected) this.link.nc.publish(this.names.leases, JSON.stringify(beat));
  }

  #heard(beat: Beat): void {
    const { node, count, changes, bye } = beat;
    if (node === this.node) {
      this.#echoed = performance.now();
      return;
    }
    if (bye) return this.#gone(node);
    const other = this.#otherOf(node);
    other.heard = performance.now();
    if (other.asked) {
      if (changes) other.asked.push(beat);
    } else if (changes && count === other.count + 1) {
      this.#take(node, other, beat);
    } else if (count !== other.count) {
      void this.#ask(node, other);
    }
  }

  #otherOf(node: string): Other {
    let other = this.#others.get(node);
    if (!other) {
      other = { count: 0, held: new Map(), heard: 0, asked: undefined, answer: undefined };
      this.#others.set(node, other);
      // It may have begun to listen after this had begun to tell.
      this.#beat();
    }
    return other;
  }

  /** @throws EngineUnavailable when the node does not answer in time */
  async #catchUpWith(node: string): Promise<void> {
    const silence = `the node ${node} does not say what it holds`;
    let count: number;
    try {
      count = Number((await this.link.nc.request(this.names.node(node, 'count'), '', { timeout: ANSWER })).string());
    } catch (error) {
      throw new EngineUnavailable(silence, { cause: error });
    }
    const other = this.#otherOf(node);
    other.heard = performance.now();
    // The first answer may have been under way before the count was.
    for (let tries = 0; tries < 2 && other.count < count; tries++) await this.#ask(node, other);
    if (other.count < count || other.asked || this.#others.get(node) !== other) throw new EngineUnavailable(silence);
  }

  #take(node: string, other: Other, { count, changes = [] }: Beat): void {
    other.count = count;
    for (const [key, ...rest] of changes) {
      const [value] = rest;
      if (rest.length === 0) other.held.delete(key);
      else other.held.set(key, value as Json);
      this.#tell(node, key, rest.length === 0 ? undefined : value);
    }
  }

  /** Asks a node for everything it holds, unless it is being asked. */
  #ask(node: string, other: Other): Promise<void> {
    return (other.answer ??= this.#askNow(node, other).finally(() => (other.answer = undefined)));
  }

  async #askNow(node: string, other: Other): Promise<void> {
    other.asked = [];
    const parts = await this.#partsOf(node);
    const meanwhile = other.asked;
    other.asked = undefined;
    if (!parts || this.#others.get(node) !== other) return;
    const held = new Map<string, Json>();
    for (const { held: some } of parts) for (const [key, value] of some) held.set(key, value as Json);
    for (const key of [...other.held.keys()]) {
      if (held.has(key)) continue;
      other.held.delete(key);
      this.#tell(node, key, undefined);
    }
    for (const [key, value] of held) {
      if (JSON.stringify(other.held.get(key)) === JSON.stringify(value)) continue;
      other.held.set(key, value);
      this.#tell(node, key, value);
    }
    other.count = parts[0]?.count ?? 0;
    // Where one of them is missing the next beat tells so.
    for (const beat of meanwhile) if (beat.count === other.count + 1) this.#take(node, other, beat);
  }

  /** @returns undefined when it does not answer in time */
  #partsOf(node: string): Promise<Part[] | undefined> {
    return new Promise((resolve) => {
      const { nc } = this.link;
      const parts: Part[] = [];
      const inbox = `_INBOX.${crypto.randomUUID()}`;
      const end = (answer: Part[] | undefined) => {
        clearTimeout(timer);
        subscription.unsubscribe();
        resolve(answer);
      };
      const timer = setTimeout(() => end(undefined), ANSWER);
      const subscription = nc.subscribe(inbox, {
        callback: (error, message) => {
          if (error) return;
          if (message.headers?.code) return end(undefined);
          const part = message.json<Part>();
          parts.push(part);
          if (part.last) end(parts);
        },
      });
      try {
        nc.publish(this.names.node(node, 'held'), '', { reply: inbox });
      } catch {
        end(undefined);
      }
    });
  }

  #answer(message: Msg): void {
    // What was not told yet is in the answer: it must not be told once more under a later count.
    this.#beat();
    const all = [...this.#held];
    for (let from = 0; from === 0 || from < all.length; from += AT_A_TIME) {
      const held = all.slice(from, from + AT_A_TIME);
      message.respond(
        JSON.stringify({ count: this.#count, held, last: from + AT_A_TIME >= all.length } satisfies Part),
      );
    }
  }

  /** Looks who has not been heard of for too long. */
  #look(): void {
    const now = performance.now();
    // Who stood still itself, or does not even hear itself, has heard nobody: that says nothing of them.
    const deaf = this.link.trouble !== null || now - this.#echoed > LEASE / 2 || now - this.#looked > LEASE / 2;
    this.#hearing = deaf ? now : Math.min(this.#hearing, now);
    this.#looked = now;
    for (const [node, { heard }] of this.#others) {
      if (now - Math.max(heard, this.#hearing) > LEASE) this.#gone(node);
    }
  }

  #gone(node: string): void {
    const other = this.#others.get(node);
    if (!other) return;
    this.#others.delete(node);
    for (const key of other.held.keys()) this.#tell(node, key, undefined);
  }

  #tell(node: string, key: string, value: Json | undefined): void {
    const holding = { node, key, value };
    for (const listener of this.#listeners) listener(holding);
  }
}
