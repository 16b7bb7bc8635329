import { checksum } from '../checksum.js';
import type { Entry, Seq, Topic } from '../engine.js';
import { damaged } from './damage.js';

/**
 * An entry on the disk: the CRC-32 of its place and of all that follows; when it was appended and when it expires (0: never), in
 * milliseconds since 1970, as doubles; the length of its topic in a byte; the topic; the body. Before format 3 there was no CRC.
 */
const APPENDED_AT = 4;
const EXPIRES_AT = 12;
const TOPIC_LENGTH = 20;
const TOPIC = 21;

export function encodeEntry({ seq, topic, body, expiresAt = 0 }: Entry, appendedAt: number): Buffer {
  const record = Buffer.allocUnsafe(TOPIC + topic.length + body.length);
  record.writeDoubleLE(appendedAt, APPENDED_AT);
  record.writeDoubleLE(expiresAt, EXPIRES_AT);
  record[TOPIC_LENGTH] = topic.length;
  record.write(topic, TOPIC, 'latin1');
  record.set(body, TOPIC + topic.length);
  record.writeUInt32LE(checksum(record.subarray(APPENDED_AT), seedOf(seq)), 0);
  return record;
}

/** @throws EngineDamaged for what is not what was written at this place */
export function decodeEntry(seq: number, record: Buffer): Entry {
  if (!isIntact(seq, record)) throw damaged(`entry ${seq}`);
  const expiresAt = record.readDoubleLE(EXPIRES_AT);
  const start = TOPIC + (record[TOPIC_LENGTH] ?? 0);
  const entry = {
    seq: seq as Seq,
    topic: record.toString('latin1', TOPIC, start) as Topic,
    body: record.subarray(start),
  };
  return expiresAt === 0 ? entry : { ...entry, expiresAt };
}

/** Makes the record of an entry of format 2 one of format 3. */
export function withChecksum(seq: number, old: Buffer): Buffer {
  const record = Buffer.allocUnsafe(APPENDED_AT + old.length);
  old.copy(record, APPENDED_AT);
  record.writeUInt32LE(checksum(old, seedOf(seq)), 0);
  return record;
}

/** When an entry was appended, in milliseconds since 1970. Only for a record that {@link decodeEntry} has taken. */
export function appendedAt(record: Buffer): number {
  return record.readDoubleLE(APPENDED_AT);
}

export function isExpired({ expiresAt }: Pick<Entry, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

function isIntact(seq: number, record: Buffer): boolean {
  if (record.length < TOPIC || record.length < TOPIC + (record[TOPIC_LENGTH] ?? 0)) return false;
  return checksum(record.subarray(APPENDED_AT), seedOf(seq)) === record.readUInt32LE(0);
}

/** What the CRC of an entry begins with: another one for each place, so that no entry passes for one of another place. */
function seedOf(seq: number): number {
  return (seq ^ Math.imul(Math.floor(seq / 2 ** 32), 0x9e3779b1)) >>> 0;
}
