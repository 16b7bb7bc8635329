import type { Entry, Log, Seq, Topic } from '../engine/engine.js';
import type { Feeds } from './feeds.js';

/** The memory that a page may take. Its methods throw where the caller has to come again later. */
export interface PageMemory {
  /** Bytes of messages in one page, at most, unless it is one message. */
  readonly pageBytes: number;
  /** Bytes of messages up to which a page is small, and need not wait for large ones. */
  readonly smallBytes: number;
  /**
   * Reserves the memory for a page of this many bytes of messages, instead of what is reserved so far.
   * @returns undefined where there is memory at once. Else a promise that resolves when there is; nothing is reserved until then,
   *   and what was read before must not be kept
   */
  reserve(bytes: number): Promise<void> | undefined;
  /** The page takes this many bytes, which are known now. */
  shrinkTo(bytes: number): void;
}

export interface HistoryQuery {
  /** Messages behind this place, oldest first. */
  readonly after?: Seq;
  /** Messages before this place; without `after` the newest of them. */
  readonly before?: Seq;
  readonly limit: number;
  /** For how many milliseconds to wait until there is something, if there is nothing. */
  readonly wait: number;
  /** Only messages whose text contains this, whatever the case. */
  readonly q?: string;
  /** What the page is read into. */
  readonly memory: PageMemory;
}

export interface HistoryPage {
  readonly entries: readonly Entry[];
  /** The place behind what was read: the `after` of the next call. */
  readonly position: Seq;
  /** Whether messages between `after` and the first of these are no longer kept. */
  readonly gap: boolean;
}

const START = 0 as Seq;

/** Entries read at a time: others get their turn in between. */
const READ_AT_A_TIME = 256;

/** Bytes of entries read at a time, for the same reason. */
const READ_BYTES_AT_A_TIME = 1024 * 1024;

/** The entries of a page, and the answer that is made of them. */
const COPIES = 2;

/**
 * Reads a page of a topic for somebody who holds no stream.
 * @param since what is in the topic up to this place is not for the reader
 * @param signal ends the waiting early; what is there by then is the answer
 */
export async function readHistory(
  log: Log,
  feeds: Feeds,
  topic: Topic,
  since: Seq,
  query: HistoryQuery,
  signal: AbortSignal,
): Promise<HistoryPage> {
  const page = await readPage(log, topic, since, query);
  if (page.entries.length > 0 || query.wait <= 0 || signal.aborted) return page;

  let over = false;
  let wake = () => {};
  const end = () => {
    over = true;
    wake();
  };
  const listener = { take: () => wake() };
  // Nothing is held while it waits.
  query.memory.shrinkTo(0);
  await feeds.subscribe(topic, listener);
  const timer = setTimeout(end, query.wait);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  // Where the last reading ended: what it looked through is not searched again.
  let { position, gap } = page;
  try {
    // Not all that comes is something to answer with: some of it is not kept, or not what was asked for.
    for (;;) {
      const something = new Promise<void>((resolve) => (wake = resolve));
      const last = over;
      const sinceThen = await readPage(
        log,
        topic,
        since,
        query.after === undefined ? query : { ...query, after: position },
      );
      gap ||= sinceThen.gap;
      if (last || sinceThen.entries.length > 0) return { ...sinceThen, gap };
      position = sinceThen.position;
      query.memory.shrinkTo(0);
      if (!over) await something;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    feeds.unsubscribe(topic, listener);
  }
}

async function readPage(log: Log, topic: Topic, since: Seq, query: HistoryQuery): Promise<HistoryPage> {
  const { before, limit } = query;
  const newest = before !== undefined && query.after === undefined;
  const from = Math.max(query.after ?? START, since) as Seq;
  const sought = query.q === undefined ? undefined : fold(query.q);
  const { entries, position, ended } = await read(
    log,
    topic,
    { after: from, before, limit, newest },
    sought,
    query.memory,
  );
  const { floor } = await log.bounds(topic);
  // Going back one has missed something when the page ends for want of older messages that once were.
  if (newest) return { entries, position, gap: ended && floor > since };
  const lost = query.after && lostBetween(log, from, ended ? (Infinity as Seq) : position);
  if (!lost) return { entries, position, gap: floor > from };
  return { entries, position: Math.max(position, ended ? lost : START) as Seq, gap: true };
}

/** Up to where something was lost by a restoration between these places; undefined where nothing was. */
function lostBetween({ restorations }: Log, from: Seq, to: Seq): Seq | undefined {
  return restorations.findLast(({ after, upTo }) => from < upTo && after < to)?.upTo;
}

interface Read {
  readonly entries: readonly Entry[];
  /** Up to where the topic was read. */
  readonly position: Seq;
  /** Whether there is nothing more in the direction of reading. */
  readonly ended: boolean;
}

interface Range {
  readonly after: Seq;
  readonly before?: Seq;
  readonly limit: number;
  readonly newest: boolean;
}

/**
 * Reads on until the page is full, or there is nothing more. Memory is reserved before: for a small page at first, and for the
 * largest one where it turns out to be larger.
 * @param sought what they must contain, folded; undefined takes all
 */
async function read(
  log: Log,
  topic: Topic,
  range: Range,
  sought: string | undefined,
  memory: PageMemory,
): Promise<Read> {
  const { after, before, limit, newest } = range;
  let most = memory.smallBytes;
  await memory.reserve(most);
  let found: Entry[] = [];
  let bytes = 0;
  let [low, high] = [after, before];
  let seen = after;
  for (;;) {
    const count = sought === undefined ? Math.min(limit - found.length, READ_AT_A_TIME) : READ_AT_A_TIME;
    const step = Math.min(most, READ_BYTES_AT_A_TIME);
    const entries = await log.read(topic, { after: low, before: high, limit: count, bytes: step, newest });
    let isFull = false;
    let isTooLarge = false;
    let length = 0;
    for (const entry of newest ? entries.toReversed() : entries) {
      length += entry.body.length;
      const isWanted = sought === undefined || containsText(entry, sought);
      if (isWanted && found.length > 0 && bytes + entry.body.length > most) {
        isTooLarge = most < memory.pageBytes;
        isFull = !isTooLarge;
        break;
      }
      seen = entry.seq;
      if (!isWanted) continue;
      bytes += entry.body.length;
      if (found.push(entry) < limit) continue;
      isFull = true;
      break;
    }
    const ended = !isFull && !isTooLarge && entries.length < count && length < step;
    if (isFull || ended) {
      memory.shrinkTo(COPIES * bytes);
      const position = newest ? (found.at(-1)?.seq ?? after) : seen;
      return { entries: newest ? found.reverse() : found, position, ended };
    }
    if (newest) high = seen;
    else low = seen;
    if (isTooLarge) {
      most = memory.pageBytes;
      const others = memory.reserve(most);
      if (others) {
        // A page that waits for memory must hold none that others wait for: it is read again from its beginning.
        found = [];
        bytes = 0;
        [low, high] = [after, before];
        seen = after;
        await others;
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function containsText({ body }: Entry, sought: string): boolean {
  const { text } = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as {
    text?: string;
  };
  return text !== undefined && fold(text).includes(sought);
}

/** Texts that differ in case only become the same. By upper case, for in lower case one letter has two forms (ς and σ). */
function fold(text: string): string {
  return text.normalize('NFC').toUpperCase();
}
