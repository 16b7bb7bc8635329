import { isIP } from 'node:net';
import type { Ban } from '../sdk/index.js';
import type { Command } from './command.js';
import { readDuration } from './duration.js';
import { ExitCode, UsageError } from './exit-code.js';
import { inOffice, type Office, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions, type Settings } from './options.js';
import { write } from './output.js';
import { timeOf } from './time.js';
import { readVerb, nothing, only, type Verbs } from './verbs.js';
import { visible, visibleJson } from './visible.js';

const OPTIONS = ['for', 'reason', 'json', ...OFFICE_OPTIONS] as const;

type BanSettings = Pick<Settings, 'for' | 'reason' | 'json'>;

export const command: Command = {
  usage: 'ban add WHOM --for TIME [--reason TEXT] | ban list | ban lift ID',
  description: [
    'Keeps somebody out for a time, lists who is kept out, and lets somebody in again. WHOM is an address or a range such as',
    '192.0.2.0/24; the index of a client, for its account, key or identity; or the name of an account.',
    '',
    OFFICE_HELP,
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    const act = readVerb('ban', VERBS, line.positionals, line.settings);
    await inOffice(line, false, act);
    return ExitCode.done;
  },
};

const VERBS: Verbs<BanSettings, Office> = {
  add(given, { for: time, reason, json }) {
    const whom = targetOf(only('an address, the index of a client, or the name of an account', given));
    if (time === undefined) throw new UsageError('For how long? Give --for, such as --for 12h.');
    const ban = { ...whom, seconds: readDuration('--for', time), ...(reason === undefined ? {} : { reason }) };
    return async ({ moderation }) => tell(await moderation.ban(ban), json);
  },

  list(given, { json }) {
    nothing(given);
    return async ({ moderation }) => {
      for (const ban of await moderation.bans()) await tell(ban, json);
    };
  },

  lift(given, { json }) {
    const id = only('the id of a ban, as ban list shows it', given);
    return async ({ moderation }) => {
      await moderation.liftBan(id);
      if (!json) await write('The ban was lifted.\n');
    };
  },
};

function targetOf(text: string): { account: string } | { address: string } | { client: number } {
  if (isIP(text.split('/')[0] ?? '') !== 0) return { address: text };
  return /^[1-9]\d{0,14}$/.test(text) ? { client: Number(text) } : { account: text };
}

async function tell(ban: Ban, json: boolean): Promise<void> {
  await write(`${json ? visibleJson(ban) : banLine(ban)}\n`);
}

function banLine({ id, whom, until, reason, by }: Ban): string {
  const why = reason === null ? '' : ` (${reason})`;
  return visible(`${id}: ${whom} is kept out until ${timeOf(until)}, by ${by}${why}.`);
}
