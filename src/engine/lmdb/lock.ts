import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';

/** Between two attempts, in milliseconds. */
const TRY_AGAIN = 5;

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
