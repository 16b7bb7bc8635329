import { createHash } from 'node:crypto';
import type { Appended, NewEntry, Seq, Topic } from '../engine.js';
import type { Names } from './names.js';
import type { Notes } from './notes.js';
import type { Publisher } from './publisher.js';
import type { Reads } from './reads.js';
import type { Keyed } from './record.js';
import type { StreamState } from './stream-state.js';
import type { TopicIndex } from './topic-index.js';
import type { TopicIndexes } from './topic-indexes.js';

export interface DedupParts {
  readonly names: Names;
  readonly publisher: Publisher;
  readonly reads: Reads;
  readonly state: StreamState;
  readonly indexes: TopicIndexes;
  readonly notes: Notes;
}

/**
 * What is known of a key before its entry is published: the entry that had it first, or up to where there is none and, if the
 * note is stored apart, its id.
 */
export type Look = { readonly first: Appended } | { readonly keyed: Keyed; readonly noteId: string | undefined };

/**
 * Sees to it that of entries with the same dedup key one counts.
 *
 * JetStream offers that (Nats-Msg-Id), but two with the same id that are on their way at the same time, as when a client
 * tries again on another node, it tells apart only when they are carried out, and servers of version 2.9 may lose messages
 * after they have refused some there (see Bucket). So it is not asked to refuse any. Each entry has its key in its headers, and
 * the topic is looked through before it is published and again when it is stored: should there be two, the one that comes first
 * in the log counts and the other is void, which whoever reads it finds out by the same rule.
 *
 * A key may also come again with another topic, which is a mistake of whoever sends it. A stream of its own says which topic a key
 * was used for last; it is written to with the entry, so a key that has been answered is known there.
 */
export class Dedup {
  /** @param oldest when the oldest entry was appended whose key is remembered */
  constructor(
    private readonly parts: DedupParts,
    private readonly oldest: () => number,
  ) {}

  /** Before the entry is published. @throws EngineUnavailable */
  async look(hash: string, topic: Topic, note: string): Promise<Look> {
    const { indexes, names, notes, reads, state } = this.parts;
    const { heard } = state;
    const [index, used] = await Promise.all([indexes.fresh(topic), reads.newest(names.keys, names.dedupSubject(hash))]);
    // Before anything is waited for: what comes behind this place from now on has not been looked at.
    const since = Math.max(index.newest, heard);
    const usedFor = used && (Buffer.from(used.data).toString() as Topic);
    const first =
      (await this.#firstIn(index, hash)) ??
      (usedFor !== null && usedFor !== topic ? await this.#firstIn(await indexes.fresh(usedFor), hash) : undefined) ??
      // After the looks at the indexes: the note of an entry is stored before the entry goes.
      (usedFor !== null || index.placeOf(hash) !== undefined ? await this.#gone(hash) : undefined);
    return first ? { first } : { keyed: { hash, since }, noteId: await notes.putLong(note) };
  }

  /** Says which topic a key is used for; to be awaited before the entry is answered. @throws EngineUnavailable */
  async use(hash: string, topic: Topic): Promise<void> {
    const { names, publisher } = this.parts;
    await publisher.publish(names.dedupSubject(hash), Buffer.from(topic));
  }

  /** What became of an entry that is stored at `seq`. @throws EngineUnavailable */
  async settle({ topic }: NewEntry, seq: number, hash: string): Promise<Appended> {
    const { indexes } = this.parts;
    const known = indexes.peek(topic);
    const index = known && known.newest >= seq ? known : await indexes.fresh(topic);
    if (index.has(seq) && !index.isVoid(seq)) return { seq: seq as Seq };
    const first = (await this.#firstIn(index, hash)) ?? (await this.#gone(hash));
    return first && first.seq !== seq ? first : { seq: seq as Seq };
  }

  async #firstIn(index: TopicIndex, hash: string): Promise<Appended | undefined> {
    const { names, reads, notes } = this.parts;
    const seq = index.placeOf(hash);
    if (seq !== undefined && index.appendedAt(seq) > this.oldest()) {
      const stored = await reads.at(names.log, seq);
      if (stored) return { seq: seq as Seq, duplicate: { note: await notes.of(stored) } };
    }
    return undefined;
  }

  /** The entry that had the key first, if it was trimmed, dropped or erased. */
  async #gone(hash: string): Promise<Appended | undefined> {
    const gone = await this.parts.notes.read(hash);
    return gone && { seq: gone.seq as Seq, duplicate: { note: gone.note } };
  }
}

/** A part of a subject, and short: keys are of any length and content. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 22);
}
