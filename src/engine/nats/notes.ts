import { Conflict } from '../engine.js';
import type { Bucket } from './bucket.js';
import type { Names } from './names.js';
import type { Reads } from './reads.js';
import { noteOf } from './record.js';
import type { TopicIndex } from './topic-index.js';

/** What is remembered of an entry with a dedup key that is gone. */
export interface Note {
  readonly seq: number;
  readonly note: string;
  readonly appendedAt: number;
}

const PREFIX = 'note.';

/**
 * The notes of entries that were removed though their dedup keys are still remembered. As long as an entry is there, its key
 * and its note are in its headers.
 */
export class Notes {
  /**
   * @param bucket where they are kept
   * @param oldest when the oldest entry was appended whose key is remembered
   */
  constructor(
    private readonly bucket: Bucket,
    private readonly names: Names,
    private readonly reads: Reads,
    private readonly oldest: () => number,
  ) {}

  /** The note of this key, if its entry is gone and it is remembered. */
  find(hash: string): Note | undefined {
    const note = this.bucket.get(PREFIX + hash)?.value as unknown as Note | undefined;
    return note && note.appendedAt > this.oldest() ? note : undefined;
  }

  /** The same, with what other nodes have just kept. @throws EngineUnavailable */
  async read(hash: string): Promise<Note | undefined> {
    await this.bucket.read(PREFIX + hash);
    return this.find(hash);
  }

  /** To be called before the entries of a topic behind `after`, up to and with `upTo`, are removed. @throws EngineUnavailable */
  async keep(index: TopicIndex, upTo: number, after = 0): Promise<void> {
    const oldest = this.oldest();
    const keyed = index.seqs.filter(
      (seq) =>
        seq > after &&
        seq <= upTo &&
        index.keyOf(seq) !== undefined &&
        index.appendedAt(seq) > oldest &&
        !index.isVoid(seq),
    );
    const stored = await this.reads.atEach(this.names.log, keyed);
    const writes = keyed.flatMap((seq, at) => {
      const message = stored[at];
      if (!message) return [];
      const note: Note = { seq, note: noteOf(message.header), appendedAt: index.appendedAt(seq) };
      return [this.#put(PREFIX + index.keyOf(seq), note)];
    });
    await Promise.all(writes);
  }

  /** Another node may be at the same topic, with the same notes. */
  async #put(key: string, note: Note): Promise<void> {
    try {
      await this.bucket.put(key, { ...note }, this.bucket.get(key)?.revision ?? null);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }

  /** Removes those whose keys are forgotten. @throws EngineUnavailable */
  async sweep(): Promise<void> {
    const oldest = this.oldest();
    for (const [key, { value }] of [...this.bucket.all(PREFIX)]) {
      if ((value as unknown as Note).appendedAt <= oldest) await this.bucket.remove(key);
    }
  }
}
