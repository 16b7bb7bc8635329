import { InterChat } from '../sdk/index.js';
import type { Command } from './command.js';
import { findCredential } from './credential.js';
import { CommandError, ExitCode } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { endSession } from './signing-in.js';
import { StoredSessions } from './stored-sessions.js';
import { nothing } from './verbs.js';

const OPTIONS = ['url', 'token', 'everywhere', 'json', 'timeout'] as const;

export const command: Command = {
  usage: 'logout [--everywhere]',
  description: [
    'Ends the session that interchat login has begun, at the server and here. With --everywhere it ends all sessions of the',
    'account, on whatever device.',
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    nothing(positionals);
    const { url, everywhere, json, timeout } = settings;
    const { token } = await findCredential(url, settings.token);
    if (token === undefined) {
      throw new CommandError('You are not signed in at this server: interchat login signs in.', ExitCode.noCredential);
    }
    const ended = await endSession(new InterChat(url, { token, timeout, retries: 0 }), { everywhere });
    await new StoredSessions(process.env).forget(url, token);
    if (!json)
      await write(ended ? `Signed out${everywhere ? ' everywhere' : ''}.\n` : 'The session was over already.\n');
    return ExitCode.done;
  },
};
