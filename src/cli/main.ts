#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { InterChatError } from '../sdk/errors.js';
import { CommandError, ExitCode, exitCodeOf, UsageError } from './exit-code.js';
import { COMMANDS, findCommand, generalHelp, helpOn } from './help.js';
import { endWhenPipeCloses, note, write } from './output.js';
import { errorLine } from './wording.js';

const [name, ...rest] = process.argv.slice(2);
// Whoever has a login on the machine can list the arguments of all processes. A secret that is given as a flag is among those of this
// one only until here; the environment can be read by the same user alone.
process.title = name !== undefined && COMMANDS.has(name) ? `interchat ${name}` : 'interchat';
const code = await main(name, rest);
// Sockets and standard input need not keep the process; what was written has to be taken first.
await write('');
process.exit(code);

/** `interchat NAME ARGS…`. @returns the exit code */
async function main(name: string | undefined, args: readonly string[]): Promise<number> {
  if (name === 'serve') return serve(args);
  endWhenPipeCloses();
  try {
    return await run(name, args);
  } catch (error) {
    if (error instanceof UsageError) {
      note(`interchat: ${errorLine(error)} See interchat help${COMMANDS.has(name ?? '') ? ` ${name}` : ''}.`);
    } else if (error instanceof CommandError || error instanceof InterChatError) {
      note(`interchat: ${errorLine(error)}`);
    } else {
      // A mistake in here: whoever reports it needs more than its message.
      console.error(error);
    }
    return exitCodeOf(error);
  }
}

async function run(name: string | undefined, args: readonly string[]): Promise<number> {
  switch (name) {
    case undefined:
      note(generalHelp());
      return ExitCode.wrongUsage;
    case '--version':
    case '-v':
      return print(await version());
    case 'help':
    case '--help':
    case '-h':
      if (args[0] === 'serve') return serve(['--help']);
      return print(args[0] === undefined ? generalHelp() : await helpOn(args[0]));
  }
  const { load } = findCommand(name);
  if (isHelpWanted(args)) return print(await helpOn(name));
  return load === undefined ? serve(args) : (await load()).command.run(args);
}

async function serve(args: readonly string[]): Promise<number> {
  const { serve } = await import('./serve.js');
  return serve([...args]);
}

/** Whether `--help` is among the flags; behind `--` it is a text. */
function isHelpWanted(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const flags = end < 0 ? args : args.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}

async function print(text: string): Promise<number> {
  await write(`${text}\n`);
  return ExitCode.done;
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
