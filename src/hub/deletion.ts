import type { Seq, Topic } from '../engine/engine.js';
import type { Window } from './memberships.js';
import { addressOf } from './topics.js';

/** Says that a message is no longer there, to whoever may have it. */
export interface Deletion {
  /** The place that the message had. */
  readonly seq: Seq;
  readonly topic: Topic;
  /** As readers get it. */
  readonly json: string;
}

/** As the log keeps it. */
export function encodeDeletion(topic: Topic, seq: Seq): string {
  return JSON.stringify({ topic, seq });
}

/** The boundary to what the log keeps: it is written by {@link encodeDeletion} alone. */
export function readDeletion(body: Uint8Array): Deletion {
  const { topic, seq } = JSON.parse(Buffer.from(body).toString()) as { topic: Topic; seq: Seq };
  return { seq, topic, json: JSON.stringify({ id: String(seq), to: addressOf(topic) }) };
}

/** Whether it concerns somebody who may read this. */
export function isWithin({ seq, topic }: Deletion, windows: readonly Window[]): boolean {
  return windows.some((one) => one.topic === topic && seq > one.from && (one.to === null || seq <= one.to));
}
