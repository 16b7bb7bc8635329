import { TooManyAttempts } from './too-many-attempts.js';

/** How many may wait, and how long each that waits is taken to have the turn. */
export interface TurnLimits {
  readonly most: number;
  readonly mostPerLane: number;
  /** Seconds, from which a refusal says when to try again. */
  readonly secondsEach: number;
}

/**
 * Lets one piece of work be done at a time. Who waits is in a lane, and the lanes take turns, however many wait in each: whoever
 * asks often waits for itself, not the others for it.
 */
export class Turns {
  readonly #limits: TurnLimits;
  /** Who waits, by lane; the lane whose turn is next is the first. */
  readonly #lanes = new Map<string, (() => void)[]>();
  #waiting = 0;
  #busy = false;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /**
   * Does the work when its turn has come.
   * @throws TooManyAttempts, at once, when too many wait already; and whatever `work` throws
   */
  async take<T>(lane: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy) await this.#turn(lane);
    else this.#busy = true;
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  #turn(lane: string): Promise<void> {
    const { most, mostPerLane, secondsEach } = this.#limits;
    const queue = this.#lanes.get(lane) ?? [];
    if (this.#waiting >= most || queue.length >= mostPerLane) {
      const retryAfter = Math.max(1, Math.ceil(this.#waiting * secondsEach));
      throw new TooManyAttempts('Too many passwords are being checked at the moment.', retryAfter);
    }
    this.#waiting++;
    this.#lanes.set(lane, queue);
    return new Promise((resolve) => queue.push(resolve));
  }

  /** Stays busy for the one whose turn it is: nobody who comes in between may go first. */
  #passOn(): void {
    const [next] = this.#lanes;
    if (!next) {
      this.#busy = false;
      return;
    }
    const [lane, queue] = next;
    const begin = queue.shift();
    this.#lanes.delete(lane);
    if (queue.length > 0) this.#lanes.set(lane, queue);
    this.#waiting--;
    begin?.();
  }
}
