/** Milliseconds between two tellings: what changes faster cannot be read. */
const EVERY = 200;

const WIPE = '\r\x1b[K';

/** A line on standard error that says how far something has come, where that is a terminal; otherwise nothing. */
export class ProgressLine {
  #told = 0;

  tell(text: string): void {
    if (!process.stderr.isTTY || performance.now() < this.#told + EVERY) return;
    this.#told = performance.now();
    process.stderr.write(`${WIPE}${text}`);
  }

  /** Makes room for what is said next. */
  end(): void {
    if (this.#told > 0) process.stderr.write(WIPE);
  }
}
