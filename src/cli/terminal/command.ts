import { type Client, type Destination, type Message, ProblemError } from '../../sdk/index.js';
import { CommandError, ExitCode } from '../exit-code.js';
import type { Door } from './door.js';
import type { HistoryPage, Pager } from './history.js';
import type { Inbox } from './inbox.js';
import type { Outbox } from './outbox.js';
import type { Question } from './screen.js';

/** What a command works with. */
export interface Context {
  readonly client: Client;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly pager: Pager;
  /** Aborts when whoever gave the command does not want to wait for it. */
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
  /** Prints messages as they are printed when they come. */
  readonly show: (messages: readonly Message[]) => void;
  readonly ask: (question: Question) => Promise<string | undefined>;
  readonly door: Door;
  /** Opens the stream of another client; from then on one is that. Without one the session ends. @throws as `open` does */
  readonly goOnAs: (open: () => Promise<Client | undefined>) => Promise<Outcome>;
}

/** What comes of a command: `quit` to end the session, or the client as which it goes on. */
export type Outcome = 'quit' | { readonly client: Client } | void;

export interface TerminalCommand {
  /** In capitals. */
  readonly name: string;
  /** What is to be given behind the name. */
  readonly takes: string;
  /** Empty where the help of the command before is its help, too. */
  readonly help: string;
  /** What stands behind the name begins with this. */
  readonly completes?: 'target' | 'room';
  /** @param rest what stands behind the name */
  run(context: Context, rest: string): Promise<Outcome>;
}

/** Splits off the first word. Of the space behind it, only the first character is taken: the rest belongs to a text. */
export function firstWord(text: string): { readonly word: string; readonly behind: string } {
  const [, word = '', behind = ''] = /^\s*(\S*)\s?(.*)$/s.exec(text) ?? [];
  return { word, behind };
}

/** What is not there, in words of this client rather than of the API. */
export function sayWhatIsThere(error: unknown, to: Destination): unknown {
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

/** Prints a page of what was said, and what of it cannot be shown. */
export function showPage({ print, show }: Pick<Context, 'print' | 'show'>, title: string, page: HistoryPage): void {
  const { messages, older, gap } = page;
  if (gap && older === undefined) print('What is older is no longer kept.');
  print(messages.length === 0 ? `${title}: nothing.` : `${title}:`);
  show(messages);
}
