/** Something that changes, and that others wait for. */
export class Watched {
  #waiting: (() => void)[] = [];

  /** Resolves once this holds; looked at whenever something changes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  protected changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
