/** Something that has bytes to be written. */
export interface Flushable {
  /** Writes them. Must not throw. */
  flush(): void;
}

/** For how many times as long as a wave took, nothing is written to streams after it. */
const REST = 4;

/** No rest is longer, in milliseconds: by so much a message may be late that comes while there are many. */
const LONGEST_REST = 5;

/** Milliseconds. A rest that is shorter is none: timers know no less. */
const SHORTEST_REST = 0.25;

/** After so many milliseconds of writing it is looked for what else there is to do, such as requests. */
const SLICE = 10;

/** How many streams are written to between two looks at the clock. */
const STRIDE = 64;

/**
 * When streams are written to. A write costs the same whether it holds one event or twenty, nearly all of it in the kernel,
 * so all streams that have something are written to together, each once: a wave. After one that took long the next waits
 * a while, and what is delivered meanwhile goes with it. So a message that comes alone is written in the same turn of the
 * loop, and the more there are, the more of them share a write.
 */
export class Waves {
  #next: Flushable[] = [];
  /** What the wave that is under way has still to flush, from `#at` on. */
  #wave: readonly Flushable[] = [];
  #at = 0;
  /** How many milliseconds it has taken so far. */
  #took = 0;
  #restsUntil = 0;
  readonly #go = () => this.#write();

  /** @param stream will be flushed, soon and at least once */
  add(stream: Flushable): void {
    if (this.#next.push(stream) === 1 && this.#isOver) this.#schedule();
  }

  get #isOver(): boolean {
    return this.#at === this.#wave.length;
  }

  #schedule(): void {
    const rest = this.#restsUntil - performance.now();
    // At the end of the turn: answers to whoever sent go first.
    if (rest < SHORTEST_REST) setImmediate(this.#go);
    else setTimeout(this.#go, Math.ceil(rest));
  }

  #write(): void {
    if (this.#isOver) this.#begin();
    const began = performance.now();
    let took = 0;
    while (!this.#isOver && took < SLICE) {
      const end = Math.min(this.#at + STRIDE, this.#wave.length);
      while (this.#at < end) this.#wave[this.#at++]?.flush();
      took = performance.now() - began;
    }
    this.#took += took;
    if (!this.#isOver) return void setImmediate(this.#go);
    this.#wave = [];
    this.#at = 0;
    this.#restsUntil = performance.now() + Math.min(LONGEST_REST, REST * this.#took);
    if (this.#next.length > 0) this.#schedule();
  }

  #begin(): void {
    this.#wave = this.#next;
    this.#next = [];
    this.#took = 0;
  }
}
