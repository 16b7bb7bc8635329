import { EngineUnusable } from '../engine.js';
import type { Store } from './store.js';

/** The archive that a folder is being filled from, and the one that it was filled from. */
export const IMPORTING = 'importing';
export const IMPORTED = 'imported';

/** @throws EngineUnusable for a folder of which an import has filled a part only */
export function assertWhole(store: Store, folder: string): void {
  if (store.meta.get(IMPORTING) === undefined) return;
  throw new EngineUnusable(
    `An import into the data folder ${folder} has not come to its end. Run it again: it goes on where it was.`,
  );
}
