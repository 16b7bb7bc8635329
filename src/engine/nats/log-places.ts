import { Conflict, EngineUnusable, type Json } from '../engine.js';
import type { Bucket } from './bucket.js';

/** A part of the log: the message with this sequence has this place, and each one after it the next place. */
export interface LogSegment {
  readonly fromSeq: number;
  readonly fromPlace: number;
}

/** The key of the segments in the bucket. */
const SEGMENTS = 'segments';

/**
 * The places of the log's messages. JetStream numbers messages without gaps, but a log that was restored from a backup leaves out
 * more places than anything can fill. So its stream consists of segments: within a segment the place is the sequence plus a
 * constant. Before the first segment, and in a log without any, the place is the sequence.
 *
 * Only Reads, StreamState, Feed and what publishes, purges or deletes in the log's stream know sequences; all else has places.
 * Segments change only while no node runs.
 */
export class LogPlaces {
  #segments: readonly LogSegment[] = [];

  /** In ascending order of both numbers. */
  get segments(): readonly LogSegment[] {
    return this.#segments;
  }

  /** Whether the place of each message is its sequence. */
  get isIdentity(): boolean {
    return this.#segments.length === 0;
  }

  /** The place of a message; 0 for 0. */
  toPlace(seq: number): number {
    const segments = this.#segments;
    for (let at = segments.length - 1; at >= 0; at--) {
      const { fromSeq, fromPlace } = segments[at] as LogSegment;
      if (seq >= fromSeq) return seq - fromSeq + fromPlace;
    }
    return seq;
  }

  /** The sequence of the last message that may be at or before a place. */
  toSequence(place: number): number {
    const segments = this.#segments;
    let end = Infinity;
    for (let at = segments.length - 1; at >= 0; at--) {
      const { fromSeq, fromPlace } = segments[at] as LogSegment;
      if (place >= fromPlace) return Math.min(place - fromPlace + fromSeq, end);
      end = fromSeq - 1;
    }
    return Math.min(place, end);
  }

  /** The sequence of the message at exactly this place; undefined for a place in a gap. */
  sequenceAt(place: number): number | undefined {
    const seq = this.toSequence(place);
    return this.toPlace(seq) === place ? seq : undefined;
  }

  /**
   * Reads the segments.
   * @param known what a mark says of them, for a bucket that was lost: written to the bucket where that has fewer
   * @throws EngineUnavailable
   */
  async load(bucket: Bucket, known: readonly LogSegment[] = []): Promise<void> {
    const kept = await bucket.read(SEGMENTS);
    this.#segments = segmentsIn(kept?.value);
    if (known.length <= this.#segments.length) return;
    try {
      await bucket.put(SEGMENTS, known as unknown as Json, kept?.revision ?? null);
    } catch (error) {
      // Another node has written the same.
      if (!(error instanceof Conflict)) throw error;
    }
    this.#segments = known;
  }

  /** Begins a segment, durable when it resolves; replaces one that begins at the same sequence. @throws EngineUnavailable */
  async begin(bucket: Bucket, segment: LogSegment): Promise<void> {
    const segments = [...this.#segments.filter(({ fromSeq }) => fromSeq < segment.fromSeq), segment];
    await bucket.update(SEGMENTS, () => segments as unknown as Json);
    this.#segments = segments;
  }

  /** Calls back when the segments in the bucket are no longer those of this node. */
  watch(bucket: Bucket, onDifference: (reason: string) => void): void {
    bucket.watch((key, kept) => {
      if (key !== SEGMENTS || JSON.stringify(segmentsIn(kept?.value)) === JSON.stringify(this.#segments)) return;
      onDifference('The places of the log in NATS have changed. Start this node again.');
    });
  }

  /**
   * @param isSegmented whether the description of the log says that it has segments
   * @throws EngineUnusable when the segments are lost
   */
  assertKnown(isSegmented: boolean): void {
    if (!isSegmented || !this.isIdentity) return;
    throw new EngineUnusable(
      'The directory in NATS has lost the places of the entries in the log. Restore a backup under another name: interchat restore.',
    );
  }
}

function segmentsIn(value: Json | undefined): readonly LogSegment[] {
  return (value ?? []) as unknown as readonly LogSegment[];
}
