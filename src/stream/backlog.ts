/** Someone for whom bytes wait that were written and are not taken. */
export interface Behind {
  /** How many bytes wait. */
  readonly untaken: number;
  /** Lets go of them at once, and of the connection. */
  cutOff(): void;
}

/** Where the limit is passed, what waits is brought down to this part of it, so that this is not soon again. */
const BROUGHT_DOWN_TO = 0.5;

/** If what really waits is no more than this part of the limit, nobody is cut off. */
const TOLERATED = 0.75;

/**
 * What waits for all streams together, and how much that may be: a limit for each is none for all, as there is no end of streams.
 * Where it is passed, those with the most are cut off. They lose nothing: whoever resumes has it from the log.
 */
export class Backlog {
  readonly #behind = new Set<Behind>();
  /** At least as much as waits: what was taken since it was last counted is in it. */
  #estimate = 0;

  /** @param most bytes */
  constructor(readonly most: number) {}

  /** Bytes that wait, counted anew. */
  get used(): number {
    let used = 0;
    for (const one of this.#behind) {
      if (one.untaken === 0) this.#behind.delete(one);
      used += one.untaken;
    }
    return (this.#estimate = used);
  }

  /** So many bytes more were written to a stream, which has not taken all. */
  grew(stream: Behind, bytes: number): void {
    this.#behind.add(stream);
    this.#estimate += bytes;
    if (this.#estimate > this.most && this.used > TOLERATED * this.most) this.#bringDown();
  }

  leave(stream: Behind): void {
    this.#behind.delete(stream);
  }

  #bringDown(): void {
    for (const one of [...this.#behind].sort((one, other) => other.untaken - one.untaken)) {
      if (this.#estimate <= BROUGHT_DOWN_TO * this.most) return;
      this.#estimate -= one.untaken;
      one.cutOff();
    }
  }
}
