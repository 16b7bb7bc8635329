/** Bytes that a request takes as long as it is not answered in full, without what it brings and gets: headers, handlers, promises. */
const REQUEST = 10 * 1024;

/** Of so much memory (1 = all) one that is not urgent leaves the rest to others. */
const SHORT = 0.75;

/**
 * What all requests under way hold together, roughly, and how much that may be: bodies that come in, answers that are not taken,
 * and what each takes by itself. Without a limit for all of them none for each would help, as there is no end of connections.
 */
export class RequestMemory {
  #used = 0;
  /** Called whenever some of it is given back. */
  onFreed: (() => void) | undefined;

  /** @param most bytes */
  constructor(readonly most: number) {}

  get used(): number {
    return this.#used;
  }

  /** Whether little is left. */
  get isShort(): boolean {
    return this.#used > SHORT * this.most;
  }

  /**
   * Whether there is room for one more request.
   * @param body its length in bytes
   */
  hasRoomFor(body: number): boolean {
    return this.#used + REQUEST + body <= this.most;
  }

  /** A request begins. @returns the bytes to be given back when it ends */
  begin(body: number): number {
    const bytes = REQUEST + body;
    this.#used += bytes;
    return bytes;
  }

  /** One that is under way holds so much more from now on, or so much less. */
  change(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0) this.onFreed?.();
  }
}
