import type { MsgHdrs } from '@nats-io/transport-node';
import type { NewEntry } from '../engine.js';
import { headersOf } from './publisher.js';

/** When an entry was appended and, behind a blank, when it expires: milliseconds since 1970. */
const TIMES = 'Interchat-Times';

/** The note of an entry with a dedup key, in base64url: a header cannot carry any text. */
const NOTE = 'Interchat-Note';

/** By which JetStream knows a message that comes again. */
const ID = 'Nats-Msg-Id';

/** What is known of a stored entry besides its place, topic and body. */
export interface Particulars {
  readonly appendedAt: number;
  readonly expiresAt: number | undefined;
  /** The hash of its dedup key. */
  readonly key: string | undefined;
}

export function encodeHeaders({ expiresAt, dedup }: NewEntry, appendedAt: number, key?: string): MsgHdrs {
  return headersOf({
    [TIMES]: expiresAt === undefined ? String(appendedAt) : `${appendedAt} ${expiresAt}`,
    [ID]: key,
    [NOTE]: dedup && Buffer.from(dedup.note).toString('base64url'),
  });
}

export function particularsOf(headers: MsgHdrs | undefined): Particulars {
  const [appendedAt = '', expiresAt] = headers?.get(TIMES).split(' ') ?? [];
  return {
    appendedAt: Number(appendedAt),
    expiresAt: expiresAt === undefined ? undefined : Number(expiresAt),
    key: headers?.get(ID) || undefined,
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
