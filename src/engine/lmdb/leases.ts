import { randomUUID } from 'node:crypto';
import type { Holding, Json, Leases, Unfollow } from '../engine.js';
import { copyOf } from '../json.js';

/** One process has the folder for itself, so what is held is held by it, and is gone with it. */
export class LmdbLeases implements Leases {
  readonly node = randomUUID();
  readonly shared = false;
  readonly #held = new Map<string, Json>();
  readonly #watchers = new Set<{ readonly listener: (holding: Holding) => void }>();

  /** @param assertOpen throws once the engine is closed */
  constructor(private readonly assertOpen: () => void) {}

  async hold(key: string, value: Json): Promise<void> {
    this.assertOpen();
    const copy = copyOf(value);
    this.#held.set(key, copy);
    this.#tell({ node: this.node, key, value: copy });
  }

  async release(key: string): Promise<void> {
    this.assertOpen();
    if (this.#held.delete(key)) this.#tell({ node: this.node, key, value: undefined });
  }

  async watch(listener: (holding: Holding) => void): Promise<Unfollow> {
    this.assertOpen();
    for (const [key, value] of this.#held) listener({ node: this.node, key, value });
    const watcher = { listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** No other process holds anything. */
  async catchUp(): Promise<void> {
    this.assertOpen();
  }

  #tell(holding: Holding): void {
    for (const { listener } of this.#watchers) listener(holding);
  }
}
