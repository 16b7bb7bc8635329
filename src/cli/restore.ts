import { engineConfigHelp } from '../config.js';
import { openFileSource, openPipeSource } from '../engine/file/source.js';
import type { Command } from './command.js';
import { openRestorationTarget } from './engines.js';
import { ExitCode } from './exit-code.js';
import { movedLine, moveAll, readMovingArguments } from './moving.js';
import { note } from './output.js';

export const command: Command = {
  usage: 'restore FILE [--data FOLDER]',
  description: [
    'Fills a new data folder with what interchat backup has written. Clients, rooms, messages, tokens and cursors are there as they',
    'were then; whoever has read further since is told a gap. There must be nothing else in the folder.',
    'Interrupted, it goes on when it is run again. With - for FILE it reads standard input.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const { file, config } = readMovingArguments('restore', args);
    const moved = await moveAll(
      async () => (file === '-' ? openPipeSource(process.stdin, 'backup') : openFileSource(file, 'backup')),
      () => openRestorationTarget(config),
    );
    note(moved ? movedLine('Restored', moved) : 'There is nothing to do: everything has been restored already.');
    return ExitCode.done;
  },
};
