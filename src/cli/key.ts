import type { Key } from '../sdk/index.js';
import { tellPlace } from './account.js';
import type { Command } from './command.js';
import { readMoment } from './duration.js';
import { ExitCode, UsageError } from './exit-code.js';
import { inOffice, type Office, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions, type Settings } from './options.js';
import { note, write } from './output.js';
import { timeOf } from './time.js';
import { readVerb, nothing, only, type Verbs } from './verbs.js';
import { visible, visibleJson } from './visible.js';
import { mayText } from './wording.js';

const OPTIONS = ['may', 'expires', 'json', ...OFFICE_OPTIONS] as const;

type KeySettings = Pick<Settings, 'may' | 'expires' | 'json'>;

export const command: Command = {
  usage: 'key add NAME --may LIST [--expires TIME] | key list | key revoke NAME|ID',
  description: [
    'Makes, lists and revokes keys: credentials for machines, each a client of its own that may do what --may says and nothing',
    'else, such as --may send:client/2,send:room/alerts. The key is printed, alone, on standard output; it cannot be shown again.',
    '',
    OFFICE_HELP,
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    const act = readVerb('key', VERBS, line.positionals, line.settings);
    await inOffice(line, line.positionals[0] === 'add', act);
    return ExitCode.done;
  },
};

const VERBS: Verbs<KeySettings, Office> = {
  add(given, { may, expires, json }) {
    const name = only('the name of the key', given);
    if (!may || may.length === 0) {
      throw new UsageError('What may it do? Give --may, such as --may send:client/2,send:room/alerts.');
    }
    const expiresAt = expires === undefined ? undefined : readMoment('--expires', expires, Date.now());
    return async (office) => {
      const made = await office.keys.add(name, may, { expiresAt });
      await write(`${json ? visibleJson(made) : visible(made.key)}\n`);
      note(`This is the key ${keyLine(made)}\nIt cannot be shown again.`);
      tellPlace(office);
    };
  },

  list(given, { json }) {
    nothing(given);
    return async ({ keys }) => {
      for (const key of await keys.list()) await write(`${json ? visibleJson(key) : keyLine(key)}\n`);
    };
  },

  revoke(given, { json }) {
    const which = only('the name or the id of the key', given);
    return async ({ keys }) => {
      await keys.revoke(which);
      if (!json) await write(`Key ${visible(which)} was revoked.\n`);
    };
  },
};

function keyLine({ id, name, may, expiresAt, usedAt }: Key): string {
  const until = expiresAt === null ? '' : `; until ${timeOf(expiresAt)}`;
  const used = usedAt === null ? 'never used' : `last used ${timeOf(usedAt)}`;
  return visible(`${name} (${id}): may ${mayText(may)}${until}; ${used}.`);
}
