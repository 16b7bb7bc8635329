import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { EngineUnusable } from '../engine.js';

/**
 * Takes a data folder for this process alone. The lock belongs to the open file, so the kernel frees it however the process
 * ends, and nothing that is left behind has to be judged stale.
 * @returns what frees it
 * @throws EngineUnusable when another has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file: FileHandle = await open(join(folder, 'lock'), 'a', 0o600);
  if (!tryLock(file.fd)) {
    await file.close();
    throw new EngineUnusable(
      `Another InterChat uses the data folder ${folder}. Stop it, or give this one a folder of its own: --data or INTERCHAT_DATA.`,
    );
  }
  return () => file.close();
}
