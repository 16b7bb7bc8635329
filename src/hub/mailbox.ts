import type { Bounds, Entry, Log, Seq, Topic } from '../engine/engine.js';
import type { Feeds } from './feeds.js';

export interface MailboxQuery {
  /** Messages behind this place, oldest first. */
  readonly after?: Seq;
  /** Messages before this place; without `after` the newest of them. */
  readonly before?: Seq;
  readonly limit: number;
  /** For how many milliseconds to wait until there is something, if there is nothing. */
  readonly wait: number;
}

export interface MailboxPage {
  readonly entries: readonly Entry[];
  /** The place behind what was read: the `after` of the next call. */
  readonly position: Seq;
  /** Whether messages between `after` and the first of these are no longer kept. */
  readonly gap: boolean;
}

const START = 0 as Seq;

/**
 * Reads a page of a topic for somebody who holds no stream.
 * @param signal ends the waiting early; what is there by then is the answer
 */
export async function readMailbox(
  log: Log,
  feeds: Feeds,
  topic: Topic,
  query: MailboxQuery,
  signal: AbortSignal,
): Promise<MailboxPage> {
  const page = await readPage(log, topic, query);
  if (page.entries.length > 0 || query.wait <= 0 || signal.aborted) return page;

  let over = false;
  let wake = () => {};
  const end = () => {
    over = true;
    wake();
  };
  const unsubscribe = await feeds.subscribe(topic, () => wake());
  const timer = setTimeout(end, query.wait);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    // Not all that comes is something to answer with: some of it is not kept, or not what was asked for.
    for (;;) {
      const something = new Promise<void>((resolve) => (wake = resolve));
      const last = over;
      const sinceThen = await readPage(log, topic, query);
      if (last || sinceThen.entries.length > 0) return sinceThen;
      if (!over) await something;
    }
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

async function readPage(log: Log, topic: Topic, { after, before, limit }: MailboxQuery): Promise<MailboxPage> {
  const newest = before !== undefined && after === undefined;
  const entries = await log.read(topic, { after, before, limit, newest });
  const { floor } = await log.bounds(topic);
  const from = after ?? START;
  return { entries, position: entries.at(-1)?.seq ?? from, gap: missed(newest, entries, limit, from, { floor }) };
}

/** Going back one has missed something when the page ends for want of older messages that once were. */
function missed(
  newest: boolean,
  entries: readonly Entry[],
  limit: number,
  from: Seq,
  { floor }: Pick<Bounds, 'floor'>,
) {
  return newest ? entries.length < limit && floor > 0 : from < floor;
}
