import type { ClientIndex } from './client-index.js';
import { Standstill } from './standstill.js';

/** How many grace times end at once: 100,000 that end in one turn would need as much memory at once. */
const AT_ONCE = 256;

/** Between two such lots, in milliseconds: others have a turn, and presence has less to tell at once. */
const PAUSE = 20;

/** How long after a failed preparation it is tried again, in milliseconds. */
const TRY_AGAIN = 1_000;

/** Turns of the event loop in which connections and requests are read that came before the decision. */
const TURNS = 3;

/** Grace times that begin together end over at most this part of a grace time more. */
const SPREAD = 1 / 4;

/** The longest that a timer can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface GraceOptions {
  /**
   * Awaited before grace times end; those that begin anew meanwhile do not end. While it rejects none ends.
   */
  readonly prepare?: () => Promise<void>;
  /** Whether the engine works at this moment. When it works again, all grace begins anew. */
  readonly isWell?: () => boolean;
}

/**
 * Who is away, and until when it may return, on a clock that nobody sets. All wait equally long, so the order in which they
 * began to wait is the order in which they are due: a Map keeps it, and one timer for the first of them serves any number.
 *
 * After a standstill of this process or of its engine all grace begins anew: a client could not return, or its return was not read.
 */
export class Grace {
  readonly #due = new Map<ClientIndex, number>();
  /** Those that began together, with ends that are spread. */
  readonly #spread = new Map<ClientIndex, number>();
  readonly #standstill: Standstill;
  #timer: NodeJS.Timeout | undefined;
  #sweeping = false;
  #stopped = false;

  /**
   * @param milliseconds how long a client may be away
   * @param expired called with each client whose time is over; what it returns is awaited before the next lot
   */
  constructor(
    readonly milliseconds: number,
    private readonly expired: (index: ClientIndex) => Promise<void> | void,
    private readonly options: GraceOptions = {},
  ) {
    // At least as long as a busy event loop may be late, and less than a grace time of a second.
    const bound = Math.min(Math.max(milliseconds / 4, 250), 1_000);
    this.#standstill = new Standstill(bound, () => this.restart(), options.isWell);
  }

  /** Its time begins, or begins anew. */
  begin(index: ClientIndex): void {
    if (this.#stopped) return;
    this.end(index);
    this.#due.set(index, performance.now() + this.milliseconds);
    this.#arm();
  }

  /** It is back, or gone. */
  end(index: ClientIndex): void {
    if (!this.#due.delete(index)) this.#spread.delete(index);
  }

  has(index: ClientIndex): boolean {
    return this.#due.has(index) || this.#spread.has(index);
  }

  /** The time of all begins anew; where many wait their ends are spread. */
  restart(): void {
    if (this.#stopped) return;
    const all = [...this.#spread.keys(), ...this.#due.keys()];
    this.#due.clear();
    this.#spread.clear();
    const first = performance.now() + this.milliseconds;
    // A millisecond for each, so that few are not kept waiting.
    const step = all.length <= AT_ONCE ? 0 : Math.min((this.milliseconds * SPREAD) / all.length, 1);
    for (const [at, index] of all.entries()) this.#spread.set(index, first + at * step);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#arm();
  }

  /** No client's time runs out any more. */
  stop(): void {
    this.#stopped = true;
    this.#due.clear();
    this.#spread.clear();
    this.#standstill.stop();
    clearTimeout(this.#timer);
  }

  #arm(least = 1): void {
    if (this.#timer || this.#sweeping || this.#stopped) return;
    const first = this.#first();
    if (first === undefined) return this.#standstill.stop();
    this.#standstill.start();
    // A longer grace time simply arms it again.
    const wait = Math.min(Math.max(first - performance.now(), least), LONGEST_TIMER);
    this.#timer = setTimeout(() => void this.#sweep(), wait).unref();
  }

  #first(): number | undefined {
    const [due] = this.#due.values();
    const [spread] = this.#spread.values();
    return due === undefined || spread === undefined ? (due ?? spread) : Math.min(due, spread);
  }

  async #sweep(): Promise<void> {
    this.#timer = undefined;
    this.#sweeping = true;
    let ready = true;
    while (ready && !this.#stopped) {
      const stood = this.#standstill.count;
      const over = this.#over();
      if (over.length === 0) break;
      ready = await this.#prepare();
      // What went by meanwhile does not count either: all has begun anew.
      if (!ready || stood !== this.#standstill.count) continue;
      await Promise.all(over.map(([index, due]) => this.#expire(index, due)));
      if (over.length === AT_ONCE) await new Promise((resolve) => setTimeout(resolve, PAUSE).unref());
    }
    this.#sweeping = false;
    this.#arm(ready ? 1 : TRY_AGAIN);
  }

  /** Some of those whose time is over, each with when that was. */
  #over(): [ClientIndex, number][] {
    const now = performance.now();
    const over: [ClientIndex, number][] = [];
    for (const waiting of [this.#spread, this.#due]) {
      for (const one of waiting) {
        if (one[1] > now || over.length === AT_ONCE) break;
        over.push(one);
      }
    }
    return over;
  }

  async #prepare(): Promise<boolean> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
    try {
      await this.options.prepare?.();
      return true;
    } catch {
      return false;
    }
  }

  async #expire(index: ClientIndex, due: number): Promise<void> {
    // It may be back, or have shown itself, while this was prepared.
    if (this.#stopped || (this.#due.get(index) ?? this.#spread.get(index)) !== due) return;
    this.end(index);
    await this.expired(index);
  }
}
