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
  throw new EngineUnusable(interrupted(String(importing).endsWith(RESTORED) ? 'restoration' : 'import', folder));
}

/** What is kept under {@link IMPORTING} before the archive is known: of an import, or with {@link RESTORED} after it. */
export const UNKNOWN_ARCHIVE = 'new';

export function interrupted(kind: 'import' | 'restoration', folder: string): string {
  const what = kind === 'restoration' ? 'A restoration of' : 'An import into';
  return `${what} the data folder ${folder} has not come to its end. Run it again: it goes on where it was.`;
}
