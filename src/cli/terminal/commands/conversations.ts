import { visibleJson } from '../../visible.js';
import { type Context, firstWord, sayWhatIsThere, showPage, type TerminalCommand } from '../command.js';
import type { Conversation } from '../conversation.js';
import { readBack } from '../history.js';
import { unreadTitle } from '../inbox.js';
import { askConversation, nameOf } from './choosing.js';

export const OPEN: TerminalCommand = {
  name: 'OPEN',
  takes: '[TARGET]',
  help: 'talk: what you type goes there; commands need a /',
  completes: 'target',
  async run(context, rest) {
    const { client, inbox, pager, signal, print } = context;
    const to = await askConversation(context, rest.trim());
    if (to === undefined) return;
    const label = await nameOf(context, to);
    // Whoever talks in a room wants to hear what is answered.
    if ('room' in to) await client.enter(to.room, { signal });
    inbox.open(to, label);
    pager.begin(to, titleOf(to, label));
    print(`What you type goes to ${label}. Commands need a slash: /CLOSE, /HISTORY, /HELP.`);
    showUnread(context, to);
  },
};

export const CLOSE: TerminalCommand = {
  name: 'CLOSE',
  takes: '',
  help: 'end that, and show what has come elsewhere',
  async run(context) {
    if (context.inbox.conversation !== undefined) return closeConversation(context);
    context.print('Nothing is open. OPEN bob, or OPEN #lobby, begins to talk.');
  },
};

export const READ: TerminalCommand = {
  name: 'READ',
  takes: '[TARGET]',
  help: 'show what has come elsewhere while you talk',
  completes: 'target',
  async run(context, rest) {
    const target = rest.trim();
    const where = target === '' ? undefined : await askReadable(context, target);
    if (where === undefined && target !== '') return;
    if (!showUnread(context, where)) context.print('Nothing is unread.');
  },
};

export const HISTORY: TerminalCommand = {
  name: 'HISTORY',
  takes: '[TARGET]',
  help: 'what was said there or where you talk; PgUp: older',
  completes: 'target',
  async run(context, rest) {
    const { client, inbox, pager, signal, print } = context;
    const target = rest.trim();
    const where = target === '' ? inbox.conversation : await askReadable(context, target);
    if (where === undefined && target !== '') return;
    const title = titleOf(where, where && (await nameOf(context, where)));
    pager.begin(where, title);
    const page = await pager.back({ signal }).catch(sayWhere(where));
    if (page === undefined) return;
    showPage(context, title, page);
    if (page.older !== undefined) print('PgUp shows what is older.');
    if (where === undefined) print('HISTORY #room, or everyone, shows what was said there.');
    if (where !== undefined && 'client' in where && where.client !== client.index) {
      print('What you sent is not shown: a mailbox has only what came.');
    }
  },
};

export const SEARCH: TerminalCommand = {
  name: 'SEARCH',
  takes: '[#ROOM] TEXT',
  help: 'newest messages with it, there or where you talk',
  completes: 'room',
  async run(context, rest) {
    const { client, inbox, signal, print } = context;
    const { word, behind } = firstWord(rest);
    const isElsewhere = behind !== '' && (word.startsWith('#') || word === 'everyone');
    const where = isElsewhere ? await askConversation(context, word) : inbox.conversation;
    const q = isElsewhere ? behind : rest;
    if (q.trim() === '') return print('For what? SEARCH hello, or SEARCH #lobby hello.');
    const title = titleOf(where, where && (await nameOf(context, where)));
    const page = await readBack(client, where, { q }, { signal }).catch(sayWhere(where));
    showPage(context, `${title}, with ${visibleJson(q)}`, page);
  },
};

/** Ends the conversation that is open, and shows what has come elsewhere. */
export function closeConversation(context: Context): void {
  context.inbox.close();
  context.pager.begin(undefined, titleOf());
  showUnread(context);
}

/** Nobody can be written to, but may have written. @throws as askConversation */
async function askReadable(context: Context, target: string): Promise<Conversation | undefined> {
  return target === 'nobody' ? { nobody: true } : askConversation(context, target);
}

/** Throws what went wrong there, in words of this client. */
function sayWhere(where: Conversation | undefined): (error: unknown) => never {
  return (error) => {
    throw where === undefined || 'nobody' in where ? error : sayWhatIsThere(error, where);
  };
}

function titleOf(where?: Conversation, label = ''): string {
  if (where === undefined) return 'Sent to you';
  if ('room' in where) return `Said in ${label}`;
  return 'everyone' in where ? 'Said to everyone' : `Sent to you by ${label}`;
}

/** Shows what is unread in a conversation, or in all. @returns whether there was something */
function showUnread({ inbox, print, show }: Context, where?: Conversation): boolean {
  const all = inbox.read(where);
  for (const unread of all) {
    print(unreadTitle(unread));
    show(unread.messages);
  }
  return all.length > 0;
}
