import { randomUUID } from 'node:crypto';
import type { Holding, Json, Leases, Unfollow } from '../engine.js';

/** One process has the folder for itself, so what is held is held by it, and is gone with it. */
export class LmdbLeases implements Leases {
  readonly node = randomUUID();
  readonly #held = new Map<string, Json>();
  readonly #watchers = new Set<(holding: Holding) => void>();

  async hold(key: string, value: Json): Promise<void> {
    this.#held.set(key, value);
    this.#tell({ node: this.node, key, value });
  }

  async release(key: string): Promise<void> {
    if (this.#held.delete(key)) this.#tell({ node: this.node, key, value: undefined });
  }

  async watch(listener: (holding: Holding) => void): Promise<Unfollow> {
    for (const [key, value] of this.#held) listener({ node: this.node, key, value });
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #tell(holding: Holding): void {
    for (const watcher of this.#watchers) watcher(holding);
  }
}
