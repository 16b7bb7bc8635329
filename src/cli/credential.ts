import { CredentialOver, ProblemError } from '../sdk/index.js';
import { CommandError, ExitCode } from './exit-code.js';
import { type StoredSession, StoredSessions } from './stored-sessions.js';
import { visible } from './visible.js';

/** By what one shows who one is. */
export interface Credential {
  /** Undefined for who shows none. */
  readonly token: string | undefined;
  /** Where it is that of `interchat login`. */
  readonly stored: StoredSession | undefined;
}

/**
 * What was given, else the session by which one is signed in at this server, else none.
 * @throws CommandError as {@link StoredSessions} does
 */
export async function findCredential(url: string, given: string | undefined): Promise<Credential> {
  if (given !== undefined) return { token: given, stored: undefined };
  const stored = await new StoredSessions(process.env).find(url);
  return { token: stored?.token, stored };
}

/**
 * Does something with that credential.
 * @throws CommandError that says what to do where the session is over by which one was signed in
 */
export async function withCredential<T>(
  { url, token }: { readonly url: string; readonly token: string | undefined },
  act: (credential: Credential) => Promise<T>,
): Promise<T> {
  const credential = await findCredential(url, token);
  try {
    return await act(credential);
  } catch (error) {
    if (credential.stored === undefined || !isOver(error)) throw error;
    const who = visible(credential.stored.name);
    throw new CommandError(`The session of ${who} is over: sign in again: interchat login`, ExitCode.noCredential);
  }
}

/** Whether this says that the credential is no good any more. */
export function isOver(error: unknown): boolean {
  return error instanceof CredentialOver || (error instanceof ProblemError && error.status === 401);
}
