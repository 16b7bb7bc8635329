import type { CallOptions, Client, Message, MessagePage, ReadQuery } from '../../sdk/index.js';
import { type Conversation, conversationOf, keyOf } from './conversation.js';

/** So many messages fit a window of 24 rows, most of the time. */
const PAGE = 20;

/** Behind all ids there are: an id has 15 digits at most. */
const NEWEST = '9'.repeat(15);

/** A mailbox is looked through in pages of so many, and in so many of them, for what one sender has sent. */
const LOOKED_THROUGH = 500;
const LOOKS = 20;

/** A piece of what was said, oldest first. */
export interface HistoryPage {
  readonly messages: readonly Message[];
  /** The id in front of which to look for what is older; undefined where there is nothing. */
  readonly older: string | undefined;
  /** Whether there was more once, which is no longer kept. */
  readonly gap: boolean;
}

/**
 * Reads the newest messages in front of a place.
 * @param where a conversation; undefined for all that was sent to this client alone
 * @param query `q`, to search; `before`, an id
 * @throws as the client does
 */
export async function readBack(
  client: Client,
  where: Conversation | undefined,
  { before = NEWEST, q }: { readonly before?: string | undefined; readonly q?: string | undefined },
  options: CallOptions,
): Promise<HistoryPage> {
  if (where !== undefined && ('client' in where || 'nobody' in where)) {
    return readSender(client, keyOf(where), { before, q }, options);
  }
  const query: ReadQuery = { before, limit: PAGE, ...(q === undefined ? {} : { q }) };
  const page = await read(client, where, query, options);
  const [first] = page.messages;
  return { ...page, older: page.messages.length === PAGE ? (first?.id ?? undefined) : undefined };
}

function read(
  client: Client,
  where: { readonly room: string } | { readonly everyone: true } | undefined,
  query: ReadQuery,
  options: CallOptions,
): Promise<MessagePage> {
  if (where === undefined) return client.read(query, options);
  return 'room' in where ? client.readRoom(where.room, query, options) : client.readEveryone(query, options);
}

/** What one sender has sent, picked out of the mailbox. */
async function readSender(
  client: Client,
  key: string,
  { before, q }: { readonly before: string; readonly q?: string | undefined },
  options: CallOptions,
): Promise<HistoryPage> {
  let found: Message[] = [];
  let older: string | undefined = before;
  let gap = false;
  for (let look = 0; look < LOOKS && older !== undefined && found.length < PAGE; look++) {
    const query: ReadQuery = { before: older, limit: LOOKED_THROUGH, ...(q === undefined ? {} : { q }) };
    const page = await client.read(query, options);
    found = [...page.messages.filter((message) => keyOf(conversationOf(message)) === key), ...found];
    gap = page.gap;
    older = page.messages.length === LOOKED_THROUGH ? (page.messages[0]?.id ?? undefined) : undefined;
  }
  if (found.length <= PAGE) return { messages: found, older, gap };
  const messages = found.slice(-PAGE);
  return { messages, older: messages[0]?.id ?? undefined, gap: false };
}

/** Leafs through what was said: back with PgUp, and forth again with PgDn. */
export class Pager {
  #where: Conversation | undefined;
  #title = 'Sent to you';
  /** In front of which ids the pages lie that were shown; the last is the one on the screen. */
  #shown: (string | undefined)[] = [];
  #older: string | undefined;

  constructor(private readonly client: Client) {}

  /** What its pages are of. */
  get title(): string {
    return this.#title;
  }

  /** Begins anew at the newest. */
  begin(where: Conversation | undefined, title: string): void {
    this.#where = where;
    this.#title = title;
    this.#shown = [];
    this.#older = undefined;
  }

  /** The page before; undefined where there is none. @throws as the client does */
  async back(options: CallOptions): Promise<HistoryPage | undefined> {
    if (this.#shown.length > 0 && this.#older === undefined) return undefined;
    return this.#turnTo([...this.#shown, this.#older], options);
  }

  /** The page behind; undefined where there is none. @throws as the client does */
  async forth(options: CallOptions): Promise<HistoryPage | undefined> {
    if (this.#shown.length < 2) return undefined;
    return this.#turnTo(this.#shown.slice(0, -1), options);
  }

  async #turnTo(shown: (string | undefined)[], options: CallOptions): Promise<HistoryPage> {
    const page = await readBack(this.client, this.#where, { before: shown.at(-1) }, options);
    this.#shown = shown;
    this.#older = page.older;
    return page;
  }
}
