import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FILE } from './store.js';

/** How many bytes the file of a data folder takes, and how many are left for this user on its disk. */
export async function roomOf(folder: string): Promise<{ readonly taken: number; readonly left: number }> {
  const [{ blocks }, { bavail, bsize }] = await Promise.all([stat(join(folder, FILE)), statfs(folder)]);
  // In units of 512 bytes, whatever the disk.
  return { taken: blocks * 512, left: bavail * bsize };
}
