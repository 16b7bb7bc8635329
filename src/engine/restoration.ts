import { randomUUID } from 'node:crypto';
import type { ArchiveSummary } from './archive.js';
import type { Restoration, Seq } from './engine.js';

/**
 * After a restoration places go on from one that follows from the time: as many for each millisecond since 1970. A log does not
 * grow as fast over any length of time, so this is behind all that was lost, and behind what an earlier restoration has given.
 */
const PLACES_A_MILLISECOND = 100;

/** Where the clock is wrong, at least this many places are left out. */
const PLACES_LEFT_OUT = 1e9;

/**
 * What a backup is once it has been restored, with a new epoch and one restoration more.
 * @param now milliseconds since 1970
 */
export function restored(summary: ArchiveSummary, now: number): ArchiveSummary {
  const { epoch, series, last: after, restorations = [] } = summary;
  const upTo = Math.max(Math.floor(now) * PLACES_A_MILLISECOND, after + PLACES_LEFT_OUT) as Seq;
  const restoration: Restoration = { epoch, series, after, upTo };
  return { ...summary, epoch: randomUUID(), last: upTo, restorations: [...restorations, restoration] };
}
