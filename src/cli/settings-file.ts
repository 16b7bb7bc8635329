import { readFile } from 'node:fs/promises';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { type OptionName, variableOf } from './options.js';
import { configFile } from './xdg.js';

/** A setting on a line, such as `name = alice`; a comment begins with #. */
const SETTING = /^\s*([a-z-]+)\s*=\s*(.*?)\s*$/;
const NO_SETTING = /^\s*(#.*)?$/;

/** Where the settings of somebody are. */
export function settingsFile(env: NodeJS.ProcessEnv): string {
  return configFile(env, 'settings');
}

/**
 * The variables there are, and behind them what the settings file says in place of those that are not set. No file is as good
 * as an empty one.
 * @param takes the settings that may be in it
 * @throws UsageError for a line that is no such setting; CommandError for a file that cannot be read
 */
export async function withSettingsFile(
  env: NodeJS.ProcessEnv,
  takes: readonly OptionName[],
): Promise<NodeJS.ProcessEnv> {
  const file = settingsFile(env);
  const settings: NodeJS.ProcessEnv = { ...env };
  for (const [at, line] of (await readLines(file)).entries()) {
    if (NO_SETTING.test(line)) continue;
    const [, name, value] = SETTING.exec(line) ?? [];
    const known = takes.find((taken) => taken === name);
    if (known === undefined) {
      throw new UsageError(`${file}, line ${at + 1}: a setting is ${takes.join(', ')}, such as "${takes[0]} = …".`);
    }
    // An empty variable is as good as none.
    settings[variableOf(known)] ||= value;
  }
  return settings;
}

async function readLines(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new CommandError(`The settings cannot be read: ${message}.`, ExitCode.failed);
  }
}
