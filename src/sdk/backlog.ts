/**
 * What has come and was not taken yet, in order. It holds no more than `capacity` items: who puts more in waits, and with it
 * the connection they come from, so that a slow reader costs the server's memory and not ours, and that only up to its limit.
 */
export class Backlog<T> {
  readonly #items: T[] = [];
  #ended = false;
  #error: Error | undefined;
  #wakeTakers: (() => void)[] = [];
  #wakePutters: (() => void)[] = [];

  constructor(private readonly capacity: number) {}

  /** Resolves when the item has its place; at once, and without it, after the end. */
  async put(item: T): Promise<void> {
    while (this.#items.length >= this.capacity && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakePutters.push(resolve));
    }
    if (this.#ended) return;
    this.#items.push(item);
    wake(this.#wakeTakers);
  }

  /**
   * The next item, as soon as there is one; undefined after the end.
   * @throws the error it ended with, once all items are taken
   */
  async take(): Promise<T | undefined> {
    while (this.#items.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakeTakers.push(resolve));
    }
    const item = this.#items.shift();
    wake(this.#wakePutters);
    if (item === undefined && this.#error) throw this.#error;
    return item;
  }

  /** Takes out what nobody has taken yet. */
  discard(unwanted: (item: T) => boolean): void {
    const kept = this.#items.filter((item) => !unwanted(item));
    if (kept.length === this.#items.length) return;
    this.#items.splice(0, this.#items.length, ...kept);
    wake(this.#wakePutters);
  }

  /** Nothing more will come. What is there can still be taken. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    wake(this.#wakeTakers);
    wake(this.#wakePutters);
  }
}

function wake(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) resolve();
}
