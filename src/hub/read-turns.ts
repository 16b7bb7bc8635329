/** Subscriptions that may hold what they have read of the log, and not yet given, at the same time. */
const MOST = 16;

/**
 * Turns to read the log: however many streams resume at once, few of them hold pages. A stream gives its turn back while it
 * waits for its client to take what it was given.
 */
export class ReadTurns {
  #free = MOST;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn; undefined when it is at once. Each turn is given back by {@link give}. */
  take(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
