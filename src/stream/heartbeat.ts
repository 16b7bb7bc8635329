/** Something that must say now and then that it is alive. */
export interface Beating {
  beat(): void;
}

const SLOTS = 10;

/**
 * A timer wheel: one timer for any number of streams. Each beats once a turn, at about the phase at which it joined, so that
 * thousands that connected at different times do not all beat at once.
 */
export class Heartbeat {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Beating>());
  readonly #timer: NodeJS.Timeout;
  #current = 0;

  /** @param seconds between two beats of one stream */
  constructor(readonly seconds: number) {
    this.#timer = setInterval(() => this.#tick(), (seconds * 1000) / SLOTS);
    this.#timer.unref();
  }

  join(beating: Beating): void {
    this.#slots[this.#current]?.add(beating);
  }

  leave(beating: Beating): void {
    for (const slot of this.#slots) if (slot.delete(beating)) return;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#current = (this.#current + 1) % SLOTS;
    for (const beating of this.#slots[this.#current] as Set<Beating>) beating.beat();
  }
}
