import { type Client, connect, type Message } from '../sdk/index.js';
import type { Command } from './command.js';
import { type Credential, withCredential } from './credential.js';
import { Handler, type Outcome } from './exec/handler.js';
import { ownPath } from './exec/own-path.js';
import { readAhead, received } from './exec/read-ahead.js';
import { ExitCode, UsageError } from './exit-code.js';
import { type OptionName, optionsHelp, readOptions, type Settings, variableOf } from './options.js';
import { note, write } from './output.js';
import { NEWEST } from './place.js';
import { PresenceNews } from './presence-news.js';
import { readState, type State, writeState } from './state-file.js';
import { visibleJson } from './visible.js';
import { isColorWanted, isWanted } from './when.js';
import { connectedLine, deletedLine, errorLine, invitedLine, messageLines, presenceLine } from './wording.js';

const OPTIONS = [
  'url',
  'name',
  'rooms',
  'presence',
  'token',
  'since',
  'state',
  'exec',
  'tries',
  'once',
  'timeout',
  'json',
  'quiet',
  'color',
  'timestamps',
] as const satisfies readonly OptionName[];

type ListenSettings = Pick<Settings, (typeof OPTIONS)[number]>;

/** As many messages as a mailbox keeps by default may wait for a command. */
const READ_AHEAD = 10_000;

export const command: Command = {
  usage: 'listen [--rooms LIST] [--presence] [--json] [--once] [--since CURSOR | --state FILE] [--exec CMD]',
  description: [
    'Connects as a client, and prints each message that comes to it. With --json a line is the message with its `cursor`:',
    'given to --since, it goes on behind that message, as the same client if that is still there. A cursor lets whoever has',
    'it read as that client: keep it secret. With --presence it also prints who comes and goes; with --json, as an object',
    'with `change`. Everything else is said on standard error.',
    '--timeout is for how long to listen. Ends with 0 after Ctrl-C or the timeout, or with 1 if --once waited in vain.',
    '',
    'With --exec it runs CMD for each message, one after the other. CMD has the text and a line break on standard input',
    '(with --json, the message), and in its environment INTERCHAT_ID, INTERCHAT_FROM (an index, empty for nobody),',
    'INTERCHAT_FROM_NAME, INTERCHAT_TO, INTERCHAT_REPLY_TO (where an answer belongs), INTERCHAT_DATA, INTERCHAT_SENT_AT and',
    'INTERCHAT_TRY; besides INTERCHAT_URL, INTERCHAT_TOKEN and INTERCHAT_CLIENT, so that interchat send in it sends as this',
    'client. What it has sent itself is passed over. Whatever CMD prints is printed. When CMD does not end with 0 it is tried',
    'again, after a pause, --tries times in all; then the next message has its turn.',
    '',
    'With --state it keeps in a FILE, which nobody else may read, who it is and how far it has come. Started anew within the',
    "server's grace time it goes on there: what came meanwhile is not missed, and what was dealt with does not come again.",
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    if (positionals.length > 0) throw new UsageError(`listen takes no arguments, not ${positionals.join(' ')}.`);
    const { since, state, exec, presence } = settings;
    if (since !== undefined && state !== undefined) {
      throw new UsageError('--since and --state both say from where to go on: give one of them.');
    }
    if (exec !== undefined && presence) throw new UsageError('--exec is for messages: --presence does not go with it.');
    const kept = state === undefined ? undefined : await readState(state);
    return withCredential(settings, (credential) => listen(settings, credential, kept));
  },
};

async function listen(settings: ListenSettings, credential: Credential, kept: State | undefined): Promise<number> {
  const { url, since, state, exec, once, timeout, quiet } = settings;
  const cursor = since ?? kept?.cursor;
  const token = credential.token ?? credentialOf(kept);
  const stopping = stopOnSignals();
  let client: Client;
  try {
    // Who has signed in is somebody who was there before: what was said then is in its history.
    const place = cursor ?? (credential.stored && NEWEST);
    client = await open(settings, token, place, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) return once ? ExitCode.failed : ExitCode.done;
    throw error;
  }
  // To be missing something is not a thing to keep quiet about.
  client.on('gap', () => note('Messages were missed: they are no longer kept.'));
  const keep = async (cursor: string) => {
    if (state !== undefined) await writeState(state, { url, token: client.token, cursor });
  };
  await keep(client.cursor);
  if (!quiet) tell(client, cursor !== undefined || token !== undefined);
  const timer = timeout === undefined ? undefined : setTimeout(() => stopping.abort(), timeout);
  const deal = exec === undefined ? printer(client, settings) : handler(client, exec, settings, stopping.signal);
  let last: Outcome | undefined;
  for await (const { message, cursor } of exec === undefined ? received(client) : readAhead(client, READ_AHEAD)) {
    // A bot hears in a room what it says there itself, and would answer for ever.
    const isOwn = exec !== undefined && message.from?.index === client.index;
    const outcome = isOwn ? undefined : await deal(message, cursor);
    if (outcome === 'interrupted') break;
    await keep(cursor);
    last = outcome ?? last;
    if (once && last !== undefined) break;
  }
  clearTimeout(timer);
  await client.close();
  return once && last !== 'handled' ? ExitCode.failed : ExitCode.done;
}

/**
 * What a state says of who it is, where its cursor does not: that of a client that signs in proves nothing by itself. A client's own
 * token is refused once the client has left, where the cursor alone begins as a new one.
 */
function credentialOf(state: State | undefined): string | undefined {
  return state?.token.startsWith('ict_') ? undefined : state?.token;
}

/** Aborts at the first Ctrl-C; the second ends the process at once. */
function stopOnSignals(): AbortController {
  const stopping = new AbortController();
  const stop = () => {
    if (stopping.signal.aborted) process.exit(ExitCode.failed);
    stopping.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  return stopping;
}

function open(
  { url, name, rooms, presence, timeout }: ListenSettings,
  token: string | undefined,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<Client> {
  const patience = timeout === undefined ? undefined : Math.min(timeout, 30_000);
  return connect(url, { signal, name, rooms, presence, token, cursor, timeout: patience });
}

/** Prints messages, and presence between them. */
function printer(client: Client, { json, color, timestamps }: ListenSettings) {
  const look = {
    colors: isColorWanted(color, process.stdout, process.env),
    timestamps: isWanted(timestamps, process.stdout),
  };
  const newsOf = () => new PresenceNews(client.welcome.client.lastSeenAt);
  let news = newsOf();
  client.on('welcome', () => (news = newsOf()));
  client.on('presence', (presence) => {
    if (json) void write(`${visibleJson(presence)}\n`);
    else if (news.isNews(presence)) void write(`${presenceLine(presence)}\n`);
  });
  return async (message: Message, cursor: string): Promise<Outcome> => {
    await write(`${json ? visibleJson({ ...message, cursor }) : messageLines(message, look)}\n`);
    return 'handled';
  };
}

/** Runs a command for messages. */
function handler(client: Client, exec: string, { url, tries, json }: ListenSettings, signal: AbortSignal) {
  const env = { ...process.env };
  // What listen was told is not meant for what is run in CMD.
  for (const name of OPTIONS) delete env[variableOf(name)];
  const handler = new Handler(client, {
    command: exec,
    tries,
    json,
    env: {
      ...env,
      PATH: ownPath(env.PATH ?? '', process.argv[1] ?? ''),
      INTERCHAT_URL: url,
      INTERCHAT_TOKEN: client.token,
      INTERCHAT_CLIENT: String(client.index),
    },
    signal,
  });
  process.once('exit', () => handler.kill());
  return async (message: Message): Promise<Outcome> => (signal.aborted ? 'interrupted' : handler.handle(message));
}

/** Says on standard error how it goes. */
function tell(client: Client, known: boolean): void {
  const { welcome } = client;
  note(connectedLine(client));
  if (known && !welcome.resumed) note('The server does not know that client any more: this is a new one.');
  client.on('disconnected', ({ error, retryIn }) =>
    note(`Disconnected (${errorLine(error)}), trying again in ${Math.ceil(retryIn / 1000)} s.`),
  );
  client.on('welcome', () => note('Back.'));
  client.on('deleted', (deleted) => note(deletedLine(deleted)));
  client.on('invited', (invited) => note(invitedLine(invited)));
}
