import { CommandError, ExitCode } from '../../exit-code.js';
import { visible } from '../../visible.js';
import { whoLines } from '../../wording.js';
import type { TerminalCommand } from '../command.js';
import { closeConversation } from './conversations.js';

export const WHOAMI: TerminalCommand = {
  name: 'WHOAMI',
  takes: '',
  help: 'who you are, and what you may do; sign out',
  async run({ client, signal, print }) {
    print(whoLines(await client.api.sessions.current({ signal })));
  },
};

export const LOGOUT: TerminalCommand = {
  name: 'LOGOUT',
  takes: '',
  help: '',
  async run(context) {
    const { client, door, signal, goOnAs } = context;
    if (!client.isSignedIn) throw new CommandError('You are not signed in. LOGIN alice signs in.', ExitCode.failed);
    return goOnAs(async () => {
      const next = await door.signOut(client, { signal });
      if (context.inbox.conversation !== undefined) closeConversation(context);
      context.print('Signed out.');
      return next;
    });
  },
};

export const LOGIN: TerminalCommand = {
  name: 'LOGIN',
  takes: '[NAME]',
  help: 'sign in, and go on as the client of that account',
  async run(context, rest) {
    const { ask, door, signal, goOnAs } = context;
    const name = rest.trim() || (await ask({ prompt: 'Enter name: ' }))?.trim();
    if (!name) return;
    const password = await ask({ prompt: `Password for ${visible(name)}: `, secret: true });
    if (!password) return context.print('No password was given.');
    return goOnAs(async () => {
      const next = await door.signIn(name, password, { signal });
      if (context.inbox.conversation !== undefined) closeConversation(context);
      return next;
    });
  },
};
