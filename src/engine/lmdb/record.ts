import type { Entry, Seq, Topic } from '../engine.js';

/**
 * An entry on the disk: when it was appended and when it expires (0: never), in milliseconds since 1970, as doubles; the
 * length of its topic in a byte; the topic; the body.
 */
const EXPIRES_AT = 8;
const TOPIC_LENGTH = 16;
const TOPIC = 17;

export function encodeEntry({ topic, body, expiresAt = 0 }: Omit<Entry, 'seq'>, appendedAt: number): Buffer {
  const record = Buffer.allocUnsafe(TOPIC + topic.length + body.length);
  record.writeDoubleLE(appendedAt, 0);
  record.writeDoubleLE(expiresAt, EXPIRES_AT);
  record[TOPIC_LENGTH] = topic.length;
  record.write(topic, TOPIC, 'latin1');
  record.set(body, TOPIC + topic.length);
  return record;
}

export function decodeEntry(seq: number, record: Buffer): Entry {
  const expiresAt = record.readDoubleLE(EXPIRES_AT);
  const start = TOPIC + (record[TOPIC_LENGTH] ?? 0);
  const entry = {
    seq: seq as Seq,
    topic: record.toString('latin1', TOPIC, start) as Topic,
    body: record.subarray(start),
  };
  return expiresAt === 0 ? entry : { ...entry, expiresAt };
}

/** When an entry was appended, in milliseconds since 1970. */
export function appendedAt(record: Buffer): number {
  return record.readDoubleLE(0);
}

export function isExpired({ expiresAt }: Pick<Entry, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}
