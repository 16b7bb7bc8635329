import type { MsgHdrs } from '@nats-io/transport-node';
import type { NewEntry } from '../engine.js';
import { headersOf } from './publisher.js';

/** When an entry was appended and, behind a blank, when it expires: milliseconds since 1970. */
const TIMES = 'Interchat-Times';

/** The note of an entry with a dedup key, in base64url: a header cannot carry any text. */
const NOTE = 'Interchat-Note';

/** In place of {@link NOTE}, where the note is a message of its own: see {@link Notes.putLong}. */
const NOTE_ID = 'Interchat-Note-Id';

/** Of the note of an entry that is gone: the place of the entry and, after a blank, when it was appended. */
const GONE = 'Interchat-Gone';

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

/** @param noteId see {@link noteIdOf} */
export function encodeHeaders(
  { expiresAt, dedup }: NewEntry,
  appendedAt: number,
  keyed?: Keyed,
  noteId?: string,
): MsgHdrs {
  return headersOf({
    [TIMES]: expiresAt === undefined ? String(appendedAt) : `${appendedAt} ${expiresAt}`,
    [KEY]: keyed && `${keyed.hash} ${keyed.since}`,
    [NOTE]: noteId === undefined ? dedup && Buffer.from(dedup.note).toString('base64url') : undefined,
    [NOTE_ID]: noteId,
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

/** The id of the note, where it is not in the header but a message of its own. */
export function noteIdOf(headers: MsgHdrs | undefined): string | undefined {
  return headers?.get(NOTE_ID) || undefined;
}

/** Of the note of an entry that is gone; the body is the note, unless it has an id. */
export function encodeGone(entry: { readonly seq: number; readonly appendedAt: number }, noteId?: string): MsgHdrs {
  return headersOf({ [GONE]: `${entry.seq} ${entry.appendedAt}`, [NOTE_ID]: noteId });
}

export function decodeGone(headers: MsgHdrs | undefined): { readonly seq: number; readonly appendedAt: number } {
  const [seq, appendedAt] = headers?.get(GONE).split(' ') ?? [];
  return { seq: Number(seq), appendedAt: Number(appendedAt) };
}

/** The sequence with which JetStream has stored it; set where it publishes again what it stored. */
export function storedAt(headers: MsgHdrs | undefined): number {
  return Number(headers?.get('Nats-Sequence'));
}

/** The sequence of what was stored before it under the same subject, 0 if nothing was. */
export function storedBefore(headers: MsgHdrs | undefined): number {
  return Number(headers?.get('Nats-Last-Sequence'));
}
