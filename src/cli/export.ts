import { engineConfigHelp } from '../config.js';
import { openFileTarget, openPipeTarget } from '../engine/file/target.js';
import type { Command } from './command.js';
import { openEngineSource } from './engines.js';
import { ExitCode } from './exit-code.js';
import { movedLine, moveAll, readMovingArguments } from './moving.js';
import { note, write } from './output.js';

export const command: Command = {
  usage: 'export FILE [--data FOLDER | --engine nats://HOST]',
  description: [
    'Writes all that a server keeps to a file, a JSON object a line, for interchat import. All servers of the store must be stopped.',
    'Interrupted, it goes on when it is run again. With - for FILE it writes to standard output, and begins anew each time.',
    'In the file is the secret that tokens are signed with: keep it as one.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const { file, config } = readMovingArguments('export', args);
    const moved = await moveAll(
      () => openEngineSource(config),
      async () => (file === '-' ? openPipeTarget(write, 'export') : openFileTarget(file)),
    );
    const where = file === '-' ? 'standard output' : file;
    note(
      moved ? movedLine(`Exported to ${where}`, moved) : `There is nothing to do: everything is in ${where} already.`,
    );
    return ExitCode.done;
  },
};
