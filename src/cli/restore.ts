import { type EngineConfig, engineConfigHelp } from '../config.js';
import { openFileSource, openPipeSource } from '../engine/file/source.js';
import type { Command } from './command.js';
import { openRestorationTarget, openSalvageSource } from './engines.js';
import { ExitCode } from './exit-code.js';
import { lossLines } from './losses.js';
import { movedLine, moveAll, readMovingArguments } from './moving.js';
import type { Losses } from '../engine/salvage.js';
import { note } from './output.js';

export const command: Command = {
  usage: 'restore [--salvage] FILE [--data FOLDER | --engine nats://HOST/NAME]',
  description: [
    'Fills the store of a new server, a data folder or a name in NATS, with what interchat backup has written. Clients, rooms, messages,',
    'tokens and cursors are there as they were then; readers who had read further are told a gap. The store must be empty.',
    'Interrupted, it goes on when it is run again. With - for FILE it reads standard input.',
    'With --salvage it takes what is whole of a damaged backup, export or data folder, and says what is lost.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const isSalvage = args.includes('--salvage');
    const { file, config } = readMovingArguments(
      'restore',
      args.filter((one) => one !== '--salvage'),
    );
    if (isSalvage) return salvage(file, config);
    const moved = await moveAll(
      async () => (file === '-' ? openPipeSource(process.stdin, 'backup') : openFileSource(file, 'backup')),
      () => openRestorationTarget(config),
    );
    note(moved ? movedLine('Restored', moved) : 'There is nothing to do: everything has been restored already.');
    return ExitCode.done;
  },
};

async function salvage(file: string, config: EngineConfig): Promise<number> {
  let losses: Losses | undefined;
  const moved = await moveAll(
    async () => {
      const source = await openSalvageSource(file);
      losses = source.losses;
      return source;
    },
    () => openRestorationTarget(config),
  );
  note(moved ? movedLine('Restored', moved) : 'There is nothing to do: everything has been restored already.');
  if (losses) for (const line of lossLines(losses)) note(line);
  return ExitCode.done;
}
