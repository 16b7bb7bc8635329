import { type FileHandle, open } from 'node:fs/promises';
import { freeRuns } from './page-check.js';

/** The file grows by as much at a time, in bytes, where there is room for it. */
const STRIDE = 2 * 1024 * 1024;

/**
 * Bytes of the reserve that ordinary commits leave. Removals are made from them when the disk is full, as each takes pages before
 * it gives any back.
 */
export const KEPT = 2 * 1024 * 1024;

/** Milliseconds for which a refusal of the disk counts. A failed attempt writes all that is left of the disk. */
const REFUSAL_COUNTS_FOR = 900;

/** Codes of errors that say that the disk, or the quota of the user on it, is full, or the file as large as it may be. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The disk is full: nothing was written. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

const ZEROS = Buffer.alloc(256 * 1024);

/**
 * Room on the disk that belongs to LMDB's file before LMDB needs it, as zeros behind its last page.
 *
 * LMDB must not be the one to find the disk full: when a page cannot be written, lmdb 3.5.6 tells why in more characters than
 * it has made room for, and sooner or later the process dies of that. Here it is an error as any other, before anything is
 * begun. (On file systems that copy on write, zeros reserve nothing; there is no remedy for these.)
 */
export class Reserve {
  /** What the disk refused last: the size that the file was to have, when, on the clock of performance.now(), and why. */
  #refused = { end: Infinity, at: -Infinity, message: '' };

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
   * Makes sure that a file of which `used` bytes are in use can grow by `growth`, and has `kept` left then. Not to be called
   * during a commit.
   * @throws NoRoom when the disk is full, other errors of the file system
   */
  async ensure(used: number, growth: number, kept = KEPT): Promise<void> {
    const needed = used + growth + kept;
    if (needed <= this.end) return;
    // Should LMDB have needed more than it was thought to: what it has written is not to be written over, whatever was thought.
    this.end = Math.max(this.end, (await this.file.stat()).size);
    if (needed <= this.end) return;
    const { end, at, message } = this.#refused;
    if (needed >= end && performance.now() - at < REFUSAL_COUNTS_FOR) throw new NoRoom(message);
    try {
      await this.#extend(Math.max(needed, this.end + STRIDE));
    } catch {
      try {
        await this.#extend(needed);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (!FULL.has(code)) throw error;
        this.#refused = { end: needed, at: performance.now(), message };
        throw new NoRoom(message, { cause: error });
      }
    }
  }

  /** By how many bytes a file of which `used` are in use can grow without more room on the disk. */
  left(used: number): number {
    return this.end - used;
  }

  /** Reads the pages of the file that are free, see {@link freeRuns}. */
  freeRuns(oldestReader: number): Iterable<number> {
    return freeRuns(this.file.fd, this.end, oldestReader);
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
 * Finds out whether there is room for this many bytes.
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
