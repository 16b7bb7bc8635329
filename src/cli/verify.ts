import { type EngineConfig, engineConfigHelp } from '../config.js';
import type { ArchiveSummary } from '../engine/archive.js';
import { openFileSource } from '../engine/file/source.js';
import type { Command } from './command.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { orCommandError, readEngineArguments } from './moving.js';
import { write } from './output.js';
import { count } from './wording.js';

export const command: Command = {
  usage: 'verify [FILE] [--data FOLDER]',
  description: [
    'Reads all of a data folder, or of a file that interchat backup or export has written, and compares it with its checksums. It prints',
    'a line for each kind of thing, and exits with 0 when all is whole, with 1 when something is damaged. A server may use the folder.',
  ].join('\n'),
  options: engineConfigHelp(),

  async run(args) {
    const { config, positionals } = readEngineArguments('verify', args);
    const [file, ...more] = positionals;
    if (more.length > 0) throw new UsageError(`verify takes one file, not ${positionals.join(' ')}.`);
    return file === undefined ? verifyFolder(config) : verifyFile(file);
  },
};

async function verifyFolder({ engine, data }: EngineConfig): Promise<number> {
  if (engine !== 'lmdb') {
    throw new CommandError(
      'What is in NATS is checked by NATS. interchat verify is for data folders and archives.',
      ExitCode.failed,
    );
  }
  const { verifyLmdbFolder } = await import('../engine/lmdb/verify.js');
  const findings = await orCommandError(() => verifyLmdbFolder(data));
  for (const { what, isWhole, detail } of findings) {
    await write(`${what}: ${isWhole ? 'whole' : 'DAMAGED'}${isWhole ? ` (${detail})` : `: ${detail}`}\n`);
  }
  const isWhole = findings.every((one) => one.isWhole);
  await write(
    isWhole
      ? `${data} is whole.\n`
      : `${data} is damaged. Stop its server and restore a backup; or run interchat restore --salvage ${data} --data NEW-FOLDER.\n`,
  );
  return isWhole ? ExitCode.done : ExitCode.failed;
}

async function verifyFile(file: string): Promise<number> {
  const counts = await orCommandError(async () => {
    const source = await openFileSource(file);
    try {
      const summary: ArchiveSummary = await source.summary();
      const floors = await lengthOf(source.floors());
      const records = await lengthOf(source.records());
      return {
        floors,
        records,
        entries: await lengthOf(source.entries(0 as ArchiveSummary['last'])),
        last: summary.last,
      };
    } finally {
      await source.close();
    }
  });
  const { entries, records, floors, last } = counts;
  await write(
    `${file} is whole: ${count(entries, 'entry', 'entries')} up to place ${last}, ${count(records, 'record')}, ${count(floors, 'floor')}.\n`,
  );
  return ExitCode.done;
}

async function lengthOf(ones: AsyncIterable<unknown>): Promise<number> {
  const iterator = ones[Symbol.asyncIterator]();
  let length = 0;
  while (!(await iterator.next()).done) length++;
  return length;
}
