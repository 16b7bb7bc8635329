import type { Directory } from '../../engine/engine.js';
import { NameTaken, NotFound } from '../errors.js';
import { accountId } from './accounts.js';
import { Records } from '../records.js';
import { findBySecret, makeSecret } from './secret-text.js';

/** A key for a machine, as those may see it who run the server. Times are milliseconds since 1970. */
export interface Key {
  readonly id: string;
  readonly name: string;
  readonly may: readonly string[];
  readonly createdAt: number;
  /** Null: it holds until it is revoked. */
  readonly expiresAt: number | null;
  /** To the minute; null when it was never used. */
  readonly usedAt: number | null;
}

interface Kept extends Omit<Key, 'id'> {
  readonly hash: string;
}

const MINUTE = 60 * 1000;

/** Keys for machines. What is kept of each is its hash. */
export class Keys {
  readonly #records: Records<Kept>;
  /** The keys there are, by what stands for their names. */
  readonly #byName = new Map<string, string>();
  /** What stands for the names of those that are being made. */
  readonly #making = new Set<string>();

  private constructor(
    directory: Directory,
    private readonly now: () => number,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#records = new Records(directory, 'key/');
  }

  /** @param revoked told of each key that is no longer there, wherever it was revoked */
  static async open(
    directory: Directory,
    options: {
      readonly now: () => number;
      readonly onError: (error: unknown) => void;
      readonly revoked: (key: Key) => void;
    },
  ): Promise<Keys> {
    const keys = new Keys(directory, options.now, options.onError);
    await keys.#records.open((id, kept, before) => {
      if (kept) keys.#byName.set(accountId(kept.name), id);
      else if (before) {
        if (keys.#byName.get(accountId(before.name)) === id) keys.#byName.delete(accountId(before.name));
        options.revoked(keyOf(id, before));
      }
    });
    return keys;
  }

  /** Durable when it resolves. @returns the key's text, which nobody is told again. @throws NameTaken */
  async add(
    name: string,
    may: readonly string[],
    expiresAt: number | null,
  ): Promise<{ readonly key: Key; readonly text: string }> {
    if (this.owns(accountId(name))) throw new NameTaken(name);
    const { id, text, hash } = makeSecret('ick');
    const kept: Kept = { name, may, createdAt: this.now(), expiresAt, usedAt: null, hash };
    this.#making.add(accountId(name));
    try {
      await this.#records.create(id, kept);
    } finally {
      this.#making.delete(accountId(name));
    }
    return { key: keyOf(id, kept), text };
  }

  /** Which key it is; undefined for one that is not genuine, revoked, or no longer holds. */
  async verify(text: string): Promise<Key | undefined> {
    const found = await findBySecret(this.#records, 'ick', text);
    if (!found || this.#isOver(found.kept)) return undefined;
    this.#used(found.id, found.kept);
    return keyOf(found.id, found.kept);
  }

  /** Whether a name is that of a key, however it is written. @param name what stands for it: see {@link accountId} */
  owns(name: string): boolean {
    return this.#byName.has(name) || this.#making.has(name);
  }

  /** As far as this process knows. */
  has(id: string): boolean {
    return this.#records.get(id) !== undefined;
  }

  /** By name; those that no longer hold, too. */
  list(): Key[] {
    return this.#records
      .entries()
      .map(([id, kept]) => keyOf(id, kept))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @param which its id, or its name. @throws NotFound */
  require(which: string): Key {
    const id = this.#records.get(which) ? which : (this.#byName.get(accountId(which)) ?? '');
    const kept = this.#records.get(id);
    const key = kept && keyOf(id, kept);
    if (!key) throw new NotFound(`There is no key ${which}.`);
    return key;
  }

  /** Durable when it resolves. */
  async revoke(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  close(): void {
    this.#records.close();
  }

  #isOver({ expiresAt }: Kept): boolean {
    return expiresAt !== null && expiresAt <= this.now();
  }

  #used(id: string, { usedAt }: Kept): void {
    const now = this.now();
    const isRecent = (at: number | null) => at !== null && now - at < MINUTE;
    if (isRecent(usedAt)) return;
    this.#records
      .update(id, (kept) => (isRecent(kept.usedAt) ? undefined : { ...kept, usedAt: now }))
      .catch(this.onError);
  }
}

function keyOf(id: string, { name, may, createdAt, expiresAt, usedAt }: Kept): Key {
  return { id, name, may, createdAt, expiresAt, usedAt };
}
