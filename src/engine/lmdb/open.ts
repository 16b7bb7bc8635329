import { EngineUnusable } from '../engine.js';
import { asDamage } from './damage.js';
import type { DataFile } from './data-file.js';
import { makeFolder } from './folder.js';
import { assertWhole, IMPORTING } from './importing.js';
import { tryLockFolder } from './lock.js';
import { inUse, openDataFile, type OpenOptions } from './open-data-file.js';
import { makeStore, Store } from './store.js';

/** A data folder that this process has for itself. */
export interface OpenFolder {
  readonly store: Store;
  readonly file: DataFile;
  readonly close: () => Promise<void>;
}

/**
 * Opens a data folder, which is made if it is not there.
 * @throws EngineUnusable when it cannot be used; nothing is left open then
 */
export async function openFolder(folder: string, options: OpenOptions = {}): Promise<OpenFolder> {
  try {
    await makeFolder(folder);
    const file = await openDataFile(folder, makeStore, options);
    let unlock: (() => Promise<void>) | undefined;
    let store: Store | undefined;
    const close = async () => {
      await store?.close();
      await unlock?.();
      await file.close();
    };
    try {
      // A server of an earlier version holds this lock alone.
      unlock = await tryLockFolder(folder);
      if (!unlock) throw inUse(folder);
      store = await Store.open(folder, file);
      if (!options.filling) assertWhole(store.meta.get(IMPORTING), folder);
      return { store, file, close };
    } catch (error) {
      await close();
      throw error;
    }
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** What keeps a data folder from being used, in words. */
export function unusable(folder: string, error: unknown): EngineUnusable {
  if (error instanceof EngineUnusable) return error;
  const damage = asDamage(error);
  if (damage) {
    const message = damage.message.replace('The data folder is', `The data folder ${folder} is`);
    return new EngineUnusable(message, { cause: error });
  }
  const reason = (error as Error).message;
  return new EngineUnusable(
    `The data folder ${folder} cannot be used: ${reason}. Give another one: --data or INTERCHAT_DATA.`,
    { cause: error },
  );
}
