import { type Command, commandHelp } from './command.js';
import { EXIT_CODES, UsageError } from './exit-code.js';

/** A command, its module loaded when it is wanted: `list` need not load a server. */
interface Entry {
  readonly summary: string;
  /** Undefined for `serve`, which keeps its settings, and their help, to itself. */
  readonly load?: () => Promise<{ readonly command: Command }>;
}

export const COMMANDS: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['serve', { summary: 'the server' }],
  ['connect', { summary: 'the terminal client: list, send and receive by hand', load: () => import('./connect.js') }],
  ['list', { summary: 'who there is', load: () => import('./list.js') }],
  ['rooms', { summary: 'which rooms there are', load: () => import('./rooms.js') }],
  ['send', { summary: 'send a text to a client, a room or everyone', load: () => import('./send.js') }],
  ['listen', { summary: 'print what comes in', load: () => import('./listen.js') }],
  ['login', { summary: 'sign in with an account', load: () => import('./login.js') }],
  ['logout', { summary: 'sign out', load: () => import('./logout.js') }],
  ['whoami', { summary: 'who you are, and what you may do', load: () => import('./whoami.js') }],
  ['account', { summary: 'make, list and remove accounts; set passwords', load: () => import('./account.js') }],
  ['key', { summary: 'make, list and revoke keys for machines', load: () => import('./key.js') }],
  ['ban', { summary: 'keep somebody out for a time', load: () => import('./ban.js') }],
  ['remove', { summary: 'remove a client', load: () => import('./remove.js') }],
  ['delete', { summary: 'delete a message', load: () => import('./delete.js') }],
  ['audit', { summary: 'who did what to keep order', load: () => import('./audit.js') }],
  ['backup', { summary: 'write all that a running server keeps to a file', load: () => import('./backup.js') }],
  ['restore', { summary: 'fill a new data folder, or NATS, from such a file', load: () => import('./restore.js') }],
  ['verify', { summary: 'check that a data folder or such a file is whole', load: () => import('./verify.js') }],
  ['export', { summary: 'write all that a stopped server keeps to a file', load: () => import('./export.js') }],
  ['import', { summary: 'fill the store of a new server from such a file', load: () => import('./import.js') }],
]);

/** What `interchat help` says, without a line break at its end. */
export function generalHelp(): string {
  const rows = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`);
  return [
    'Usage: interchat COMMAND [OPTIONS]',
    ['Commands:', ...rows].join('\n'),
    'interchat help COMMAND, or COMMAND --help, tells more; interchat --version the version.',
    'A flag is a variable too: --url is INTERCHAT_URL.',
    EXIT_CODES,
  ].join('\n\n');
}

/** @throws UsageError for a command that is not there */
export async function helpOn(name: string): Promise<string> {
  const { load } = findCommand(name);
  return load === undefined ? generalHelp() : commandHelp((await load()).command);
}

/** @throws UsageError for a command that is not there */
export function findCommand(name: string): Entry {
  const entry = COMMANDS.get(name);
  if (entry) return entry;
  throw new UsageError(`There is no command ${JSON.stringify(name)}.`);
}
