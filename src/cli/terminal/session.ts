import { type Client, InterChatError } from '../../sdk/index.js';
import { CommandError, ExitCode } from '../exit-code.js';
import { count, errorLine, type Look, messageLines, presenceLine } from '../wording.js';
import { visible } from '../visible.js';
import { completeCommand, parseCommand } from './commands.js';
import type { Screen } from './screen.js';

/** For so many milliseconds a server may keep somebody who wants to leave, or to see what was missed. */
const PATIENCE = 5_000;

/** More messages than this are not counted. */
const COUNTED = 100;

const BELL = '\x07';

/** How messages are shown, and whether a bell rings for those of others. */
interface SessionLook extends Look {
  readonly bell: boolean;
}

/**
 * Takes commands until the end of input or QUIT, then leaves; prints meanwhile what comes in.
 * @returns the exit code
 * @throws what the client cannot go on after: see Client.messages
 */
export async function runSession(client: Client, screen: Screen, look: SessionLook): Promise<number> {
  screen.print(`Client ${client.index} connected.`);
  const showing = showMessages(client, screen, look)
    .then(
      () => undefined,
      (error: Error) => error,
    )
    .finally(() => screen.end());
  await takeCommands(client, screen);
  if (client.state !== 'closed') await leave(client, screen);
  const failure = await showing;
  if (failure) throw failure;
  return ExitCode.done;
}

async function takeCommands(client: Client, screen: Screen): Promise<void> {
  const question = {
    prompt: 'Enter command: ',
    complete: (line: string) => completeCommand(client, line),
    recall: true,
  };
  for (let line = await screen.ask(question); line !== undefined; line = await screen.ask(question)) {
    if (line.trim() === '') continue;
    const outcome = await runLine(client, screen, line);
    if (outcome === 'quit') return;
  }
}

async function runLine(client: Client, screen: Screen, line: string): Promise<'quit' | void> {
  const parsed = parseCommand(line);
  if (!parsed)
    return screen.print(`Unknown command: ${visible(line.trim())}. Nothing was sent. HELP lists the commands.`);
  const waiting = new AbortController();
  screen.onInterrupt = () => waiting.abort();
  const context = {
    client,
    signal: waiting.signal,
    print: (text: string) => screen.print(text),
    ask: screen.ask.bind(screen),
  };
  try {
    return await parsed.command.run(context, parsed.rest);
  } catch (error) {
    if (waiting.signal.aborted) return screen.print('Interrupted.');
    if (!(error instanceof InterChatError || error instanceof CommandError)) throw error;
    screen.print(errorLine(error));
  } finally {
    screen.onInterrupt = () => undefined;
  }
}

/** Prints messages, and how the connection fares, until the client ends. */
async function showMessages(client: Client, screen: Screen, look: SessionLook): Promise<void> {
  // What was missed is announced before it is shown.
  let announced: Promise<void> = Promise.resolve();
  client.on('disconnected', ({ retryIn }) =>
    screen.print(`Disconnected, trying again in ${Math.ceil(retryIn / 1000)} s.`),
  );
  client.on('welcome', () => {
    announced = missed(client).then((text) => screen.print(text));
  });
  client.on('presence', (presence) => screen.print(presenceLine(presence)));
  client.on('gap', () => {
    announced = announced.then(() => screen.print('Some messages were missed: they are no longer kept.'));
  });
  for await (const message of client.messages()) {
    await announced;
    const isOwn = message.from?.index === client.index;
    screen.print((look.bell && !isOwn ? BELL : '') + messageLines(message, look));
  }
}

/** What to say on return: how many messages wait behind the last one that was shown. */
async function missed(client: Client): Promise<string> {
  try {
    const query = { after: client.cursor, limit: COUNTED };
    const options = { signal: AbortSignal.timeout(PATIENCE) };
    const pages = await Promise.all([
      client.read(query, options),
      client.readEveryone(query, options),
      ...client.welcome.client.rooms.map((room) => client.readRoom(room, query, options)),
    ]);
    const missed = pages.reduce((sum, { messages }) => sum + messages.length, 0);
    if (missed === 0) return 'Back.';
    const more = pages.some(({ messages }) => messages.length === COUNTED) ? 'at least ' : '';
    return `Back, ${more}${count(missed, 'message')} missed:`;
  } catch {
    return 'Back.';
  }
}

async function leave(client: Client, screen: Screen): Promise<void> {
  try {
    await client.leave({ signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    screen.print('The server could not be told; it will notice after a while.');
    await client.close();
  }
}
