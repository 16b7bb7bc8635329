import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Restoration, Seq } from '../engine/engine.js';
import { asClientIndex, type ClientIndex, CLIENTS } from './client-index.js';

/** How far a stream has read. */
export interface StreamPlace {
  readonly position: Seq;
  /**
   * Set while the stream gives messages late: up to this place it has given all, and from there to its position maybe not all. A stream
   * that resumes there gives all after this place, some of it once more.
   */
  readonly low?: Seq;
}

/** How far a stream has read, and whose it is. */
export interface Cursor {
  readonly index: ClientIndex;
  readonly seq: Seq;
  /** See {@link StreamPlace.low}. */
  readonly low?: Seq;
}

const TOKEN = /^ict_([1-9]\d{0,15})_([A-Za-z0-9_-]{43})$/;
const CURSOR = /^(0|[1-9]\d{0,15})(?:-(0|[1-9]\d{0,15}))?\.([1-9]\d{0,15})\.([A-Za-z0-9_-]{22})$/;

/** What proves who a client is, as long as its number says the same client. */
interface Keys {
  readonly token: Buffer;
  readonly cursor: Buffer;
}

/**
 * Makes and checks the two things by which a client proves who it is. Both carry a MAC over the index under keys derived
 * from the secret and the epoch of the log: an index is unique within one log only, and the tokens of an earlier log must
 * not open the mailboxes of the next one. Where a log was restored from a backup, the clients that were in that keep the epoch
 * that it had then; a number above theirs may have been a client's that is lost, and is another's now.
 *
 * A token is `ict_INDEX_MAC`. A cursor is `SEQ.INDEX.MAC`, or `SEQ-LOW.INDEX.MAC`, whose MAC does not cover SEQ and LOW: a client may read its own mailbox
 * from wherever it likes, so there is nothing to forge, and what follows SEQ is the same in every cursor of a client. That
 * lets a stream put `id:` on each event without computing anything.
 */
export class Credentials {
  /** The oldest first: of each epoch, up to the last client of it that is still there. */
  readonly #keys: readonly { readonly upTo: number; readonly keys: Keys }[];
  /** The hash of the operator's token: hashes have one length, which is what can be compared in constant time. */
  readonly #operator: Buffer;

  /**
   * @param secret whoever knows it can be any client; at least 32 characters or bytes
   * @param log whose clients these are
   */
  constructor(
    secret: string | Buffer,
    { epoch, restorations }: { readonly epoch: string; readonly restorations: readonly Restoration[] },
  ) {
    const earlier = restorations.map(({ epoch, series }) => ({ epoch, upTo: series[CLIENTS] ?? 0 }));
    this.#keys = [...earlier, { epoch, upTo: Infinity }].map(({ epoch, upTo }) => ({
      upTo,
      keys: {
        token: derive(secret, `interchat token ${epoch}`),
        cursor: derive(secret, `interchat cursor ${epoch}`),
      },
    }));
    this.#operator = createHash('sha256').update(operatorToken(secret)).digest();
  }

  /** Whether it is the token of whoever runs the server. */
  isOperator(token: string): boolean {
    const given = createHash('sha256').update(token).digest();
    return timingSafeEqual(given, this.#operator);
  }

  token(index: ClientIndex): string {
    return `ict_${index}_${mac(this.#keysOf(index).token, index).toString('base64url')}`;
  }

  /** Whose token it is; undefined when it is not genuine. */
  verifyToken(token: string): ClientIndex | undefined {
    const match = TOKEN.exec(token);
    return match ? this.#genuine('token', match[1], match[2]) : undefined;
  }

  cursor(index: ClientIndex, seq: Seq): string {
    return `${seq}${this.cursorSuffix(index)}`;
  }

  /** What follows the sequence number in every cursor of this client. */
  cursorSuffix(index: ClientIndex): string {
    return `.${index}.${mac(this.#keysOf(index).cursor, index).subarray(0, 16).toString('base64url')}`;
  }

  /** What the cursor says; undefined when it is not genuine. */
  verifyCursor(cursor: string): Cursor | undefined {
    const match = CURSOR.exec(cursor);
    if (!match) return undefined;
    const seq = Number(match[1]);
    const low = Number(match[2] ?? seq);
    const index = this.#genuine('cursor', match[3], match[4]);
    if (index === undefined || !Number.isSafeInteger(seq) || !Number.isSafeInteger(low)) return undefined;
    return low < seq ? { index, seq: seq as Seq, low: low as Seq } : { index, seq: seq as Seq };
  }

  /** Compares in constant time: how long it takes must not tell how much of a guess was right. */
  #genuine(what: keyof Keys, digits = '', encoded = ''): ClientIndex | undefined {
    const index = asClientIndex(Number(digits));
    if (index === undefined) return undefined;
    const given = Buffer.from(encoded, 'base64url');
    const expected = mac(this.#keysOf(index)[what], index).subarray(0, given.length);
    // A base64url text of this length has bits to spare at its end; one that differs only there is another text.
    if (given.toString('base64url') !== encoded) return undefined;
    return timingSafeEqual(given, expected) ? index : undefined;
  }

  #keysOf(index: ClientIndex): Keys {
    return (this.#keys.find(({ upTo }) => index <= upTo) as { readonly keys: Keys }).keys;
  }
}

/** What a cursor says of the place, in front of what {@link Credentials.cursorSuffix} gives. */
export function placeText(position: Seq | null, low: Seq | undefined): string {
  return low === undefined ? String(position) : `${position}-${low}`;
}

/**
 * The token of whoever runs the server: it may do everything, and is no client. It follows from the secret alone, so that a
 * command on the same machine can make it.
 */
export function operatorToken(secret: string | Buffer): string {
  return `ico_${derive(secret, 'interchat operator').toString('base64url')}`;
}

function derive(secret: string | Buffer, purpose: string): Buffer {
  return createHmac('sha256', secret).update(purpose).digest();
}

function mac(key: Buffer, index: ClientIndex): Buffer {
  return createHmac('sha256', key).update(String(index)).digest();
}
