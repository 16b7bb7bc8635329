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

/** @throws EngineUnusable where an import has filled a part only */
export async function assertWhole(bucket: Bucket): Promise<void> {
  if ((await bucket.read(IMPORTING)) === undefined) return;
  throw new EngineUnusable(
    'An import into what --engine names has not come to its end. Run it again: it goes on where it was.',
  );
}
