import { ConfigError, type EngineConfig, readEngineConfig } from '../config.js';
import { type ArchiveSource, type ArchiveTarget, ArchiveUnusable } from '../engine/archive.js';
import { EngineUnavailable, EngineUnusable } from '../engine/engine.js';
import { move, type Moved } from '../engine/move.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { ProgressLine } from './progress-line.js';
import { count } from './wording.js';

/** What `export` and `import` take. */
export interface MovingArguments {
  /** A path; `-` for a pipe. */
  readonly file: string;
  readonly config: EngineConfig;
}

/** @throws UsageError */
export function readMovingArguments(command: string, args: readonly string[]): MovingArguments {
  const { config, positionals } = readEngineArguments(command, args);
  const [file, ...more] = positionals;
  if (file === undefined) throw new UsageError(`${command} takes a file, or - for a pipe.`);
  if (more.length > 0) throw new UsageError(`${command} takes one file, not ${positionals.join(' ')} as well.`);
  return { file, config };
}

/**
 * Moves all there is, with progress where somebody watches.
 * @throws CommandError
 */
export async function moveAll(
  openSource: () => Promise<ArchiveSource>,
  openTarget: () => Promise<ArchiveTarget>,
): Promise<Moved | undefined> {
  const progress = new ProgressLine();
  try {
    const source = await openSource();
    try {
      return await move(source, openTarget, (seq, last) => progress.tell(`Entry ${seq} of ${last}`));
    } finally {
      await source.close();
    }
  } catch (error) {
    throw asCommandError(error);
  } finally {
    progress.end();
  }
}

/** @throws CommandError for what an engine or an archive refuses */
export async function orCommandError<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw asCommandError(error);
  }
}

function asCommandError(error: unknown): unknown {
  const isForeseen =
    error instanceof ArchiveUnusable || error instanceof EngineUnusable || error instanceof EngineUnavailable;
  return isForeseen ? new CommandError(error.message, ExitCode.failed) : error;
}

/** What was moved, and how much of it: the closing line. */
export function movedLine(what: string, { after, entries, records }: Moved): string {
  const before = after === 0 ? '' : `; an earlier run was interrupted behind entry ${after}`;
  return `${what}: ${count(entries, 'entry', 'entries')} and ${count(records, 'record')}${before}.`;
}

/** @throws CommandError for a wrong setting */
export function readEngineArguments(command: string, args: readonly string[]) {
  try {
    return readEngineConfig(command, [...args], process.env);
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, ExitCode.wrongUsage);
    throw error;
  }
}
