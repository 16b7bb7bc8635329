import { randomUUID } from 'node:crypto';
import { EngineUnavailable, type Topic } from '../engine.js';
import type { Bucket } from './bucket.js';
import type { Names } from './names.js';
import type { Publisher } from './publisher.js';
import type { FoundMessage, Reads } from './reads.js';
import { decodeGone, encodeGone, noteIdOf, noteOf } from './record.js';
import type { StorageReserve } from './storage-reserve.js';
import type { TopicIndex } from './topic-index.js';

/** What is remembered of an entry with a dedup key that is gone. */
export interface Note {
  readonly seq: number;
  readonly note: string;
  readonly appendedAt: number;
}

export interface NotesParts {
  readonly bucket: Bucket;
  readonly names: Names;
  readonly publisher: Publisher;
  readonly reads: Reads;
  readonly reserve: StorageReserve;
}

/** What the keys of the notes begin with that earlier builds kept in the bucket. */
const PREFIX = 'note.';

/** Bytes of the longest note that a header carries: in base64, with the other headers, it must stay below the 64 KiB of NATS. */
const LONGEST_IN_HEADER = 48_000;

/** Entries that are read at the same time to keep their notes; each may be as long as NATS takes. */
const AT_ONCE = 16;

/** Entries whose notes are written, while storage is full, before these entries are removed: they have to fit into the reserve. */
const STEP = 8;

/**
 * The notes of dedup keys. The header of an entry carries its note; a note that is too long for a header is a message in the
 * stream of the keys, stored before the entry that names it. Before an entry is removed whose key is still remembered, its note
 * is stored there too. That stream forgets by itself, and no node keeps a copy of it in memory.
 */
export class Notes {
  /** @param oldest when the oldest entry was appended whose key is remembered */
  constructor(
    private readonly parts: NotesParts,
    private readonly oldest: () => number,
  ) {}

  /**
   * Stores a note that no header can carry; to be awaited before the entry is published.
   * @returns what the entry has to name; undefined where a header carries the note
   * @throws EngineUnavailable
   */
  async putLong(note: string): Promise<string | undefined> {
    if (Buffer.byteLength(note) <= LONGEST_IN_HEADER) return undefined;
    const { names, publisher } = this.parts;
    const id = randomUUID();
    await publisher.publish(names.longNoteSubject(id), Buffer.from(note));
    return id;
  }

  /** The note of a stored entry. @throws EngineUnavailable when it is lost, as with the stream of the keys */
  async of({ header }: FoundMessage): Promise<string> {
    const id = noteIdOf(header);
    return id === undefined ? noteOf(header) : this.#readLong(id);
  }

  /** The note of this key, if its entry is gone and the key is remembered. @throws EngineUnavailable */
  async read(hash: string): Promise<Note | undefined> {
    const { bucket, names, reads } = this.parts;
    const stored = await reads.newest(names.keys, names.goneSubject(hash));
    const note = stored
      ? await this.#decode(stored)
      : ((await bucket.read(PREFIX + hash))?.value as unknown as Note | undefined);
    return note && note.appendedAt > this.oldest() ? note : undefined;
  }

  /**
   * To be called before the entries of a topic after `after`, up to and with `upTo`, are removed, and before its floor is
   * raised: that takes them out of the index.
   * @throws EngineUnavailable
   */
  async keep(topic: Topic, index: TopicIndex, upTo: number, after = 0): Promise<void> {
    const keyed = this.#keyed(index, upTo, after).map((seq) => ({
      seq,
      hash: index.keyOf(seq) as string,
      appendedAt: index.appendedAt(seq),
    }));
    const { names, reads } = this.parts;
    for (let from = 0; from < keyed.length; from += AT_ONCE) {
      const some = keyed.slice(from, from + AT_ONCE);
      const stored = await reads.atEach(
        names.log,
        some.map(({ seq }) => seq),
      );
      const writes = some.flatMap(({ hash, ...entry }, at) => {
        const message = stored[at];
        return message ? [this.#keep(topic, hash, entry, message)] : [];
      });
      await Promise.all(writes);
    }
  }

  /** The places up to which to {@link keep} and then to remove, one after the other, while storage is full; the last is `upTo`. */
  steps(index: TopicIndex, upTo: number): number[] {
    const ends = this.#keyed(index, upTo, 0).filter((_, at) => at % STEP === STEP - 1);
    return ends.at(-1) === upTo ? ends : [...ends, upTo];
  }

  /** Removes those in the bucket whose keys are forgotten. @throws EngineUnavailable */
  async sweep(): Promise<void> {
    const { bucket } = this.parts;
    const oldest = this.oldest();
    for (const [key, { value }] of [...bucket.all(PREFIX)]) {
      if ((value as unknown as Note).appendedAt <= oldest) await bucket.remove(key);
    }
  }

  #keyed(index: TopicIndex, upTo: number, after: number): number[] {
    const oldest = this.oldest();
    return index.seqs.filter(
      (seq) =>
        seq > after &&
        seq <= upTo &&
        index.keyOf(seq) !== undefined &&
        index.appendedAt(seq) > oldest &&
        !index.isVoid(seq),
    );
  }

  async #keep(topic: Topic, hash: string, entry: Omit<Note, 'note'>, { header }: FoundMessage): Promise<void> {
    const { names, publisher, reserve } = this.parts;
    const id = noteIdOf(header);
    const body = Buffer.from(id === undefined ? noteOf(header) : '');
    const write = () => publisher.publish(names.goneSubject(hash), body, encodeGone(entry, id));
    await reserve.essential(write);
    // The entry may be one that was never answered, so that nothing else tells that there is a note.
    await reserve.essential(() => publisher.publish(names.dedupSubject(hash), Buffer.from(topic)));
  }

  async #decode({ header, data }: FoundMessage): Promise<Note | undefined> {
    const { seq, appendedAt } = decodeGone(header);
    if (appendedAt <= this.oldest()) return undefined;
    const id = noteIdOf(header);
    return { seq, appendedAt, note: id === undefined ? Buffer.from(data).toString() : await this.#readLong(id) };
  }

  async #readLong(id: string): Promise<string> {
    const { names, reads } = this.parts;
    const stored = await reads.newest(names.keys, names.longNoteSubject(id));
    if (!stored) {
      throw new EngineUnavailable(`what was answered under this key is not in the stream ${names.keys} any more`);
    }
    return Buffer.from(stored.data).toString();
  }
}
