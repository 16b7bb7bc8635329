import { type Client, ProblemError } from '../../sdk/index.js';
import { CommandError, ExitCode } from '../exit-code.js';
import { findTarget } from '../target.js';
import { visible } from '../visible.js';
import { clientLine } from '../wording.js';
import type { Completer, Question } from './screen.js';

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
  /** @param rest what stands behind the name. @returns `quit` to end the session */
  run(context: Context, rest: string): Promise<'quit' | void>;
}

const LIST: TerminalCommand = {
  names: ['LIST', 'WHO'],
  takes: '',
  help: 'who there is',
  async run({ client, signal, print }) {
    for await (const info of client.clients({ limit: 1000 }, { signal })) print(clientLine(info));
  },
};

const SEND: TerminalCommand = {
  names: ['SEND'],
  takes: '[INDEX or NAME [TEXT]]',
  help: 'send a text to a client; asks for what is not given',
  completesTarget: true,
  async run(context, rest) {
    const { client, signal, print, ask } = context;
    const { word, behind } = firstWord(rest);
    const complete: Completer = (line) => completeTarget(client, line);
    const target = word || (await ask({ prompt: 'Enter client index to send message to: ', complete }))?.trim();
    if (target === undefined) return;
    const index = await findTarget(client, target, { signal });
    // Asked before the text is typed, not after.
    await client.get(index, { signal }).catch((error: unknown) => {
      throw sayWhoIsThere(error, index);
    });
    const text = behind || (await ask({ prompt: 'Enter message: ' }));
    if (text === undefined) return;
    if (text === '') return print('There is nothing to send: the message is empty.');
    const { reach } = await client.send(index, text, { signal });
    if (reach === 0) print(`Client ${index} is away. It gets the message when it is back.`);
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

const COMMANDS: readonly TerminalCommand[] = [LIST, SEND, NAME, HELP, QUIT];

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
  if (/\s/.test(line)) return parsed?.command.completesTarget ? completeTarget(client, behind) : [[], line];
  const slash = word.startsWith('/') ? '/' : '';
  const typed = word.slice(slash.length);
  const names = COMMANDS.flatMap(({ names, takes }) => names.map((name) => (takes === '' ? name : `${name} `)));
  const spelled = typed === typed.toLowerCase() && typed !== '' ? names.map((name) => name.toLowerCase()) : names;
  return [spelled.filter((name) => name.startsWith(typed)).map((name) => slash + name), word];
}

/** Completes the index or the name of a client. */
async function completeTarget(client: Client, typed: string): Promise<[string[], string]> {
  if (/\s/.test(typed)) return [[], typed];
  const { clients } = await client.list({ limit: 1000 });
  const targets = clients.flatMap(({ index, name }) => [String(index), name ?? '']);
  // A name with a space in it cannot be told from a name and the text behind it.
  const usable = targets.filter((target) => target.startsWith(typed) && /^\S+$/.test(target));
  return [[...new Set(usable)], typed];
}

/** Splits off the first word. Of the space behind it, only the first character is taken: the rest belongs to a text. */
function firstWord(text: string): { readonly word: string; readonly behind: string } {
  const [, word = '', behind = ''] = /^\s*(\S*)\s?(.*)$/s.exec(text) ?? [];
  return { word, behind };
}

function sayWhoIsThere(error: unknown, index: number): unknown {
  if (!(error instanceof ProblemError)) return error;
  if (error.code === 'no-such-client') {
    return new CommandError(`There is no client ${index}. LIST shows who there is.`, ExitCode.notThere);
  }
  if (error.code === 'client-gone') {
    return new CommandError(`Client ${index} has left. LIST shows who there is.`, ExitCode.notThere);
  }
  return error;
}
