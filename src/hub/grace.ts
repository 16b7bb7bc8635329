import type { ClientIndex } from './client-index.js';

/**
 * Who is away, and until when it may return, on a clock that nobody sets: where the time of day is put right, nobody's time is over
 * sooner or later. All wait equally long, so the order in which they began to wait is the order in
 * which they are due: a Map keeps it, and one timer for the first of them serves any number.
 */
export class Grace {
  readonly #due = new Map<ClientIndex, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param milliseconds how long everybody may be away
   * @param expired called with each whose time is over
   */
  constructor(
    readonly milliseconds: number,
    private readonly expired: (index: ClientIndex) => void,
  ) {}

  /** Its time begins, or begins anew. */
  begin(index: ClientIndex): void {
    if (this.#stopped) return;
    this.#due.delete(index);
    this.#due.set(index, performance.now() + this.milliseconds);
    if (!this.#timer) this.#arm();
  }

  /** It is back, or gone. */
  end(index: ClientIndex): void {
    this.#due.delete(index);
  }

  has(index: ClientIndex): boolean {
    return this.#due.has(index);
  }

  /** Nobody's time runs out any more. */
  stop(): void {
    this.#stopped = true;
    this.#due.clear();
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const [first] = this.#due.values();
    if (first === undefined) return;
    // setTimeout counts 32-bit milliseconds; a longer grace time simply arms it again.
    const wait = Math.min(Math.max(first - performance.now(), 1), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#sweep(), wait);
    this.#timer.unref();
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [index, due] of this.#due) {
      if (due > now) break;
      this.#due.delete(index);
      this.expired(index);
    }
    this.#arm();
  }
}
