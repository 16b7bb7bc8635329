import { setTimeout as pause } from 'node:timers/promises';
import { ask } from '../support/http.js';

/** Milliseconds between two questions, and for which an answer may take. */
const PACE = 250;
const PATIENCE = 1_000;

/** Watches since when the servers are ready: before, no client could come back in time. */
export class Availability {
  /** In the time of `performance.now`; Infinity while no node is ready. */
  since = performance.now();
  #stopped = false;

  constructor(private readonly urls: readonly string[]) {
    void this.#watch();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      const ready = await Promise.all(this.urls.map((url) => isReady(url)));
      if (!ready.includes(true)) this.since = Infinity;
      else if (this.since === Infinity) this.since = performance.now();
      await pause(PACE);
    }
  }
}

export async function isReady(url: string): Promise<boolean> {
  const asking = ask(`${url}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );
  return Promise.race([asking, pause(PATIENCE, false)]);
}
