import type { Entry, Relayed, Topic, Unfollow } from './engine.js';

type Listener = (entry: Entry | Relayed) => void;

/** Each call of {@link Followers.add} is one of its own, even with the same function; without it once it has ended. */
interface Following {
  listener: Listener | undefined;
}

/** Who follows which topic. */
export class Followers {
  /** Arrays that do not change: a topic has one or two, and whoever is being told may end it. */
  readonly #followings = new Map<Topic, readonly Following[]>();

  add(topic: Topic, listener: Listener): Unfollow {
    const following: Following = { listener };
    this.#followings.set(topic, [...(this.#followings.get(topic) ?? []), following]);
    return () => {
      following.listener = undefined;
      const others = this.#followings.get(topic)?.filter((other) => other !== following) ?? [];
      if (others.length > 0) this.#followings.set(topic, others);
      else this.#followings.delete(topic);
    };
  }

  tell(entry: Entry | Relayed): void {
    const followings = this.#followings.get(entry.topic);
    if (followings) for (const { listener } of followings) listener?.(entry);
  }
}
