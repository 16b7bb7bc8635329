import { engineConfigHelp } from '../config.js';
import { openFileSource, openPipeSource } from '../engine/file/source.js';
import type { Command } from './command.js';
import { openEngineTarget } from './engines.js';
import { ExitCode } from './exit-code.js';
import { movedLine, moveAll, readMovingArguments } from './moving.js';
import { note } from './output.js';

export const command: Command = {
  usage: 'import FILE [--data FOLDER | --engine nats://HOST]',
  description: [
    'Fills the store of a new server with what interchat export has written. Clients, rooms, messages, tokens and cursors are',
    'there as they were; do not start the old server any more. There must be nothing else in the store.',
    'Interrupted, it goes on when it is run again. With - for FILE it reads standard input.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const { file, config } = readMovingArguments('import', args);
    const moved = await moveAll(
      async () => (file === '-' ? openPipeSource(process.stdin, 'export') : openFileSource(file, 'export')),
      () => openEngineTarget(config),
    );
    note(moved ? movedLine('Imported', moved) : 'There is nothing to do: everything has been imported already.');
    return ExitCode.done;
  },
};
