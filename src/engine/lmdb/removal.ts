import type { Entry, Topic } from '../engine.js';
import type { Store } from './store.js';

/**
 * Takes entries out of the log and whatever has been filed of them, within a write: see {@link TopicIndex.inTurn}. They have to
 * be in the log.
 */
export function removeEntries({ entries, index, expiries, filed }: Store, removed: readonly Entry[]): void {
  const unfiled = new Map<Topic, number>();
  const rows: [Topic, number][] = [];
  for (const { seq, topic } of removed) {
    // Of the tail a part may have been filed already.
    if (!index.doesExist([topic, seq])) continue;
    rows.push([topic, seq]);
    unfiled.set(topic, (unfiled.get(topic) ?? 0) + 1);
  }
  const states = new Map([...unfiled.keys()].map((topic) => [topic, filed.get(topic)]));
  for (const { seq, expiresAt } of removed) {
    void entries.remove(seq);
    if (expiresAt !== undefined) void expiries.remove([expiresAt, seq]);
  }
  for (const row of rows) void index.remove(row);
  for (const [topic, count] of unfiled) {
    const state = states.get(topic);
    if (state && state.count > count) void filed.put(topic, { ...state, count: state.count - count });
    else void filed.remove(topic);
  }
}
