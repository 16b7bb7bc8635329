import { InterChat } from '../sdk/index.js';
import type { Command } from './command.js';
import { ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { SecretPrompt } from './password.js';
import { StoredSessions } from './stored-sessions.js';
import { nothing } from './verbs.js';
import { visible, visibleJson } from './visible.js';
import { signIn } from './signing-in.js';

const OPTIONS = ['url', 'name', 'json', 'timeout'] as const;

export const command: Command = {
  usage: 'login [--name NAME]',
  description: [
    'Signs in with an account. From then on all commands are yours at this server, unless --token says otherwise, until',
    'interchat logout. The password is asked for on the terminal, or else is a line of standard input.',
    'The session is kept in ~/.local/state/interchat/sessions.json ($XDG_STATE_HOME), which only you can read.',
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    nothing(positionals);
    const { url, json, timeout } = settings;
    const sessions = new StoredSessions(process.env);
    // What cannot be kept is not to be asked for.
    await sessions.find(url);
    const prompt = new SecretPrompt();
    try {
      if (settings.name === undefined && !prompt.isByHand) throw new UsageError('As whom? Give --name.');
      const name = settings.name ?? (await prompt.askOpenly('Name: '));
      const password = await prompt.ask(`Password for ${visible(name)}: `);
      const { token, ...who } = await signIn(new InterChat(url, { timeout, retries: 0 }), sessions, {
        url,
        name,
        password,
      });
      void token;
      await write(
        json ? `${visibleJson(who)}\n` : `Signed in as ${visible(who.name ?? name)}: client ${who.client.index}.\n`,
      );
    } finally {
      prompt.close();
    }
    return ExitCode.done;
  },
};
