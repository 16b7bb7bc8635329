import { type Client, type Destination, ProblemError } from '../../sdk/index.js';
import { CommandError, ExitCode } from '../exit-code.js';
import { findTarget, roomName } from '../target.js';
import { visible } from '../visible.js';
import { clientLine, count, roomLine } from '../wording.js';
import type { Completer } from './completion.js';
import type { Question } from './screen.js';

/** What a command works with. */
export interface Context {
  readonly client: Client;
  /** Aborts when whoever gave the command does not want to wait for it. */
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
  readonly ask: (question: Question) => Promise<string | undefined>;
}

export interface TerminalCommand {
  /** In capitals; the first is the one to show. */
  readonly names: readonly string[];
  /** What is to be given behind the name. */
  readonly takes: string;
  readonly help: string;
  /** Whether what is behind the name begins with a client. */
  readonly completesTarget?: boolean;
  /** Whether it begins with a room. */
  readonly completesRoom?: boolean;
  /** @param rest what stands behind the name. @returns `quit` to end the session */
  run(context: Context, rest: string): Promise<'quit' | void>;
}

/** For so many milliseconds Tab waits for the server: nothing that is typed behind it is shown meanwhile. */
const OFFER_PATIENCE = 1_000;

const LIST: TerminalCommand = {
  names: ['LIST'],
  takes: '',
  help: 'who there is',
  run: listAll,
};

const WHO: TerminalCommand = {
  names: ['WHO'],
  takes: '[ROOM]',
  help: 'who is in a room; without one, the same as LIST',
  completesRoom: true,
  async run(context, rest) {
    const { client, signal, print } = context;
    if (rest.trim() === '') return listAll(context);
    const room = roomName(rest.trim());
    for (let after: number | undefined; ;) {
      const page = await client.listMembers(room, { limit: 1000, after }, { signal }).catch((error: unknown) => {
        throw sayWhatIsThere(error, { room });
      });
      for (const info of page.clients) print(clientLine(info));
      after = page.clients.at(-1)?.index;
      if (page.next === null || after === undefined) return;
    }
  },
};

const ROOMS: TerminalCommand = {
  names: ['ROOMS'],
  takes: '',
  help: 'which rooms there are',
  async run({ client, signal, print }) {
    let some = false;
    for await (const room of client.rooms({ limit: 1000 }, { signal })) {
      some = true;
      print(roomLine(room));
    }
    if (!some) print('There are no rooms. JOIN lobby makes one.');
  },
};

const JOIN: TerminalCommand = {
  names: ['JOIN'],
  takes: '[ROOM]',
  help: 'enter a room, which is made if it is not there',
  completesRoom: true,
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter room to join: ');
    if (room === undefined) return;
    const { members } = await context.client.enter(room, { signal: context.signal });
    context.print(`You are in #${room}, ${count(members, 'member')}.`);
  },
};

const LEAVE: TerminalCommand = {
  names: ['LEAVE'],
  takes: '[ROOM]',
  help: 'leave a room',
  completesRoom: true,
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter room to leave: ');
    if (room === undefined) return;
    await context.client.exit(room, { signal: context.signal });
    context.print(`You are not in #${room} any more.`);
  },
};

const SAY: TerminalCommand = {
  names: ['SAY'],
  takes: '[ROOM [TEXT]]',
  help: 'send a text to all who are in a room; asks for what is not given',
  completesRoom: true,
  async run(context, rest) {
    const { client, signal, print, ask } = context;
    const { word, behind } = firstWord(rest);
    const room = await askRoom(context, word, 'Enter room to say it in: ');
    if (room === undefined) return;
    const text = behind || (await ask({ prompt: 'Enter message: ' }));
    if (text === undefined) return;
    if (text === '') return print('There is nothing to send: the message is empty.');
    await client.say(room, text, { signal }).catch((error: unknown) => {
      throw sayWhatIsThere(error, { room });
    });
  },
};

const SEND: TerminalCommand = {
  names: ['SEND'],
  takes: '[INDEX, NAME, #ROOM or everyone [TEXT]]',
  help: 'send a text; asks for what is not given',
  completesTarget: true,
  async run(context, rest) {
    const { client, signal, print, ask } = context;
    const { word, behind } = firstWord(rest);
    const complete: Completer = (line) => completeTarget(client, line);
    const target = word || (await ask({ prompt: 'Enter client index to send message to: ', complete }))?.trim();
    if (target === undefined) return;
    const to = await findTarget(client, target, { signal });
    // Asked before the text is typed, not after.
    await assertThere(context, to);
    const text = behind || (await ask({ prompt: 'Enter message: ' }));
    if (text === undefined) return;
    if (text === '') return print('There is nothing to send: the message is empty.');
    const { reach } = await client.sendTo(to, text, { signal }).catch((error: unknown) => {
      throw sayWhatIsThere(error, to);
    });
    if (reach === 0 && 'client' in to) print(`Client ${to.client} is away. It gets the message when it is back.`);
  },
};

const NAME: TerminalCommand = {
  names: ['NAME'],
  takes: 'NAME',
  help: 'take a name',
  async run({ client, signal, print }, rest) {
    if (rest === '') {
      return print(
        client.name === null ? 'You have no name. NAME alice gives you one.' : `You are ${visible(client.name)}.`,
      );
    }
    const { name } = await client.rename(rest, { signal });
    print(`You are ${visible(name ?? '')} now.`);
  },
};

const HELP: TerminalCommand = {
  names: ['HELP'],
  takes: '',
  help: 'this list',
  run: async ({ print }) => print(commandsHelp()),
};

const QUIT: TerminalCommand = {
  names: ['QUIT'],
  takes: '',
  help: 'leave',
  run: async () => 'quit',
};

const COMMANDS: readonly TerminalCommand[] = [LIST, SEND, JOIN, LEAVE, SAY, ROOMS, WHO, NAME, HELP, QUIT];

/** The commands, a line each. */
export function commandsHelp(): string {
  const rows = COMMANDS.map(({ names, takes, help }) => {
    const also = names.length > 1 ? ` (also ${names.slice(1).join(', ')})` : '';
    return [`  ${names[0]} ${takes}`.trimEnd(), `${help}${also}`] as const;
  });
  const width = Math.max(...rows.map(([usage]) => usage.length)) + 2;
  return rows.map(([usage, help]) => usage.padEnd(width) + help).join('\n');
}

/**
 * Finds the command of a line, in small letters or capitals, with a slash in front or without. Two slashes are no command:
 * they stand for a text that begins with one.
 */
export function parseCommand(line: string): { readonly command: TerminalCommand; readonly rest: string } | undefined {
  const { word, behind } = firstWord(line.trimEnd());
  const name = word.replace(/^\//, '').toUpperCase();
  const command = COMMANDS.find(({ names }) => names.includes(name));
  return command && { command, rest: behind };
}

/** Completes a command, and the client behind it. */
export async function completeCommand(client: Client, line: string): Promise<[string[], string]> {
  const { word, behind } = firstWord(line);
  const parsed = parseCommand(word);
  if (/\s/.test(line)) {
    if (parsed?.command.completesTarget) return completeTarget(client, behind);
    return parsed?.command.completesRoom ? completeRoom(client, behind) : [[], line];
  }
  const slash = word.startsWith('/') ? '/' : '';
  const typed = word.slice(slash.length);
  const names = COMMANDS.flatMap(({ names, takes }) => names.map((name) => (takes === '' ? name : `${name} `)));
  const spelled = typed === typed.toLowerCase() && typed !== '' ? names.map((name) => name.toLowerCase()) : names;
  return [spelled.filter((name) => name.startsWith(typed)).map((name) => slash + name), word];
}

/** Completes the index or the name of a client. */
async function completeTarget(client: Client, typed: string): Promise<[string[], string]> {
  if (/\s/.test(typed)) return [[], typed];
  const { clients } = await client.list({ limit: 1000 }, { signal: AbortSignal.timeout(OFFER_PATIENCE) });
  const targets = clients.flatMap(({ index, name }) => [String(index), name ?? '']);
  // A name with a space in it cannot be told from a name and the text behind it.
  const usable = targets.filter((target) => target.startsWith(typed) && /^\S+$/.test(target));
  return [[...new Set(usable)], typed];
}

/** Completes the name of a room, with the # in front if it was typed so. */
async function completeRoom(client: Client, typed: string): Promise<[string[], string]> {
  if (/\s/.test(typed)) return [[], typed];
  const { rooms } = await client.listRooms({ limit: 1000 }, { signal: AbortSignal.timeout(OFFER_PATIENCE) });
  const mark = typed.startsWith('#') ? '#' : '';
  return [rooms.map(({ name }) => mark + name).filter((name) => name.startsWith(typed)), typed];
}

async function listAll({ client, signal, print }: Context): Promise<void> {
  for await (const info of client.clients({ limit: 1000 }, { signal })) print(clientLine(info));
}

/** The room that was given, or is asked for; undefined when nobody answers. */
async function askRoom({ client, ask }: Context, given: string, prompt: string): Promise<string | undefined> {
  const complete: Completer = (line) => completeRoom(client, line);
  const text = given.trim() || (await ask({ prompt, complete }))?.trim();
  return text === undefined ? undefined : roomName(text);
}

async function assertThere({ client, signal }: Context, to: Destination): Promise<void> {
  if (!('client' in to)) return;
  await client.get(to.client, { signal }).catch((error: unknown) => {
    throw sayWhatIsThere(error, to);
  });
}

/** Splits off the first word. Of the space behind it, only the first character is taken: the rest belongs to a text. */
function firstWord(text: string): { readonly word: string; readonly behind: string } {
  const [, word = '', behind = ''] = /^\s*(\S*)\s?(.*)$/s.exec(text) ?? [];
  return { word, behind };
}

/** What is not there, in words of this client rather than of the API. */
function sayWhatIsThere(error: unknown, to: Destination): unknown {
  if (!(error instanceof ProblemError)) return error;
  const notThere = (text: string) => new CommandError(text, ExitCode.notThere);
  if (error.code === 'no-such-room' && 'room' in to) {
    return notThere(`There is no room ${to.room}. ROOMS shows which there are, JOIN ${to.room} makes it.`);
  }
  if (!('client' in to)) return error;
  if (error.code === 'no-such-client') return notThere(`There is no client ${to.client}. LIST shows who there is.`);
  if (error.code === 'client-gone') return notThere(`Client ${to.client} has left. LIST shows who there is.`);
  return error;
}
