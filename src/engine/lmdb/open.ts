import { EngineUnusable } from '../engine.js';
import { makeFolder } from './folder.js';
import { assertWhole } from './importing.js';
import { lockFolder } from './lock.js';
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
    const unlock = await lockFolder(folder);
    let store: Store | undefined;
    const close = async () => {
      await store?.close();
      await unlock();
    };
    try {
      store = await Store.open(folder);
      if (!filling) assertWhole(store, folder);
      return { store, close };
    } catch (error) {
      await close();
      throw error;
    }
  } catch (error) {
    if (error instanceof EngineUnusable) throw error;
    const reason = (error as Error).message;
    throw new EngineUnusable(
      `The data folder ${folder} cannot be used: ${reason}. Give another one: --data or INTERCHAT_DATA.`,
      { cause: error },
    );
  }
}
