import { Conflict, type Directory, type Json, type RecordChange, type Revision } from '../engine/engine.js';

interface Kept<Value> {
  readonly value: Value;
  readonly revision: Revision;
}

/**
 * The records of one kind, `PREFIX/ID` in the directory: a copy of them that follows every change, whichever process makes it,
 * and the ways to change them. Values are written by this alone, so they have the shape that was written.
 */
export class Records<Value extends object> {
  readonly #kept = new Map<string, Kept<Value>>();
  #stop: () => void = () => undefined;

  /** @param prefix ends with a slash */
  constructor(
    private readonly directory: Directory,
    private readonly prefix: string,
  ) {}

  /**
   * Begins to follow them; resolves when all that are there are known.
   * @param changed told of each record that is there, then of each change: what it is (undefined when it is gone) and what it was
   */
  async open(changed: (id: string, value: Value | undefined, before: Value | undefined) => void): Promise<void> {
    this.#stop = await this.directory.watch(this.prefix, (change) => this.#recordChanged(change, changed));
  }

  /** As far as this process knows. */
  get(id: string): Value | undefined {
    return this.#kept.get(id)?.value;
  }

  entries(): [id: string, value: Value][] {
    return [...this.#kept].map(([id, { value }]) => [id, value]);
  }

  /** The same as {@link get}; one that this process has not heard of may have been made by another just now. */
  async find(id: string): Promise<Value | undefined> {
    return (this.#kept.get(id) ?? (await this.#load(id)))?.value;
  }

  /** Durable when it resolves. @returns whether it was made; false where there is one already */
  async create(id: string, value: Value): Promise<boolean> {
    try {
      await this.#put(id, value, null);
      return true;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      return false;
    }
  }

  /**
   * Changes a record, whoever else changes it meanwhile; durable when it resolves.
   * @param change called with what it is, perhaps more than once; what it gives back is kept, unless that is undefined
   * @returns what is kept; undefined where there is no such record, or nothing was to be changed
   */
  async update(id: string, change: (value: Value) => Value | undefined): Promise<Value | undefined> {
    for (let kept = this.#kept.get(id) ?? (await this.#load(id)); kept; kept = await this.#load(id)) {
      const next = change(kept.value);
      if (next === undefined) return undefined;
      try {
        await this.#put(id, next, kept.revision);
        return next;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
    return undefined;
  }

  /** Durable when it resolves. @returns whether it was there */
  async remove(id: string): Promise<boolean> {
    const there = await this.find(id);
    if (there) await this.directory.remove(this.prefix + id);
    return there !== undefined;
  }

  close(): void {
    this.#stop();
  }

  async #put(id: string, value: Value, expected: Revision | null): Promise<void> {
    await this.directory.put(this.prefix + id, value as unknown as Json, expected);
  }

  async #load(id: string): Promise<Kept<Value> | undefined> {
    const record = await this.directory.get(this.prefix + id);
    return record && { value: record.value as unknown as Value, revision: record.revision };
  }

  #recordChanged(
    { key, record }: RecordChange,
    changed: (id: string, value: Value | undefined, before: Value | undefined) => void,
  ): void {
    const id = key.slice(this.prefix.length);
    const before = this.#kept.get(id);
    // What is older than what is known has been overtaken.
    if (record && before && before.revision > record.revision) return;
    const value = record?.value as unknown as Value | undefined;
    if (record && value) this.#kept.set(id, { value, revision: record.revision });
    else this.#kept.delete(id);
    changed(id, value, before?.value);
  }
}
