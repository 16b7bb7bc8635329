import { InterChat, type CallOptions, type SignedIn } from '../sdk/index.js';
import { isOver } from './credential.js';
import type { StoredSessions } from './stored-sessions.js';

/**
 * Begins a session, and keeps it in place of the one that was kept for this server, which is ended.
 * @throws as the SDK does; CommandError as StoredSessions does
 */
export async function signIn(
  api: InterChat,
  sessions: StoredSessions,
  { url, name, password }: { readonly url: string; readonly name: string; readonly password: string },
  options: CallOptions = {},
): Promise<SignedIn> {
  const before = await sessions.find(url);
  const signedIn = await api.sessions.signIn(name, password, options);
  await sessions.keep(url, { name: signedIn.name ?? name, token: signedIn.token });
  // It may be over already, and it is no harm if it goes on until nobody has used it for long.
  if (before) await endSession(new InterChat(url, { token: before.token, retries: 0 }), options).catch(() => undefined);
  return signedIn;
}

/** Ends a session, or all of its account. @returns whether it was not over already. @throws as the SDK does */
export async function endSession(
  { sessions }: InterChat,
  { everywhere = false, signal }: CallOptions & { readonly everywhere?: boolean } = {},
): Promise<boolean> {
  const options = signal === undefined ? {} : { signal };
  try {
    await (everywhere ? sessions.signOutEverywhere(options) : sessions.signOut('current', options));
    return true;
  } catch (error) {
    if (isOver(error)) return false;
    throw error;
  }
}
