import type { Client } from '../../sdk/index.js';
import { type TerminalCommand, firstWord } from './command.js';
import { LOGIN, LOGOUT, WHOAMI } from './commands/account.js';
import { CLOSE, HISTORY, OPEN, READ, SEARCH } from './commands/conversations.js';
import { JOIN, LEAVE, LIST, NAME, ROOMS, WHO } from './commands/people.js';
import { DISBAND, HANDOVER, INVITATIONS, INVITE, KICK, PRIVATE } from './commands/private-rooms.js';
import { RETRY, SAY, SEND } from './commands/sending.js';
import { completeRoom, completeTarget, type Completion } from './completion.js';

const HELP: TerminalCommand = {
  name: 'HELP',
  takes: '',
  help: 'this list',
  run: async ({ print }) => print(commandsHelp()),
};

const QUIT: TerminalCommand = {
  name: 'QUIT',
  takes: '',
  help: 'leave',
  run: async () => 'quit',
};

const COMMANDS: readonly TerminalCommand[] = [
  LIST,
  SEND,
  ROOMS,
  JOIN,
  LEAVE,
  SAY,
  WHO,
  NAME,
  OPEN,
  CLOSE,
  HISTORY,
  SEARCH,
  READ,
  RETRY,
  PRIVATE,
  DISBAND,
  INVITE,
  KICK,
  HANDOVER,
  INVITATIONS,
  LOGIN,
  WHOAMI,
  LOGOUT,
  HELP,
  QUIT,
];

/** What somebody may have meant by a line. */
export type Input =
  | { readonly type: 'command'; readonly command: TerminalCommand; readonly rest: string }
  /** To be sent to the conversation that is open. */
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'unknown' };

/** The commands, a line each, and what a TARGET is. */
export function commandsHelp(): string {
  const rows: [usage: string, help: string][] = [];
  for (const { name, takes, help } of COMMANDS) {
    const before = rows.at(-1);
    // Two that belong together share a row: all rows have to fit a window.
    if (help === '' && before) before[0] = before[0].replace(/^ *\w+/, `$&, ${name}`);
    else rows.push([`  ${name} ${takes}`.trimEnd(), help]);
  }
  const width = Math.max(...rows.map(([usage]) => usage.length)) + 2;
  return [
    ...rows.map(([usage, help]) => usage.padEnd(width) + help),
    'TARGET is the index or the name of a client, a #room, or everyone.',
  ].join('\n');
}

/**
 * Finds the command of a line, in small letters or capitals, with a slash in front or without. Two slashes are no command:
 * they stand for a text that begins with one.
 */
export function parseCommand(line: string): { readonly command: TerminalCommand; readonly rest: string } | undefined {
  const { word, behind } = firstWord(line.trimEnd());
  const wanted = word.replace(/^\//, '').toUpperCase();
  const command = COMMANDS.find(({ name }) => name === wanted);
  return command && { command, rest: behind };
}

/**
 * What a line means. In a conversation all is text but what begins with a slash; what looks like a command and is none is
 * never sent.
 */
export function readInput(line: string, isTalking: boolean): Input {
  if (isTalking && !line.startsWith('/')) return { type: 'text', text: line };
  if (isTalking && line.startsWith('//')) return { type: 'text', text: line.slice(1) };
  const parsed = parseCommand(line);
  return parsed === undefined ? { type: 'unknown' } : { type: 'command', ...parsed };
}

/** Completes a command, and the client or the room behind it; in a conversation, only behind a slash. */
export async function completeCommand(client: Client, line: string, isTalking: boolean): Promise<Completion> {
  if (isTalking && !line.startsWith('/')) return [[], line];
  const { word, behind } = firstWord(line);
  if (/\s/.test(line)) {
    const completes = parseCommand(word)?.command.completes;
    if (completes === 'target') return completeTarget(client, behind);
    return completes === 'room' ? completeRoom(client, behind) : [[], line];
  }
  const slash = word.startsWith('/') ? '/' : '';
  const typed = word.slice(slash.length);
  const names = COMMANDS.map(({ name, takes }) => (takes === '' ? name : `${name} `));
  const spelled = typed === typed.toLowerCase() && typed !== '' ? names.map((name) => name.toLowerCase()) : names;
  return [spelled.filter((name) => name.startsWith(typed)).map((name) => slash + name), word];
}
