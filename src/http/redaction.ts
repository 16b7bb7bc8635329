/**
 * What looks like a credential, whole or misspelt: a token, a session, a key or the operator's token (see hub/credentials.ts and
 * hub/access/secret-text.ts), a cursor, a JWT. Each begins where it can be told at once, so that no text takes long.
 */
const CREDENTIAL = /(?:ic[tsko]_|(?<![\w-])eyJ[\w-]*\.|(?<!\d)\d{1,16}\.\d{1,16}\.)[\w-]{16,}(?:\.[\w-]+)?/g;

/**
 * A text without the credentials that somebody put where none belongs: into a path, or for the name of a field. Answers are shown on
 * screens and pasted into reports, and what is logged is read by others.
 */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIAL, 'CREDENTIAL');
}
