import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ArchiveUnusable } from '../archive.js';
import type { Seq } from '../engine.js';
import { syncFolder } from '../sync-folder.js';
import type { Output, Written } from './output.js';

/**
 * A file for its owner alone that is there when it is whole, or not at all: until then it is beside it, as `PATH.PID.part`,
 * which is removed when something goes wrong.
 */
export class DraftOutput implements Output {
  #isWhole = false;

  private constructor(
    private readonly path: string,
    private readonly draft: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws ArchiveUnusable when there is something under this name, or it cannot be written */
  static async open(path: string): Promise<DraftOutput> {
    await assertFree(path);
    const draft = `${path}.${process.pid}.part`;
    try {
      // What a run has left behind that was killed.
      await rm(draft, { force: true });
      return new DraftOutput(path, draft, await open(draft, 'wx', 0o600));
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  async begin(header: string): Promise<Written> {
    await this.write(header);
    return { finished: false, entries: 0, after: 0 as Seq };
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#try(() => this.file.write(bytes, at));
      at += bytesWritten;
    }
  }

  async settle(): Promise<void> {
    await this.#try(() => this.file.sync());
    await assertFree(this.path);
    await this.#try(() => rename(this.draft, this.path));
    this.#isWhole = true;
    await this.#try(() => syncFolder(dirname(this.path)));
  }

  async close(): Promise<void> {
    await this.file.close();
    if (!this.#isWhole) await rm(this.draft, { force: true });
  }

  #try<T>(act: () => Promise<T>): Promise<T> {
    return act().catch((error: unknown) => {
      throw unwritable(this.path, error);
    });
  }
}

async function assertFree(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found) throw new ArchiveUnusable(`${path} is there already. Remove it, or give another name.`);
}

function unwritable(path: string, error: unknown): ArchiveUnusable {
  return new ArchiveUnusable(`${path} cannot be written: ${(error as Error).message}.`, { cause: error });
}
