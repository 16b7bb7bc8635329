import type { MsgHdrs } from '@nats-io/transport-node';
import type { NewEntry } from '../engine.js';
import { headersOf } from './publisher.js';

/** When an entry was appended and, behind a blank, when it expires: milliseconds since 1970. */
const TIMES = 'Interchat-Times';

/** The note of an entry with a dedup key, in base64url: a header cannot carry any text. */
const NOTE = 'Interchat-Note';

/** The hash of a dedup key and, behind a blank, {@link Keyed.since}. */
const KEY = 'Interchat-Key';

/** The place of the entry that is erased and, behind a blank, the hash of its dedup key. */
const ERASED = 'Interchat-Erased';

/** That an entry has a dedup key, and what was known of the key when it was published. */
export interface Keyed {
  readonly hash: string;
  /** Up to this place its topic had no other entry with this key that counted. */
  readonly since: number;
}

/** That an entry is erased, and had a dedup key of this hash. */
export interface Erased {
  readonly seq: number;
  readonly hash: string | undefined;
}

/** What is known of a stored entry besides its place, topic and body. */
export interface Particulars {
  readonly appendedAt: number;
  readonly expiresAt: number | undefined;
  readonly keyed: Keyed | undefined;
  /** Set where it is there to say that another is not. */
  readonly erased: Erased | undefined;
}

export function encodeHeaders({ expiresAt, dedup }: NewEntry, appendedAt: number, keyed?: Keyed): MsgHdrs {
  return headersOf({
    [TIMES]: expiresAt === undefined ? String(appendedAt) : `${appendedAt} ${expiresAt}`,
    [KEY]: keyed && `${keyed.hash} ${keyed.since}`,
    [NOTE]: dedup && Buffer.from(dedup.note).toString('base64url'),
  });
}

/** Of what is stored to say that an entry is erased: something that has expired, and so is neither read, counted nor told of. */
export function encodeErasure({ seq, hash }: Erased, now: number): MsgHdrs {
  return headersOf({ [TIMES]: `${now} 0`, [ERASED]: hash === undefined ? String(seq) : `${seq} ${hash}` });
}

export function particularsOf(headers: MsgHdrs | undefined): Particulars {
  const [appendedAt = '', expiresAt] = headers?.get(TIMES).split(' ') ?? [];
  const [hash, since] = headers?.get(KEY).split(' ') ?? [];
  const [erased, erasedHash] = headers?.get(ERASED).split(' ') ?? [];
  return {
    appendedAt: Number(appendedAt),
    expiresAt: expiresAt === undefined ? undefined : Number(expiresAt),
    keyed: hash ? { hash, since: Number(since) } : undefined,
    erased: erased ? { seq: Number(erased), hash: erasedHash } : undefined,
  };
}

export function noteOf(headers: MsgHdrs | undefined): string {
  return Buffer.from(headers?.get(NOTE) ?? '', 'base64url').toString();
}

/** The place at which JetStream has stored it; set where it publishes again what it stored. */
export function storedAt(headers: MsgHdrs | undefined): number {
  return Number(headers?.get('Nats-Sequence'));
}

/** The place of what was stored before it under the same subject, 0 if nothing was. */
export function storedBefore(headers: MsgHdrs | undefined): number {
  return Number(headers?.get('Nats-Last-Sequence'));
}
