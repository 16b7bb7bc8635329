import { EngineUnusable } from '../engine.js';

/** The archive that a folder is being filled from, and the one that it was filled from. */
export const IMPORTING = 'importing';
export const IMPORTED = 'imported';

/** What the name of an archive that is restored ends with: it cannot be gone on with as one that is imported, nor the other way round. */
export const RESTORED = ' restored';

/**
 * @param importing what is kept under {@link IMPORTING}
 * @throws EngineUnusable for a folder of which an import has filled a part only
 */
export function assertWhole(importing: string | number | undefined, folder: string): void {
  if (importing === undefined) return;
  const what = String(importing).endsWith(RESTORED) ? 'A restoration of' : 'An import into';
  throw new EngineUnusable(
    `${what} the data folder ${folder} has not come to its end. Run it again: it goes on where it was.`,
  );
}
