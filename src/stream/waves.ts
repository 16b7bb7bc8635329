/** Something that has bytes to be written. */
export interface Flushable {
  /** Writes them. Must not throw. */
  flush(): void;
}

/** For how many times as long as a wave took, nothing is written to streams after it. */
const REST = 4;

/** No rest is longer, in milliseconds: it is by so much that a message may be late. */
const LONGEST_REST = 5;

/** Rests that are shorter are none: timers know no less. */
const SHORTEST_REST = 0.25;

/**
 * When streams are written to. A write costs the same whether it holds one event or twenty, nearly all of it in the kernel,
 * so all streams that have something are written to together, each once: a wave. After one that took long the next waits
 * a while, and what is delivered meanwhile goes with it. So a message that comes alone is written in the same turn of the
 * loop, and the more there are, the more of them share a write.
 */
export class Waves {
  #streams: Flushable[] = [];
  #restsUntil = 0;
  readonly #wave = () => this.#run();

  /** @param stream will be flushed once, soon */
  add(stream: Flushable): void {
    if (this.#streams.push(stream) > 1) return;
    const rest = this.#restsUntil - performance.now();
    // At the end of the turn: answers to whoever sent go first.
    if (rest < SHORTEST_REST) setImmediate(this.#wave);
    else setTimeout(this.#wave, Math.ceil(rest));
  }

  #run(): void {
    const began = performance.now();
    const streams = this.#streams;
    this.#streams = [];
    for (const stream of streams) stream.flush();
    const ended = performance.now();
    this.#restsUntil = ended + Math.min(LONGEST_REST, REST * (ended - began));
  }
}
