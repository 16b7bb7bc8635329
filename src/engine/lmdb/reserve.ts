import { type FileHandle, open } from 'node:fs/promises';

/** The file grows by as much at a time, in bytes, where there is room for it. */
const STRIDE = 2 * 1024 * 1024;

const ZEROS = Buffer.alloc(256 * 1024);

/**
 * Room on the disk that belongs to LMDB's file before LMDB needs it, as zeros behind its last page.
 *
 * LMDB must not be the one to find the disk full: when a page cannot be written, lmdb 3.5.6 tells why in more characters than
 * it has made room for, and sooner or later the process dies of that. Here it is an error as any other, before anything is
 * begun. (On file systems that copy on write, zeros reserve nothing; there is no remedy for these.)
 */
export class Reserve {
  private constructor(
    private readonly file: FileHandle,
    /** The size of the file, as far as it is known: everything before that is LMDB's. */
    private end: number,
  ) {}

  static async of(path: string): Promise<Reserve> {
    const file = await open(path, 'r+');
    return new Reserve(file, (await file.stat()).size);
  }

  /**
   * Makes sure that a file of which `used` bytes are in use can grow by `growth`. Not to be called during a commit.
   * @throws the error of the file system, such as ENOSPC
   */
  async ensure(used: number, growth: number): Promise<void> {
    const needed = used + growth;
    if (needed <= this.end) return;
    // Should LMDB have needed more than it was thought to: what it has written is not to be written over, whatever was thought.
    this.end = Math.max(this.end, (await this.file.stat()).size);
    if (needed <= this.end) return;
    try {
      await this.#extend(Math.max(needed, this.end + STRIDE));
    } catch {
      await this.#extend(needed);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  async #extend(end: number): Promise<void> {
    try {
      await fill(this.file, this.end, end);
    } catch (error) {
      // What was got nevertheless is of no use here, but may be to others.
      await this.file.truncate(this.end);
      throw error;
    }
    this.end = end;
  }
}

/**
 * Finds out whether there is room for so many bytes.
 * @param file an empty one, which is empty afterwards
 * @throws the error of the file system, such as ENOSPC
 */
export async function tryRoom(file: FileHandle, bytes: number): Promise<void> {
  try {
    await fill(file, 0, bytes);
  } finally {
    await file.truncate(0);
  }
}

async function fill(file: FileHandle, from: number, to: number): Promise<void> {
  for (let at = from; at < to;) {
    const { bytesWritten } = await file.write(ZEROS, 0, Math.min(ZEROS.length, to - at), at);
    at += bytesWritten;
  }
}
