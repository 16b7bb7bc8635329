import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

// See the XDG Base Directory Specification, which wants a relative path to be ignored.

/** Where what somebody has set is kept. */
export function configFile({ XDG_CONFIG_HOME: folder = '' }: NodeJS.ProcessEnv, name: string): string {
  return join(isAbsolute(folder) ? folder : join(homedir(), '.config'), 'interchat', name);
}

/** Where what has come about is kept, and is to last. */
export function stateFile({ XDG_STATE_HOME: folder = '' }: NodeJS.ProcessEnv, name: string): string {
  return join(isAbsolute(folder) ? folder : join(homedir(), '.local', 'state'), 'interchat', name);
}
