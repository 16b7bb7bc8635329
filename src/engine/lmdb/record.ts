import type { Entry, NewEntry, Seq, Topic } from '../engine.js';

/** Before the body stand two doubles: when it was appended, and when it expires (0: never), in milliseconds since 1970. */
const HEADER = 16;

export function encodeEntry({ body, expiresAt = 0 }: NewEntry, appendedAt: number): Buffer {
  const record = Buffer.allocUnsafe(HEADER + body.length);
  record.writeDoubleLE(appendedAt, 0);
  record.writeDoubleLE(expiresAt, 8);
  record.set(body, HEADER);
  return record;
}

export function decodeEntry(topic: Topic, seq: number, record: Buffer): Entry {
  const expiresAt = record.readDoubleLE(8);
  const entry = { seq: seq as Seq, topic, body: record.subarray(HEADER) };
  return expiresAt === 0 ? entry : { ...entry, expiresAt };
}

export function appendedAt(record: Buffer): number {
  return record.readDoubleLE(0);
}

export function isExpired(record: Buffer, now: number): boolean {
  const expiresAt = record.readDoubleLE(8);
  return expiresAt !== 0 && expiresAt <= now;
}
