import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;
const ID_BYTES = 9;

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
export function makeSecret(prefix: string): MadeSecret {
  const id = randomBytes(ID_BYTES).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { id, text: `${prefix}_${id}_${secret}`, hash: hashOf(secret) };
}

const TEXT = /^(ics|ick)_([0-9a-f]{18})_([A-Za-z0-9_-]{43})$/;

/** What such a credential is made of; undefined for any other text. */
export function readSecret(text: string): { prefix: 'ics' | 'ick'; id: string; secret: string } | undefined {
  const match = TEXT.exec(text);
  return match ? { prefix: match[1] as 'ics' | 'ick', id: match[2] as string, secret: match[3] as string } : undefined;
}

/** Compares in constant time. */
export function isSecret(secret: string, hash: string): boolean {
  const given = Buffer.from(hashOf(secret));
  const kept = Buffer.from(hash);
  return given.length === kept.length && timingSafeEqual(given, kept);
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
