/** The ids of messages that a client had last. Bounded: the oldest is forgotten first. */
export class RecentIds {
  readonly #ids = new Set<string>();

  /** @param most how many ids are kept */
  constructor(private readonly most: number) {}

  /** @returns false where the id is known already */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.most) {
      const [oldest] = this.#ids;
      this.#ids.delete(oldest as string);
    }
    return true;
  }
}
