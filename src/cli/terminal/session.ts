import { type Client, InterChatError, type Message } from '../../sdk/index.js';
import { CommandError, ExitCode } from '../exit-code.js';
import { PresenceNews } from '../presence-news.js';
import { visible } from '../visible.js';
import {
  connectedLine,
  count,
  deletedLine,
  errorLine,
  invitedLine,
  type Look,
  messageLines,
  presenceLine,
} from '../wording.js';
import { type Context, firstWord, type Outcome, showPage } from './command.js';
import { completeCommand, parseCommand, readInput } from './commands.js';
import { sendLine } from './commands/sending.js';
import type { Conversation } from './conversation.js';
import type { Door } from './door.js';
import { Pager } from './history.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import type { Question, Screen } from './screen.js';

/** For so many milliseconds a server may keep somebody who wants to leave, or to see what was missed. */
const PATIENCE = 5_000;

/** More messages than this are not counted. */
const COUNTED = 100;

/** How messages are shown, and whether a bell rings for those of others. */
interface SessionLook extends Look {
  readonly bell: boolean;
}

/**
 * Takes commands until the end of input or QUIT, then leaves; prints meanwhile what comes in. Whoever signs in or out goes on as
 * another client.
 * @returns the exit code
 * @throws what the client cannot go on after: see Client.messages
 */
export async function runSession(first: Client, screen: Screen, look: SessionLook, door: Door): Promise<number> {
  for (let client: Client | undefined = first; client;) client = await runAs(client, screen, look, door);
  return ExitCode.done;
}

/** @returns the client as which it goes on; undefined at the end */
async function runAs(client: Client, screen: Screen, look: SessionLook, door: Door): Promise<Client | undefined> {
  screen.print(connectedLine(client));
  let isChanging = false;
  const goOnAs = async (open: () => Promise<Client | undefined>): Promise<Outcome> => {
    isChanging = true;
    try {
      const next = await open();
      return next ? { client: next } : 'quit';
    } catch (error) {
      isChanging = false;
      // It was ended on the way, and there is nothing to go on with.
      if (client.state === 'closed') screen.end();
      throw error;
    }
  };
  const desk: Desk = {
    client,
    inbox: new Inbox(),
    outbox: new Outbox(client),
    pager: new Pager(client),
    print: (text: string) => screen.print(text),
    // In one piece, so that a thousand of them are drawn once.
    show: (messages: readonly Message[]) => {
      if (messages.length > 0) screen.print(messages.map((message) => messageLines(message, look)).join('\n'));
    },
    ask: (question: Question) => screen.ask(question),
    door,
    goOnAs,
  };
  screen.onPage = leafing(desk);
  const showing = showMessages(desk, screen, look)
    .then(
      () => undefined,
      (error: Error) => error,
    )
    .finally(() => {
      if (!isChanging) screen.end();
    });
  const outcome = await takeCommands(desk, screen);
  if (client.state !== 'closed') await leave(client, screen);
  const failure = await showing;
  // That a session has ended is no news to whoever has ended it.
  if (failure && !isChanging) throw failure;
  if (outcome) return outcome.client;
  if (client.isSignedIn) await door.keepPlace(client);
  screen.end();
  return undefined;
}

/** A context but for the signal, which each command has for itself. */
type Desk = Omit<Context, 'signal'>;

/** @returns the client as which it goes on; undefined at the end */
async function takeCommands(desk: Desk, screen: Screen): Promise<{ readonly client: Client } | undefined> {
  const { client, inbox } = desk;
  const question = {
    prompt: () => inbox.prompt,
    complete: (line: string) => completeCommand(client, line, inbox.conversation !== undefined),
    recall: true,
  };
  for (let line = await screen.ask(question); line !== undefined; line = await screen.ask(question)) {
    if (line.trim() === '') continue;
    const outcome = await runLine(desk, screen, line);
    if (outcome) return outcome === 'quit' ? undefined : outcome;
  }
  return undefined;
}

async function runLine(desk: Desk, screen: Screen, line: string): Promise<Outcome> {
  const { conversation } = desk.inbox;
  const input = readInput(line, conversation !== undefined);
  if (input.type === 'unknown') {
    const help = conversation === undefined ? 'HELP' : '/HELP';
    const slashes = conversation === undefined ? '' : '\nTwo slashes send a text that begins with one.';
    return screen.print(
      `Unknown command: ${visible(line.trim())}. Nothing was sent. ${help} lists the commands.${slashes}`,
    );
  }
  const waiting = new AbortController();
  screen.onInterrupt = () => waiting.abort();
  const context = { ...desk, signal: waiting.signal };
  try {
    if (input.type === 'command') return await input.command.run(context, input.rest);
    await talk(context, conversation, input.text);
  } catch (error) {
    if (error instanceof CommandError) return screen.print(errorLine(error));
    if (waiting.signal.aborted) return screen.print('Interrupted.');
    if (!(error instanceof InterChatError)) throw error;
    screen.print(errorLine(error));
  } finally {
    screen.onInterrupt = () => undefined;
  }
}

/** Sends a line to the conversation that is open. */
async function talk(context: Context, conversation: Conversation | undefined, text: string): Promise<void> {
  if (conversation === undefined || 'nobody' in conversation) return;
  await sendLine(context, conversation, text);
  const { word, behind } = firstWord(text);
  const command = parseCommand(word)?.command;
  // A sentence may well begin with "name" or "read", but hardly with NAME or READ.
  if (command && (behind === '' || word === command.name))
    context.print(`That was sent as a text. The command is /${command.name}.`);
}

/** PgUp and PgDn: what is older, and back again. One page at a time: a key that is held down asks for none on top. */
function leafing({ client, pager, print, show }: Desk): (direction: 'back' | 'forth') => void {
  let isLeafing = false;
  const leaf = async (direction: 'back' | 'forth') => {
    try {
      const page = await pager[direction]({ signal: AbortSignal.timeout(PATIENCE) });
      if (page) showPage({ print, show }, `${pager.title}, ${direction === 'back' ? 'older' : 'newer'}`, page);
      else print(direction === 'back' ? 'There is nothing older.' : 'There is nothing newer.');
    } catch (error) {
      print(client.state === 'closed' ? 'Not connected any more.' : errorLine(error));
    } finally {
      isLeafing = false;
    }
  };
  return (direction) => {
    if (isLeafing) return;
    isLeafing = true;
    void leaf(direction);
  };
}

/** Prints messages, and how the connection fares, until the client ends. */
async function showMessages({ client, inbox, outbox, show }: Desk, screen: Screen, look: SessionLook): Promise<void> {
  // What was missed is announced before it is shown.
  let announced: Promise<void> = Promise.resolve();
  client.on('disconnected', ({ retryIn }) =>
    screen.print(`Disconnected, trying again in ${Math.ceil(retryIn / 1000)} s.`),
  );
  const newsOf = () => new PresenceNews(client.welcome.client.lastSeenAt);
  let news = newsOf();
  client.on('welcome', () => {
    news = newsOf();
    announced = missed(client).then((text) => screen.print(text));
  });
  client.on('presence', (presence) => {
    if (news.isNews(presence)) screen.print(presenceLine(presence));
  });
  client.on('invited', (invited) => screen.print(invitedLine(invited)));
  client.on('deleted', (deleted) => {
    announced = announced.then(() =>
      inbox.forget(deleted.id) ? screen.refresh() : screen.print(deletedLine(deleted)),
    );
  });
  client.on('gap', () => {
    announced = announced.then(() => screen.print('Some messages were missed: they are no longer kept.'));
  });
  for await (const message of client.messages()) {
    await announced;
    const isOwn = message.from?.index === client.index;
    if (outbox.isEcho(message)) continue;
    if (look.bell && !isOwn) screen.ring();
    if (isOwn || inbox.take(message)) show([message]);
    else screen.refresh();
  }
}

/** What to say on return: how many messages of others wait behind the last one that was shown. */
async function missed(client: Client): Promise<string> {
  try {
    const query = { after: client.cursor, limit: COUNTED };
    const options = { signal: AbortSignal.timeout(PATIENCE) };
    const pages = await Promise.all([
      client.read(query, options),
      client.readEveryone(query, options),
      ...client.welcome.client.rooms.map((room) => client.readRoom(room, query, options)),
    ]);
    // What one sends before the stream is back comes on it, too.
    const missed = pages.flatMap(({ messages }) => messages.filter(({ from }) => from?.index !== client.index)).length;
    if (missed === 0) return 'Back.';
    const more = pages.some(({ messages }) => messages.length === COUNTED) ? 'at least ' : '';
    return `Back, ${more}${count(missed, 'message')} missed:`;
  } catch {
    return 'Back.';
  }
}

/** A client that signs in stays, and only its stream is closed. */
async function leave(client: Client, screen: Screen): Promise<void> {
  if (client.isSignedIn) return client.close();
  try {
    await client.leave({ signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    screen.print('The server could not be told; it will notice after a while.');
    await client.close();
  }
}
