import type { AuditEntry } from '../sdk/index.js';
import type { Command } from './command.js';
import { ExitCode } from './exit-code.js';
import { inOffice, OFFICE_HELP, OFFICE_OPTIONS } from './office.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { timeOf } from './time.js';
import { nothing } from './verbs.js';
import { visible, visibleJson } from './visible.js';

const OPTIONS = ['json', ...OFFICE_OPTIONS] as const;

export const command: Command = {
  usage: 'audit [--json]',
  description: `Prints who did what to keep order, the oldest first.\n\n${OFFICE_HELP}`,
  options: optionsHelp(OPTIONS),

  async run(args) {
    const line = readOptions(args, OPTIONS, process.env);
    nothing(line.positionals);
    await inOffice(line, false, async ({ moderation }) => {
      for await (const entry of moderation.audit({ limit: 1000 })) {
        await write(`${line.settings.json ? visibleJson(entry) : auditLine(entry)}\n`);
      }
    });
    return ExitCode.done;
  },
};

function auditLine({ at, by, action, target }: AuditEntry): string {
  return visible(`${timeOf(at)} ${by}: ${action}, ${target}`);
}
