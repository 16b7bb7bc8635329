import { EngineUnusable } from '../engine.js';
import { asDamage } from './damage.js';
import { makeFolder } from './folder.js';
import { assertWhole, IMPORTING } from './importing.js';
import { tryLockFolder } from './lock.js';
import { Store } from './store.js';

/** A data folder that this process has for itself. */
export interface OpenFolder {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

/**
 * Opens a data folder, which is made if it is not there.
 * @param filling whether it is to be filled by an import, which may have begun before
 * @throws EngineUnusable when it cannot be used; nothing is left open then
 */
export async function openFolder(folder: string, filling = false): Promise<OpenFolder> {
  try {
    await makeFolder(folder);
    const unlock = await tryLockFolder(folder);
    if (!unlock) {
      throw new EngineUnusable(
        `Another InterChat uses the data folder ${folder}. Stop it, or give this one a folder of its own: --data or INTERCHAT_DATA.`,
      );
    }
    let store: Store | undefined;
    const close = async () => {
      await store?.close();
      await unlock();
    };
    try {
      store = await Store.open(folder);
      if (!filling) assertWhole(store.meta.get(IMPORTING), folder);
      return { store, close };
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
