import type { Losses } from '../engine/salvage.js';
import { count } from './wording.js';

/** Places that are listed one by one. */
const MOST_LISTED = 20;

/** What a damaged archive or folder has lost, a line each. */
export function lossLines(losses: Losses): string[] {
  if (losses.isNone) return ['Nothing is lost.'];
  const { entries, records, places, hasSummary } = losses;
  const lines = [
    entries === undefined ? 'Lost: an unknown number of entries.' : `Lost: ${count(entries, 'entry', 'entries')}.`,
    records === undefined ? 'Lost: an unknown number of records, or none.' : `Lost: ${count(records, 'record')}.`,
  ];
  if (places.length > 0) {
    const listed = places.slice(0, MOST_LISTED).map(([from, to]) => (from === to ? String(from) : `${from} to ${to}`));
    const more = places.length > MOST_LISTED ? `, and ${places.length - MOST_LISTED} more` : '';
    lines.push(`Entries are lost at the places ${listed.join(', ')}${more}. Readers are told a gap there.`);
  }
  if (!hasSummary) lines.push('Lost: the epoch or the secret. Tokens and cursors from before may be void.');
  return lines;
}
