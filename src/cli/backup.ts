import { engineConfigHelp } from '../config.js';
import { openNewFileTarget, openPipeTarget } from '../engine/file/target.js';
import type { Command } from './command.js';
import { openBackupSource } from './engines.js';
import { ExitCode } from './exit-code.js';
import { movedLine, moveAll, readMovingArguments } from './moving.js';
import { note, write } from './output.js';

export const command: Command = {
  usage: 'backup FILE [--data FOLDER | --engine nats://HOST]',
  description: [
    'Writes all that a server keeps to a new file, for interchat restore, while the server runs; of a data folder on its machine, as',
    'the user that it runs as. What the server has acknowledged before is in it. With - for FILE it writes to standard output.',
    'In the file is the secret that tokens are signed with: keep it as one.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const { file, config } = readMovingArguments('backup', args);
    const moved = await moveAll(
      () => openBackupSource(config),
      async () => (file === '-' ? openPipeTarget(write, 'backup') : openNewFileTarget(file)),
    );
    if (moved) note(movedLine(`Backed up to ${file === '-' ? 'standard output' : file}`, moved));
    return ExitCode.done;
  },
};
