import type { Command } from './command.js';
import { CommandError, ExitCode } from './exit-code.js';
import { inOffice, needServer, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { findTarget } from './target.js';
import { only } from './verbs.js';

const OPTIONS = ['json', ...OFFICE_OPTIONS] as const;

export const command: Command = {
  usage: 'remove CLIENT',
  description: `Removes a client, by its index or its name: its streams end, and its mailbox goes. The server has to run.\n\n${OFFICE_HELP}`,
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    const target = only('the index or the name of a client', line.positionals);
    await inOffice(line, false, async (office) => {
      const api = needServer(office);
      const to = await findTarget(api, target);
      if (!('client' in to)) throw new CommandError('A room goes with its members.', ExitCode.wrongUsage);
      await api.moderation.removeClient(to.client);
      if (!line.settings.json) await write(`Client ${to.client} was removed.\n`);
    });
    return ExitCode.done;
  },
};
