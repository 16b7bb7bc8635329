import { type Client, connect } from '../sdk/index.js';
import type { Command } from './command.js';
import { withCredential } from './credential.js';
import { ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions, serverUrl } from './options.js';
import { NEWEST } from './place.js';
import { settingsFile, withSettingsFile } from './settings-file.js';
import { commandsHelp } from './terminal/commands.js';
import { Door } from './terminal/door.js';
import { PlainScreen } from './terminal/plain-screen.js';
import { runSession } from './terminal/session.js';
import { TerminalScreen } from './terminal/terminal-screen.js';
import { isColorWanted, isWanted } from './when.js';

const OPTIONS = ['url', 'name', 'rooms', 'presence', 'token', 'timeout', 'color', 'timestamps', 'bell'] as const;

export const command: Command = {
  usage: 'connect [URL] [--name NAME] [--rooms LIST]',
  description: [
    'Connects as a client, to list, send and receive by hand. Standard input may be a file or a pipe: then it is taken line',
    'by line, each after the one before is answered, and the client leaves at its end.',
    '--timeout is how long to wait for each answer.',
    `What is always to be so can stand in ${settingsFile(process.env)}, a line each: name = alice`,
    `\nCommands, in small letters or capitals, with a slash in front or without:\n${commandsHelp()}`,
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, await withSettingsFile(process.env, OPTIONS));
    const [url, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`connect takes one URL, not also ${rest.join(' ')}.`);
    const { name, rooms, presence, timeout, color, timestamps, bell } = settings;
    const server = url === undefined ? settings.url : serverUrl(url);
    const { stdin, stdout } = process;
    const byHand = stdin.isTTY && stdout.isTTY;
    // Before the connection, so that what is typed meanwhile is not shown twice. A dumb terminal knows no control codes:
    // there, lines are all there is.
    const screen =
      byHand && process.env.TERM !== 'dumb'
        ? new TerminalScreen(stdin, stdout)
        : new PlainScreen(stdin, stdout, { echo: !byHand });
    const look = {
      colors: isColorWanted(color, stdout, process.env),
      timestamps: isWanted(timestamps, stdout),
      bell,
    };
    const connecting = new AbortController();
    screen.onInterrupt = () => connecting.abort();
    const { signal } = connecting;
    let client: Client | undefined;
    try {
      return await withCredential({ url: server, token: settings.token }, async ({ token, stored }) => {
        // Who has signed in goes on where it was shown something last; the first time, at the newest.
        const cursor = stored && (stored.cursor ?? NEWEST);
        client = await connect(server, { name, rooms, presence, token, cursor, timeout, signal });
        screen.onInterrupt = () => undefined;
        return runSession(client, screen, look, new Door(server, { presence, timeout }));
      });
    } catch (error) {
      const isCalledOff = client === undefined && signal.aborted;
      screen.end();
      if (isCalledOff) return ExitCode.done;
      throw error;
    }
  },
};
