import { createHash } from 'node:crypto';

/**
 * Whose a lasting client is (see {@link Clients.ofSubject}): that of an account, of a key, or of whom an identity provider names.
 * One text, fit to be part of the key of a record.
 */
export type Subject = string;

const ACCOUNT = 'account.';
const KEY = 'key.';
const IDENTITY = 'jwt.';

/** @param account its id */
export function ofAccount(account: string): Subject {
  return ACCOUNT + account;
}

/** @param key its id */
export function ofKey(key: string): Subject {
  return KEY + key;
}

/** @param identity what names somebody among all identity providers */
export function ofIdentity(identity: string): Subject {
  return IDENTITY + createHash('sha256').update(identity).digest('base64url');
}

/** The id of the account; undefined where it is the subject of something else, or none. */
export function accountIn(subject: Subject | null): string | undefined {
  return subject?.startsWith(ACCOUNT) ? subject.slice(ACCOUNT.length) : undefined;
}

/** The id of the key; undefined where it is the subject of something else, or none. */
export function keyIn(subject: Subject | null): string | undefined {
  return subject?.startsWith(KEY) ? subject.slice(KEY.length) : undefined;
}

/** What stands for an identity; undefined where it is the subject of something else, or none. */
export function identityIn(subject: Subject | null): string | undefined {
  return subject?.startsWith(IDENTITY) ? subject.slice(IDENTITY.length) : undefined;
}
