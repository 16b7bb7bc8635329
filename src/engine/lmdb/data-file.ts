import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The file of a data folder. */
export const FILE = 'log.mdb';

/** Milliseconds between two checks of all that belongs to the data file. */
export const CHECK_EVERY = 1_000;

/** The data file, or the secret beside it, is not at its path any more. The message says, in one line, what to do. */
export class DataFileMoved extends Error {
  override readonly name = 'DataFileMoved';

  /** @param brief the same for clients: without paths */
  constructor(
    message: string,
    readonly brief: string,
  ) {
    super(message);
  }
}

/**
 * The data file of this process, open and locked, and the means to see that it is still at its path. What is written to a
 * file that was removed or renamed is lost at the next start.
 */
export class DataFile {
  readonly path: string;
  /** When {@link check} was last made, on the clock of performance.now(). */
  #checkedAt = performance.now();
  #secret: { readonly file: FileHandle; readonly text: string } | undefined;

  private constructor(
    private readonly folder: string,
    /** Holds the lock. */
    private readonly file: FileHandle,
    private readonly device: number,
    private readonly inode: number,
  ) {
    this.path = join(folder, FILE);
  }

  /** @param file open and locked; closed with this */
  static async of(folder: string, file: FileHandle): Promise<DataFile> {
    const { dev, ino } = await file.stat();
    return new DataFile(folder, file, dev, ino);
  }

  /** From now on {@link check} covers the secret of the folder too. */
  async coverSecret(): Promise<void> {
    if (this.#secret) return;
    const path = join(this.folder, 'secret');
    this.#secret = { file: await open(path, 'r'), text: await readFile(path, 'utf8') };
  }

  /** @throws DataFileMoved when another file, or none, is at the path of the data file */
  async checkLog(): Promise<void> {
    let found;
    try {
      found = await stat(this.path);
    } catch (error) {
      throw this.#moved(FILE, `cannot be found there (${(error as NodeJS.ErrnoException).code})`);
    }
    if (found.dev !== this.device || found.ino !== this.inode) throw this.#moved(FILE, 'is another file now');
  }

  /** Made with each commit: covers the secret once a second, the data file each time. @throws DataFileMoved */
  checkWithCommit(): Promise<void> {
    return performance.now() - this.#checkedAt < CHECK_EVERY ? this.checkLog() : this.check();
  }

  /** @throws DataFileMoved as {@link checkLog}, and when the secret is gone or is another one */
  async check(): Promise<void> {
    this.#checkedAt = performance.now();
    await this.checkLog();
    if (!this.#secret) return;
    let text;
    try {
      text = await readFile(join(this.folder, 'secret'), 'utf8');
    } catch (error) {
      throw this.#moved('secret', `cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    if (text.trim() !== this.#secret.text.trim()) throw this.#moved('secret', 'is another one now');
  }

  async close(): Promise<void> {
    await this.#secret?.file.close();
    await this.file.close();
  }

  #moved(name: string, what: string): DataFileMoved {
    const copies = [
      [this.file, FILE],
      [this.#secret?.file, 'secret'],
    ] as const;
    // What was removed exists in open files alone: they can be copied until this process ends.
    const save =
      process.platform === 'linux'
        ? ` If they were removed, copy what this process has open before you stop it: ${copies
            .flatMap(([file, name]) => (file ? [`cp /proc/${process.pid}/fd/${file.fd} NEW_FOLDER/${name}`] : []))
            .join('; ')}`
        : '';
    return new DataFileMoved(
      `${name} of the data folder ${this.folder} ${what}: nothing is accepted any more, as it would be lost at the next start. Put the same folder and files back, and this server goes on.${save}`,
      `${name} of the data folder was removed, renamed or replaced`,
    );
  }
}
