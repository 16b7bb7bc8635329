import type { Entry, Relayed, Topic, Unfollow } from '../engine.js';

type Listener = (entry: Entry | Relayed) => void;

/** Who follows which topic. */
export class Followers {
  readonly #listeners = new Map<Topic, Set<Listener>>();

  add(topic: Topic, listener: Listener): Unfollow {
    // Each call is a following of its own, even with the same function.
    const own: Listener = (entry) => listener(entry);
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(own));
    return () => {
      if (listeners.delete(own) && listeners.size === 0 && this.#listeners.get(topic) === listeners) {
        this.#listeners.delete(topic);
      }
    };
  }

  tell(entry: Entry | Relayed): void {
    const listeners = this.#listeners.get(entry.topic);
    if (listeners) for (const listener of listeners) listener(entry);
  }
}
