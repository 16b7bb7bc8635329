import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Records } from '../records.js';

const SECRET_BYTES = 32;
const ID_BYTES = 9;

/** What kind of credential it is. */
type Prefix = 'ics' | 'ick';

/** A credential that was just made. What is kept of it is its hash: the text itself is shown once. */
export interface MadeSecret {
  readonly id: string;
  readonly text: string;
  readonly hash: string;
}

/**
 * Makes a random credential, `PREFIX_ID_SECRET`. The secret has 256 random bits, so a plain SHA-256 of it is as good as a slow
 * hash: there is nothing to guess.
 */
export function makeSecret(prefix: Prefix): MadeSecret {
  const id = makeId();
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { id, text: `${prefix}_${id}_${secret}`, hash: hashOf(secret) };
}

/** A name for a record that is no secret, and that nobody else has. */
export function makeId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

const TEXT = /^(ics|ick)_([0-9a-f]{18})_([A-Za-z0-9_-]{43})$/;

/**
 * Whose credential it is; undefined for one that is not genuine, or of another kind.
 * @param records of those who have such credentials
 */
export async function findBySecret<Kept extends { readonly hash: string }>(
  records: Records<Kept>,
  prefix: Prefix,
  text: string,
): Promise<{ readonly id: string; readonly kept: Kept } | undefined> {
  const [, kind, id = '', secret = ''] = TEXT.exec(text) ?? [];
  if (kind !== prefix) return undefined;
  const kept = await records.find(id);
  return kept && isSecret(secret, kept.hash) ? { id, kept } : undefined;
}

/** Compares in constant time. */
function isSecret(secret: string, hash: string): boolean {
  const given = Buffer.from(hashOf(secret));
  const kept = Buffer.from(hash);
  return given.length === kept.length && timingSafeEqual(given, kept);
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
