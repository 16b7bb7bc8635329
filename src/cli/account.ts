import type { Account } from '../sdk/index.js';
import { ProblemError } from '../sdk/index.js';
import type { Command } from './command.js';
import { isOver } from './credential.js';
import { CommandError, ExitCode } from './exit-code.js';
import { inOffice, type Office, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions, type Settings } from './options.js';
import { note, write } from './output.js';
import { SecretPrompt } from './password.js';
import { readVerb, nothing, only, type Verbs } from './verbs.js';
import { visible, visibleJson } from './visible.js';
import { mayText } from './wording.js';

const OPTIONS = ['may', 'admin', 'json', ...OFFICE_OPTIONS] as const;

type AccountSettings = Pick<Settings, 'may' | 'admin' | 'json'>;

export const command: Command = {
  usage: 'account add NAME [--may LIST] [--admin] | account list | account remove NAME | account password NAME',
  description: [
    'Makes, lists and removes accounts, and sets their passwords. A password is asked for on the terminal, or else is a line of',
    'standard input; for one’s own account the one of today comes first, on a line of its own.',
    'Unless --may says so, an account may do all that members do: connect, list, send:*, read:*.',
    '',
    OFFICE_HELP,
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    const act = readVerb('account', VERBS, line.positionals, line.settings);
    await inOffice(line, line.positionals[0] === 'add', act);
    return ExitCode.done;
  },
};

const VERBS: Verbs<AccountSettings, Office> = {
  add(given, { may, admin, json }) {
    const name = only('the name of the account', given);
    const wanted = admin ? [...new Set([...(may ?? []), 'admin'])] : may;
    return async (office) => {
      const password = await withPrompt((prompt) => prompt.askNew(`Password for ${visible(name)}: `));
      const account = await office.accounts.add(name, password, { may: wanted });
      await write(json ? `${visibleJson(account)}\n` : `Account ${visible(account.name)} was made.\n`);
      tellPlace(office);
    };
  },

  list(given, { json }) {
    nothing(given);
    return async ({ accounts }) => {
      for (const account of await accounts.list()) {
        await write(`${json ? visibleJson(account) : accountLine(account)}\n`);
      }
    };
  },

  remove(given, { json }) {
    const name = only('the name of the account', given);
    return async ({ accounts }) => {
      await accounts.remove(name);
      if (!json) await write(`Account ${visible(name)} was removed, and with it its client and its mailbox.\n`);
    };
  },

  password(given, { json }) {
    const name = only('the name of the account', given);
    return async (office) => {
      await setPassword(office, name);
      if (!json)
        await write(`The password of ${visible(name)} was set, and other sessions of the account have ended.\n`);
    };
  },
};

async function setPassword(office: Office, name: string): Promise<void> {
  const own = office.isPersonal && (await isOwn(office, name));
  const asked = await withPrompt(async (prompt) => {
    const current = own ? await prompt.ask('Current password: ') : undefined;
    return { current, password: await prompt.askNew() };
  });
  try {
    await office.accounts.setPassword(name, asked.password, { current: asked.current });
  } catch (error) {
    // The same status, but another matter than a session that is over.
    if (!(error instanceof ProblemError) || !isOver(error) || (await isSessionOver(office))) throw error;
    throw new CommandError(error.message, ExitCode.noCredential);
  }
}

async function withPrompt<T>(ask: (prompt: SecretPrompt) => Promise<T>): Promise<T> {
  const prompt = new SecretPrompt();
  try {
    return await ask(prompt);
  } finally {
    prompt.close();
  }
}

/** Whether this is one's own account: names are the same whatever their case. */
async function isOwn({ api }: Office, name: string): Promise<boolean> {
  const who = await api?.sessions.current();
  const folded = (text: string | null) => text?.normalize('NFKC').toUpperCase();
  return who?.kind === 'account' && folded(who.name) === folded(name);
}

async function isSessionOver({ api }: Office): Promise<boolean> {
  return (
    api?.sessions.current().then(
      () => false,
      (error: unknown) => isOver(error),
    ) ?? false
  );
}

function accountLine({ name, may, createdAt }: Account): string {
  return visible(`${name}: may ${mayText(may)}; since ${createdAt.slice(0, 10)}.`);
}

/** Where something was made, if that is a folder: it may be the wrong one. */
export function tellPlace({ place }: Office): void {
  if (place !== undefined) note(`It is in ${place}, for the server that runs there next.`);
}
