/** So many lines are remembered. */
const REMEMBERED = 1_000;

/**
 * The lines that were entered, for Up, Down and Ctrl-R. They are kept nowhere else: what one writes to others is not left on
 * the disk.
 */
export class Recall {
  readonly #lines: string[] = [];
  /** Behind the last is what is being typed. */
  #at = 0;
  #typed = '';

  /** Remembers a line, as the newest, and only once. */
  add(line: string): void {
    const known = this.#lines.indexOf(line);
    if (known >= 0) this.#lines.splice(known, 1);
    this.#lines.push(line);
    if (this.#lines.length > REMEMBERED) this.#lines.shift();
    this.rewind();
  }

  /** Goes back to what is being typed. */
  rewind(): void {
    this.#at = this.#lines.length;
    this.#typed = '';
  }

  /** The line before. @param typed what stands there now, to come back to. @returns undefined when there is none */
  older(typed: string): string | undefined {
    if (this.#at === 0) return undefined;
    if (this.#at === this.#lines.length) this.#typed = typed;
    return this.#lines[--this.#at];
  }

  /** The line after it; behind the newest, what was being typed. */
  newer(): string | undefined {
    if (this.#at >= this.#lines.length) return undefined;
    return ++this.#at === this.#lines.length ? this.#typed : this.#lines[this.#at];
  }

  /** The newest line with this in it, whatever the case; of those older than so many newer ones with it, if given. */
  find(part: string, skip = 0): string | undefined {
    if (part === '') return undefined;
    const wanted = part.toLowerCase();
    return this.#lines.filter((line) => line.toLowerCase().includes(wanted)).at(-1 - skip);
  }
}
