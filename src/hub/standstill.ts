/** Between two looks at the clocks, in milliseconds. */
const EVERY = 250;

/**
 * Finds out that this process stood still: it was stopped, swapped out or busy with one thing, or its machine was paused or
 * suspended. What others did meanwhile has not been read then, so nothing may be decided by how much time went by.
 *
 * Two clocks are compared with the moment at which a timer was due. The steady one does not go on in a machine that is
 * suspended, the time of day does; an operator who sets the time of day forward looks the same, which does no harm.
 *
 * An engine that did not work until now is the same: clients that came back meanwhile were turned away.
 */
export class Standstill {
  #count = 0;
  #steady = 0;
  #wall = 0;
  #wasWell = true;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param bound how many milliseconds late a timer may be
   * @param happened called after each standstill, before anything else is decided
   * @param isWell whether the engine works at this moment
   */
  constructor(
    private readonly bound: number,
    private readonly happened: () => void,
    private readonly isWell: () => boolean = () => true,
  ) {}

  /** Begins to watch, unless it does; keeps no process alive. */
  start(): void {
    if (this.#timer) return;
    this.#steady = performance.now();
    this.#wall = Date.now();
    this.#timer = setInterval(() => this.#look(), EVERY).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** How many there were, including one that no timer has noticed yet. */
  get count(): number {
    this.#look();
    return this.#count;
  }

  #look(): void {
    if (!this.#timer) return;
    const [steady, wall] = [performance.now(), Date.now()];
    const gone = Math.max(steady - this.#steady, wall - this.#wall);
    this.#steady = steady;
    this.#wall = wall;
    const isWell = this.isWell();
    const recovered = isWell && !this.#wasWell;
    this.#wasWell = isWell;
    if (gone <= EVERY + this.bound && !recovered) return;
    this.#count++;
    this.happened();
  }
}
