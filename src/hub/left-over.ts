import type { Engine } from '../engine/engine.js';
import { asClientIndex, CLIENTS } from './client-index.js';
import { type Clients, keyOf } from './clients.js';
import type { ReadUpTo } from './read-up-to.js';
import { mailboxOf } from './topics.js';

/** What is removed at the same time. */
const AT_ONCE = 64;

const MAILBOXES = 'client.';

export interface LeftOverParts {
  readonly engine: Engine;
  readonly clients: Clients;
  readonly readUpTo: ReadUpTo;
}

/**
 * Removes what belonged to clients that are gone. A client's record goes first, and with it the decision; its mailbox, its read
 * marks and what names it elsewhere go afterwards, so a process that was killed in between leaves them. An index is never
 * handed out twice: what belongs to one that was handed out and has no record belongs to no client any more. So this is safe while other
 * processes make clients, and while they do the same.
 * @throws EngineUnavailable
 */
export async function removeLeftOvers({ engine, clients, readUpTo }: LeftOverParts): Promise<void> {
  const { directory, log } = engine;
  await clients.finishRemovals();
  const suspects = new Set(readUpTo.leftOver());
  for (const topic of await log.topics(MAILBOXES)) {
    const index = asClientIndex(Number(topic.slice(MAILBOXES.length)));
    if (index !== undefined && !clients.has(index)) suspects.add(index);
  }
  const handedOut = await directory.allocated(CLIENTS);
  await forEach([...suspects], async (index) => {
    // The copy may not have a client yet that another process has just made.
    if (index > handedOut || (await directory.get(keyOf(index)))) return;
    await Promise.all([log.drop(mailboxOf(index)), readUpTo.forget(index)]);
  });
  await clients.rooms.forgetGuests((index) => clients.has(index));
}

/** Does something with all of them, with few at the same time. */
async function forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}
