import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { FILE } from './data-file.js';

/** Between two attempts, in milliseconds. */
const TRY_AGAIN = 5;

/** The byte of a data file that is locked: far above its data, as some systems keep even the owner from a locked range. */
const LOCKED_BYTE = 2 ** 52;

/**
 * Opens a file and locks the file itself, so that no other process can have it under any path: a link, a mount, a new name.
 * @param flags as for open: must include reading and writing
 * @returns undefined when another process holds the lock
 * @throws the error of the file system, such as ENOENT
 */
export async function openLocked(path: string, flags: string | number): Promise<FileHandle | undefined> {
  for (;;) {
    const file = await open(path, flags, 0o600);
    try {
      if (!tryLock(file.fd, LOCKED_BYTE, 1)) {
        await file.close();
        return undefined;
      }
      const [mine, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
      // Another process may have renamed or removed it between the opening and the lock.
      if (there?.dev === mine.dev && there.ino === mine.ino) return file;
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

/**
 * Takes a data folder for this process alone. The lock belongs to the open file, so the kernel frees it however the process
 * ends, and nothing that is left behind has to be judged stale.
 * @returns what frees it; undefined when another has it
 */
export async function tryLockFolder(folder: string): Promise<(() => Promise<void>) | undefined> {
  const file: FileHandle = await open(join(folder, 'lock'), 'a', 0o600);
  if (tryLock(file.fd)) return () => file.close();
  await file.close();
  return undefined;
}

/** Whether a process has this data folder for itself. @throws the error of the file system */
export async function isInUse(folder: string): Promise<boolean> {
  const file = await openLocked(join(folder, FILE), 'r+');
  await file?.close();
  if (!file) return true;
  // A server of an earlier version holds this one alone.
  const unlock = await tryLockFolder(folder);
  await unlock?.();
  return unlock === undefined;
}

/**
 * Says that this process reads a folder that another may write: see {@link lockOutReaders}. Waits while one is being opened.
 * @returns what frees it
 */
export async function lockAsReader(folder: string): Promise<() => Promise<void>> {
  const file = await openReaders(folder);
  while (!tryLock(file.fd, { shared: true })) await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
  return () => file.close();
}

/**
 * Keeps other processes from beginning to read the folder, whose owner this is.
 * @returns what frees it; undefined when some are reading
 */
export async function lockOutReaders(folder: string): Promise<(() => Promise<void>) | undefined> {
  const file = await openReaders(folder);
  if (tryLock(file.fd)) return () => file.close();
  await file.close();
  return undefined;
}

function openReaders(folder: string): Promise<FileHandle> {
  return open(join(folder, 'readers'), 'a+', 0o600);
}
