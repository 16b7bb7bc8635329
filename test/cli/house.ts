import { join } from 'node:path';
import type { Test } from 'tap';
import type { Config } from '../../src/config.js';
import { operatorToken } from '../../src/hub/credentials.js';
import { InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { startServer } from '../support/server.js';

export const SECRET = 'a secret of the tests, 32 characters at least';
export const PASSWORD = 'correct horse battery staple';

export interface House {
  readonly url: string;
  readonly folder: string;
  /** Whoever runs it. */
  readonly operator: InterChat;
  /** Where those who sign in keep that they have: a place of this test's own. */
  readonly env: { readonly XDG_STATE_HOME: string; readonly INTERCHAT_URL: string };
  /** The file in it. */
  readonly sessions: string;
}

/** A server with these accounts, all of one password. */
export async function openHouse(t: Test, names: readonly string[], settings: Partial<Config> = {}): Promise<House> {
  const { url, folder } = await startServer(t, { secret: SECRET, ...settings });
  const operator = new InterChat(url, { token: operatorToken(SECRET) });
  for (const name of names) await operator.accounts.add(name, PASSWORD);
  const state = await temporaryFolder(t);
  const env = { XDG_STATE_HOME: state, INTERCHAT_URL: url };
  return { url, folder, operator, env, sessions: join(state, 'interchat', 'sessions.json') };
}
