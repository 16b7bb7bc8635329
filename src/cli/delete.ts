import type { Command } from './command.js';
import { ExitCode, UsageError } from './exit-code.js';
import { inOffice, needServer, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { findTarget } from './target.js';
import { visibleJson } from './visible.js';
import { deletedLine } from './wording.js';

const OPTIONS = ['json', ...OFFICE_OPTIONS] as const;

export const command: Command = {
  usage: 'delete TARGET ID',
  description: [
    'Deletes a message: no history has it any more, and whoever reads there is told. TARGET is what it was sent to: the index or',
    "the name of a client, '#room', or everyone. In a private room its owner may do this, too. The server has to run.",
    '',
    OFFICE_HELP,
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    const [target, id, ...rest] = line.positionals;
    if (target === undefined || id === undefined || rest.length > 0) {
      throw new UsageError('Give what the message was sent to, and its id.');
    }
    if (!/^\d{1,15}$/.test(id)) throw new UsageError(`${JSON.stringify(id)} is no id of a message, such as 17.`);
    await inOffice(line, false, async (office) => {
      const api = needServer(office);
      const to = await findTarget(api, target);
      await api.moderation.deleteMessage(to, id);
      await write(`${line.settings.json ? visibleJson({ id, to }) : deletedLine({ id, to })}\n`);
    });
    return ExitCode.done;
  },
};
