import { readFile } from 'node:fs/promises';
import { CommandError, ExitCode } from './exit-code.js';
import { writePrivately } from './private-file.js';

/** Who a client is, and how far it has come. */
export interface State {
  /** Of the server it is a client of. */
  readonly url: string;
  readonly token: string;
  /** Behind the last message that was dealt with. */
  readonly cursor: string;
}

/**
 * Reads the state that was kept in a file; undefined where there is none yet.
 * @throws CommandError for a file that is none, or cannot be read
 */
export async function readState(file: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannot(error, file);
  }
  try {
    const state = JSON.parse(text) as Partial<State> | null;
    if (typeof state?.url === 'string' && typeof state.token === 'string' && typeof state.cursor === 'string') {
      return state as State;
    }
  } catch {
    // The same as JSON that is no state.
  }
  throw new CommandError(
    `${file} is no file of interchat listen --state. Name another, or take it away.`,
    ExitCode.failed,
  );
}

/**
 * Keeps the state in a file that only its owner can read: whoever has the token is the client. It is on the disk when this
 * resolves, and at no time is there half of it.
 * @throws CommandError when it cannot be written
 */
export async function writeState(file: string, state: State): Promise<void> {
  try {
    await writePrivately(file, `${JSON.stringify(state)}\n`);
  } catch (error) {
    throw cannot(error, file);
  }
}

function cannot(error: unknown, file: string): CommandError {
  return new CommandError(`${file} cannot be used for the state: ${(error as Error).message}.`, ExitCode.failed);
}
