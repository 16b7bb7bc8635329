import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';

/** A file system of a test's own that is small enough to be filled. */
export interface SmallDisk {
  /** Where it is mounted. */
  readonly folder: string;
  /** Takes all the room there is but so many bytes. */
  fill(but?: number): Promise<void>;
  /** Gives back what {@link fill} took. */
  free(): Promise<void>;
  /** With other options, such as `ro` or `size=4m`. */
  remount(options: string): Promise<void>;
}

/** Mounts one, or skips the test, and says so, where that is not permitted. */
export async function smallDisk(t: Test, size: string): Promise<SmallDisk | undefined> {
  const folder = await temporaryFolder(t);
  try {
    await mount('-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', folder);
  } catch (error) {
    t.plan(0, `NOT TESTED, as no small disk can be mounted here: ${(error as Error).message.trim()}`);
    return undefined;
  }
  // Lazily: a server that a failed test has left behind may still use it.
  t.teardown(() => promisify(execFile)('umount', ['-l', folder]));
  const ballast = join(folder, 'ballast');
  return {
    folder,
    async fill(but = 0) {
      const file = await open(ballast, 'a');
      const block = Buffer.alloc(4096);
      try {
        for (;;) await file.write(block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        const { size } = await file.stat();
        await file.truncate(size - but);
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast),
    remount: (options) => mount('-o', `remount,${options}`, folder),
  };
}

async function mount(...args: string[]): Promise<void> {
  await promisify(execFile)('mount', args);
}
