import type { Topic } from '../engine.js';
import { EngineUnusable } from '../engine.js';
import type { Bucket } from './bucket.js';

/** Keys of the bucket: the archive that all this is being filled from, and the one that it was filled from. */
export const IMPORTING = 'importing';
export const IMPORTED = 'imported';

/**
 * What fills the places at which an archive has no entry, as JetStream gives out its sequences without a gap. No hub has a topic
 * of this name. All of it is purged before an import has come to its end.
 */
export const VOID = 'void' as Topic;

/** What the name of an archive that is restored ends with: no import goes on with a restoration, and no restoration with an import. */
export const RESTORED = ' restored';

/** @throws EngineUnusable where an import, or a restoration, has filled a part only */
export async function assertWhole(bucket: Bucket): Promise<void> {
  const importing = await bucket.read(IMPORTING);
  if (importing === undefined) return;
  const what = (importing.value as string).endsWith(RESTORED) ? 'A restoration' : 'An import';
  throw new EngineUnusable(
    `${what} into what --engine names has not come to its end. Run it again: it goes on where it was.`,
  );
}
