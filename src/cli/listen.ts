import { type Client, connect, type Message } from '../sdk/index.js';
import type { Command } from './command.js';
import { ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { note, write } from './output.js';
import { visibleJson } from './visible.js';
import { errorLine, messageLines, presenceLine } from './wording.js';
import { isColorWanted, isWanted } from './when.js';

const OPTIONS = [
  'url',
  'name',
  'rooms',
  'presence',
  'token',
  'since',
  'once',
  'timeout',
  'json',
  'quiet',
  'color',
  'timestamps',
] as const;

export const command: Command = {
  usage: 'listen [--rooms LIST] [--presence] [--json] [--once] [--since CURSOR]',
  description: [
    'Connects as a client, and prints each message that comes to it. With --json a line is the message with its `cursor`:',
    'given to --since, it goes on behind that message, as the same client if that is still there. A cursor lets whoever has',
    'it read as that client: keep it secret. With --presence it also prints who comes and goes; with --json, as an object',
    'with `change`. Everything else is said on standard error.',
    '--timeout is for how long to listen. Ends with 0 after Ctrl-C or the timeout, or with 1 if --once waited in vain.',
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    if (positionals.length > 0) throw new UsageError(`listen takes no arguments, not ${positionals.join(' ')}.`);
    const {
      url,
      name,
      rooms,
      presence,
      token,
      since: cursor,
      once,
      timeout,
      json,
      quiet,
      color,
      timestamps,
    } = settings;
    const look = {
      colors: isColorWanted(color, process.stdout, process.env),
      timestamps: isWanted(timestamps, process.stdout),
    };
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let client: Client;
    try {
      client = await connect(url, {
        signal: stopping.signal,
        name,
        rooms,
        presence,
        token,
        cursor,
        timeout: timeout === undefined ? undefined : Math.min(timeout, 30_000),
      });
    } catch (error) {
      if (stopping.signal.aborted) return once ? ExitCode.failed : ExitCode.done;
      throw error;
    }
    // To be missing something is not a thing to keep quiet about.
    client.on('gap', () => note('Messages were missed: they are no longer kept.'));
    if (!quiet) tell(client, cursor !== undefined || token !== undefined);
    let printing: Promise<void> = Promise.resolve();
    client.on('presence', (presence) => {
      printing = printing.then(() => write(`${json ? visibleJson(presence) : presenceLine(presence)}\n`));
    });
    const timer = timeout === undefined ? undefined : setTimeout(stop, timeout);
    let came = false;
    for await (const message of client.messages()) {
      came = true;
      await write(`${json ? jsonLine(message, client.cursor) : messageLines(message, look)}\n`);
      if (once) break;
    }
    clearTimeout(timer);
    await client.close();
    await printing;
    return once && !came ? ExitCode.failed : ExitCode.done;
  },
};

function jsonLine(message: Message, cursor: string): string {
  return visibleJson({ ...message, cursor });
}

/** Says on standard error how it goes. */
function tell(client: Client, known: boolean): void {
  const { index, welcome } = client;
  note(`Client ${index} connected.`);
  if (known && !welcome.resumed) note('The server does not know that client any more: this is a new one.');
  client.on('disconnected', ({ error, retryIn }) =>
    note(`Disconnected (${errorLine(error)}), trying again in ${Math.ceil(retryIn / 1000)} s.`),
  );
  client.on('welcome', () => note('Back.'));
}
