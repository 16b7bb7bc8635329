import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError, ExitCode } from './exit-code.js';
import { writePrivately } from './private-file.js';
import { stateFile } from './xdg.js';

/** A session that somebody has begun by `interchat login`. */
export interface StoredSession {
  /** Of the account. */
  readonly name: string;
  readonly token: string;
  /** Behind what `connect` has shown last. */
  readonly cursor?: string;
}

/** Others than the owner, in the mode of a file. */
const OTHERS = 0o077;

/**
 * Where one is signed in: a session for each server, in a file that its owner alone can read. Its tokens are never printed.
 * All throw CommandError for a file that cannot be used, or that others can read.
 */
export class StoredSessions {
  readonly #file: string;

  constructor(env: NodeJS.ProcessEnv) {
    this.#file = stateFile(env, 'sessions.json');
  }

  /** @param url of the server */
  async find(url: string): Promise<StoredSession | undefined> {
    return (await this.#read())[serverOf(url)];
  }

  async keep(url: string, session: StoredSession): Promise<void> {
    await this.#write({ ...(await this.#read()), [serverOf(url)]: session });
  }

  /** @param token only if it is still this one */
  async forget(url: string, token: string): Promise<void> {
    const { [serverOf(url)]: session, ...others } = await this.#read();
    if (session?.token === token) await this.#write(others);
  }

  async #read(): Promise<Record<string, StoredSession>> {
    let text: string;
    try {
      const handle = await open(this.#file, 'r');
      try {
        const { mode } = await handle.stat();
        if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
          throw new CommandError(
            `${this.#file} can be read by others, and whoever reads it is you: chmod 600 it. If others may have read it, sign out everywhere: interchat logout --everywhere`,
            ExitCode.failed,
          );
        }
        text = await handle.readFile('utf8');
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (error instanceof CommandError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return {};
      throw this.#cannot(error);
    }
    return this.#parse(text);
  }

  /** The boundary to what is in the file: whoever can write it is its owner. */
  #parse(text: string): Record<string, StoredSession> {
    try {
      const kept = JSON.parse(text) as Record<string, Partial<StoredSession> | null> | null;
      const isSession = (one: Partial<StoredSession> | null) =>
        typeof one?.name === 'string' && typeof one.token === 'string';
      if (typeof kept === 'object' && kept !== null && Object.values(kept).every(isSession)) {
        return kept as Record<string, StoredSession>;
      }
    } catch {
      // The same as JSON that has no sessions.
    }
    throw new CommandError(`${this.#file} is not what interchat login writes. Take it away.`, ExitCode.failed);
  }

  async #write(sessions: Record<string, StoredSession>): Promise<void> {
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      await writePrivately(this.#file, `${JSON.stringify(sessions, undefined, 2)}\n`);
    } catch (error) {
      throw this.#cannot(error);
    }
  }

  #cannot(error: unknown): CommandError {
    return new CommandError(`Where you are signed in cannot be kept: ${(error as Error).message}.`, ExitCode.failed);
  }
}

/** One server has one name, however its URL is written. */
function serverOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/\/*$/, '/');
}
