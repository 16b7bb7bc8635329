import type { JetStreamApiError } from '@nats-io/jetstream';
import { Conflict, type Seq, type Topic } from '../engine.js';
import type { Bucket } from './bucket.js';
import { type Link, unavailable } from './link.js';
import type { LogPlaces } from './log-places.js';
import type { Names } from './names.js';
import type { Notes } from './notes.js';
import type { Publisher } from './publisher.js';
import type { Reads } from './reads.js';
import { encodeErasure, particularsOf } from './record.js';
import { StorageFull } from './storage-full.js';
import type { StorageReserve } from './storage-reserve.js';
import type { TopicIndexes } from './topic-indexes.js';

export interface ErasuresParts {
  readonly link: Link;
  readonly names: Names;
  readonly places: LogPlaces;
  readonly publisher: Publisher;
  readonly reads: Reads;
  readonly indexes: TopicIndexes;
  readonly bucket: Bucket;
  readonly notes: Notes;
  readonly reserve: StorageReserve;
}

/** What the keys of erasures that have begun start with in the bucket: before the place and the topic of the entry. */
const ERASING = 'erasing.';

/** What JetStream answers when a message that is to be deleted is not there. */
const NOT_DELETED = 10_057;

/**
 * Takes single entries out of the log. First it is noted in the bucket, so that it is brought to its end whatever happens to
 * this node. Then something is stored in the topic that says so: by that all nodes know at once, in the order of the log, and
 * as it is newer than the entry, that is never the newest of its topic (servers of version 2.9 find none any more once that was
 * deleted). It stays as long as an entry would, for whoever reads the topic later tells by it that repeats are void. At last
 * the entry is deleted and overwritten, after its repeats: what they say is the same.
 */
export class Erasures {
  readonly #underWay = new Map<string, Promise<boolean>>();

  constructor(
    private readonly parts: ErasuresParts,
    private readonly now: () => number,
  ) {}

  /** See {@link Log.erase}. */
  erase(topic: Topic, seq: Seq): Promise<boolean> {
    const key = `${ERASING}${seq}.${topic}`;
    return this.#alone(key, () => this.#begin(key, topic, seq));
  }

  /** Brings to their end those that a node has begun and not ended. @throws EngineUnavailable */
  async resume(): Promise<void> {
    for (const [key] of [...this.parts.bucket.all(ERASING)]) {
      const { topic, seq } = entryOf(key);
      await this.#alone(key, () => this.#end(key, topic, seq));
    }
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  /** Of two at once the second finds out what became of the first. */
  async #alone(key: string, erase: () => Promise<boolean>): Promise<boolean> {
    const first = this.#underWay.get(key);
    if (first) {
      await first;
      return false;
    }
    const erasing = erase();
    this.#underWay.set(key, erasing);
    try {
      return await erasing;
    } finally {
      this.#underWay.delete(key);
    }
  }

  async #begin(key: string, topic: Topic, seq: Seq): Promise<boolean> {
    const { names, reads, indexes, bucket } = this.parts;
    // Before everything there is nothing, and JetStream does not take the question.
    if (seq === 0) return false;
    const [stored, index] = await Promise.all([reads.atLeader(names.log, seq), indexes.fresh(topic)]);
    if (stored?.subject !== names.subject(topic)) return false;
    // Another may have noted it, and not have come any further.
    if (index.has(seq) && !index.isExpired(seq, this.now())) await note(bucket, key);
    else if (!(await bucket.read(key))) return false;
    return this.#end(key, topic, seq);
  }

  async #end(key: string, topic: Topic, seq: Seq): Promise<boolean> {
    const { names, publisher, reads, indexes, bucket, notes, reserve } = this.parts;
    const stored = await reads.atLeader(names.log, seq);
    if (stored?.subject === names.subject(topic)) {
      const hash = particularsOf(stored.header).keyed?.hash;
      const before = await indexes.fresh(topic);
      let untold: (() => Promise<number>) | undefined;
      if (before.has(seq)) {
        await notes.keep(topic, before, seq, seq - 1);
        const tell = () =>
          publisher.publish(names.subject(topic), new Uint8Array(), encodeErasure({ seq, hash }, this.now()));
        try {
          await reserve.essential(tell);
        } catch (error) {
          // The log has a limit of its own: the entry makes room for what tells that it is erased.
          if (!(error instanceof StorageFull) || seq >= before.newest) throw error;
          untold = tell;
        }
      }
      const index = await indexes.fresh(topic);
      const repeats = hash === undefined ? [] : index.repeatsOf(seq, hash).filter((each) => each < index.newest);
      for (const each of [...repeats, seq]) {
        await deleteEntry(this.parts, each, true);
        indexes.remove(topic, each);
      }
      await untold?.();
    }
    await bucket.remove(key);
    return true;
  }
}

/** The places of entries of which it is noted that they are erased, though they may be there still. */
export function erasingIn(bucket: Bucket): Set<number> {
  return new Set([...bucket.all(ERASING)].map(([key]) => entryOf(key).seq));
}

/**
 * Deletes what is stored at a place of the log, if anything is. Not the newest of its topic, see {@link Erasures}.
 * @param overwrite whether it is overwritten on the disk
 * @throws EngineUnavailable
 */
export async function deleteEntry(
  { link, names, places, reads }: Pick<ErasuresParts, 'link' | 'names' | 'places' | 'reads'>,
  seq: number,
  overwrite: boolean,
): Promise<void> {
  const sequence = places.sequenceAt(seq);
  if (sequence === undefined) return;
  try {
    await link.jsm.streams.deleteMessage(names.log, sequence, overwrite);
  } catch (error) {
    const isGone = (error as JetStreamApiError).code === NOT_DELETED && !(await reads.atLeader(names.log, seq));
    if (!isGone) throw unavailable(error);
  }
}

/** Another node may have noted it, too. */
async function note(bucket: Bucket, key: string): Promise<void> {
  try {
    await bucket.put(key, null, null);
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
}

function entryOf(key: string): { readonly topic: Topic; readonly seq: Seq } {
  const [seq, ...topic] = key.slice(ERASING.length).split('.');
  return { topic: topic.join('.') as Topic, seq: Number(seq) as Seq };
}
