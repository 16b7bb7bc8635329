import { createHash } from 'node:crypto';
import { GROWTH_OF_CHANGE, type Remembered, type Store } from './store.js';
import type { Writer } from './writer.js';

/** What a dedup key stands for, and what tells when that is durable. */
export interface Known {
  readonly remembered: Remembered;
  /** Resolves when the first is stored, rejects when it was not; undefined when it has long been. */
  readonly stored?: () => Promise<void>;
}

/** Which entries were appended of late under a dedup key: those that are stored, and those on their way. */
export class Dedup {
  /** A repeat of an entry that is on its way waits for what becomes of the first. */
  readonly #underWay = new Map<string, Known>();

  /**
   * @param window for how many milliseconds a key is remembered
   * @param now milliseconds since 1970, on a clock that nobody sets
   */
  constructor(
    private readonly store: Store,
    private readonly window: number,
    private readonly now: () => number,
  ) {}

  find(hash: string): Known | undefined {
    const known = this.#underWay.get(hash);
    if (known) return known;
    const remembered = this.store.dedups.get(hash);
    return remembered && remembered.until > this.now() ? { remembered } : undefined;
  }

  /** @returns what is to be written */
  begin(hash: string, entry: Omit<Remembered, 'until'>, stored: () => Promise<void>): Remembered {
    const remembered = { ...entry, until: this.now() + this.window };
    this.#underWay.set(hash, { remembered, stored });
    return remembered;
  }

  /** To be called within a write. */
  write(hash: string, remembered: Remembered): void {
    void this.store.dedups.put(hash, remembered);
    void this.store.dedupOrder.put(remembered.seq, hash);
  }

  /**
   * Removes up to `limit` keys whose time is over.
   * @returns whether there may be more of them
   */
  async forget(writer: Writer, limit: number): Promise<boolean> {
    const { dedups, dedupOrder } = this.store;
    const now = this.now();
    const over: { seq: number; hash: string }[] = [];
    for (const { key: seq, value: hash } of dedupOrder.getRange({ limit })) {
      const remembered = dedups.get(hash);
      if (remembered?.seq === seq && remembered.until > now) break;
      over.push({ seq, hash });
    }
    if (over.length === 0) return false;
    await writer.write({
      weight: over.length * 2,
      growth: over.length * 2 * GROWTH_OF_CHANGE,
      isEssential: true,
      write: () => {
        // The key may have come again since, for another entry.
        const isOver = over.map(({ seq, hash }) => !this.#underWay.has(hash) && dedups.get(hash)?.seq === seq);
        for (const [at, { seq, hash }] of over.entries()) {
          void dedupOrder.remove(seq);
          if (isOver[at]) void dedups.remove(hash);
        }
      },
    });
    return over.length === limit;
  }

  /** It is stored, or was not. */
  end(hash: string): void {
    this.#underWay.delete(hash);
  }
}

/** Keys are of any length and content; those of lmdb are not. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
