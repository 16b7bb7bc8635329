import type { Entry, Log, Relayed, Unfollow } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { HUBS } from './topics.js';

/** The longest that streams of a client stand still while it enters a room, in milliseconds. Longer than another process may take. */
export const LONGEST_PAUSE = 3_000;

/** How long another process may take to answer, in milliseconds. */
const ANSWER_WITHIN = 1_000;

interface Pause {
  /** How many rooms the client is entering. */
  entering: number;
  readonly over: Promise<void>;
  readonly end: () => void;
  readonly timer: NodeJS.Timeout;
}

/** What the hubs of several processes tell each other. */
type Said =
  | { readonly say: 'pause' | 'resume'; readonly id: string; readonly client: ClientIndex; readonly nodes: string[] }
  | { readonly say: 'done'; readonly id: string; readonly node: string };

interface Question {
  readonly waiting: Set<string>;
  readonly answered: () => void;
}

/** The streams of clients, as far as pauses need them. */
export interface PausableStreams {
  /** The name of this process: see Leases.node. */
  readonly node: string;
  /** Other processes in which the client has streams. */
  nodesOf(index: ClientIndex): string[];
  /** What the streams of the client in this process read has changed, or is about to. */
  refresh(index: ClientIndex): void;
  /** Resolves when the streams of the client in this process follow all that it may read. */
  following(index: ClientIndex): Promise<unknown>;
}

/**
 * Pauses the streams of a client while it enters a room, in all processes. The place at which the membership begins is read during
 * the pause, so no stream stands after that place, and each stream gives the room's messages in the order of the log.
 *
 * A pause is short and has an end: where a process does not answer, or entering takes too long, streams go on. What they have
 * passed by then comes late and is marked. See Subscription.
 */
export class EntryPauses {
  readonly #pauses = new Map<ClientIndex, Pause>();
  /** Pauses that other processes asked for, by the id of the question. */
  readonly #remote = new Map<string, () => void>();
  readonly #questions = new Map<string, Question>();
  #number = 0;

  constructor(
    private readonly log: Log,
    private readonly streams: PausableStreams,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Begins to hear other processes. @returns a function that ends it */
  open(): Promise<Unfollow> {
    return this.log.follow(HUBS, (entry) => this.#heard(entry));
  }

  /** Resolves when the client's streams may go on; undefined when they may at this moment. */
  of(index: ClientIndex): Promise<void> | undefined {
    return this.#pauses.get(index)?.over;
  }

  /**
   * Runs `enter` while the streams of the client are paused. Resolves when they follow the rooms that it entered.
   * @throws what `enter` throws, EngineUnavailable
   */
  async during<Result>(index: ClientIndex, enter: () => Promise<Result>): Promise<Result> {
    const end = this.#begin(index);
    try {
      const nodes = this.streams.nodesOf(index);
      if (nodes.length === 0) return await this.#enterHere(index, enter);
      const id = `${this.streams.node}.${++this.#number}`;
      const silent = await this.#ask({ say: 'pause', id, client: index, nodes });
      try {
        return await this.#enterHere(index, enter);
      } finally {
        await this.#ask({ say: 'resume', id, client: index, nodes }, silent);
      }
    } finally {
      end();
    }
  }

  async #enterHere<Result>(index: ClientIndex, enter: () => Promise<Result>): Promise<Result> {
    const result = await enter();
    await this.streams.following(index);
    return result;
  }

  /** @returns a function that ends the pause, unless the client is entering another room */
  #begin(index: ClientIndex): () => void {
    const pause = this.#pauses.get(index) ?? this.#newPause(index);
    pause.entering++;
    this.streams.refresh(index);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      if (--pause.entering === 0) this.#end(index, pause);
    };
  }

  #newPause(index: ClientIndex): Pause {
    let end!: () => void;
    const over = new Promise<void>((resolve) => (end = resolve));
    const timer = setTimeout(() => this.#end(index, pause), LONGEST_PAUSE).unref();
    const pause: Pause = { entering: 0, over, end, timer };
    this.#pauses.set(index, pause);
    return pause;
  }

  #end(index: ClientIndex, pause: Pause): void {
    clearTimeout(pause.timer);
    if (this.#pauses.get(index) === pause) this.#pauses.delete(index);
    pause.end();
  }

  /**
   * Resolves when the processes have done what is said, or have had their time for it.
   * @param silent processes that are not waited for, because they did not answer before
   * @returns those that did not answer
   */
  async #ask(said: Extract<Said, { nodes: string[] }>, silent?: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const key = `${said.say} ${said.id}`;
    const waiting = new Set(said.nodes.filter((node) => !silent?.has(node)));
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((resolve) => {
      this.#questions.set(key, { waiting, answered: resolve });
      timer = setTimeout(resolve, ANSWER_WITHIN);
    });
    try {
      await this.#say(said);
      if (waiting.size > 0) await answered;
      return waiting;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(key);
    }
  }

  #say(said: Said): Promise<void> {
    return this.log.relay(HUBS, Buffer.from(JSON.stringify(said)));
  }

  #heard({ body }: Entry | Relayed): void {
    const said = JSON.parse(Buffer.from(body).toString()) as Said;
    if (said.say === 'done') {
      const question = this.#questions.get(said.id);
      if (question?.waiting.delete(said.node) && question.waiting.size === 0) question.answered();
    } else if (said.nodes.includes(this.streams.node)) {
      this.#answer(said).catch(this.onError);
    }
  }

  async #answer({ say, id, client }: Extract<Said, { nodes: string[] }>): Promise<void> {
    if (say === 'pause') {
      const end = this.#begin(client);
      this.#remote.set(id, end);
      // Where the process that asked is gone, nothing else removes it.
      setTimeout(() => this.#remote.delete(id), 2 * LONGEST_PAUSE).unref();
    } else {
      await this.streams.following(client);
      this.#remote.get(id)?.();
      this.#remote.delete(id);
    }
    await this.#say({ say: 'done', id: `${say} ${id}`, node: this.streams.node });
  }
}
