import { randomUUID } from 'node:crypto';
import type { ClientInfo, Content, Joined, ListQuery, MessagePage, Page, ReadQuery, Sent } from './resources.js';
import { Transport, type TransportOptions } from './transport.js';

export interface InterChatOptions extends TransportOptions {
  /** Proves who asks. Without one messages come from nobody, and what is a client's own cannot be had. */
  readonly token?: string;
}

export interface CallOptions {
  /** Gives the request up. */
  readonly signal?: AbortSignal;
}

export interface SendOptions extends CallOptions {
  /** Under one key a message is sent once, however often it is tried within 10 minutes. A new key unless set. */
  readonly idempotencyKey?: string;
}

/**
 * The API without a stream, for scripts that list and send.
 *
 * Every method throws {@link ProblemError} when the server refuses, {@link Unreachable} when it cannot be reached, and
 * {@link UnexpectedAnswer} when something else answers in its place. What failed in passing is repeated first, unless it
 * might be done twice.
 */
export class InterChat {
  readonly #transport: Transport;
  readonly #token: string | undefined;

  /** @throws TypeError for what is no http or https URL */
  constructor(url: string | URL, options: InterChatOptions = {}) {
    this.#transport = new Transport(url, options);
    this.#token = options.token;
  }

  /** One page of those who are there, by index. */
  list(query: ListQuery = {}, { signal }: CallOptions = {}): Promise<Page> {
    return this.#transport.call({
      method: 'GET',
      path: 'clients',
      query: { ...query },
      repeatable: true,
      signal,
    });
  }

  /** All who are there, by index, asked for page by page. */
  async *clients(query: ListQuery = {}, options: CallOptions = {}): AsyncGenerator<ClientInfo, void, undefined> {
    let after = query.after;
    for (;;) {
      const page: Page = await this.list(after === undefined ? query : { ...query, after }, options);
      yield* page.clients;
      const last = page.clients.at(-1);
      if (page.next === null || last === undefined) return;
      after = last.index;
    }
  }

  /** One client: `no-such-client` (404) if there never was one of this index, `client-gone` (410) if it has left. */
  get(index: number, { signal }: CallOptions = {}): Promise<ClientInfo> {
    return this.#transport.call({ method: 'GET', path: `clients/${index}`, repeatable: true, signal });
  }

  /**
   * Sends a message to a client, from whoever the token proves; it is durable when this resolves.
   * @param content a text, or what else is to be sent
   */
  send(index: number, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.#transport.call({
      method: 'POST',
      path: `clients/${index}/messages`,
      token: this.#token,
      headers: { 'idempotency-key': options.idempotencyKey ?? randomUUID() },
      body: typeof content === 'string' ? { text: content } : content,
      repeatable: true, // by its key
      signal: options.signal,
    });
  }

  /** Makes a client without a stream: it can be sent to, and reads its messages with its token and {@link read}. */
  join(options: { readonly name?: string } = {}, { signal }: CallOptions = {}): Promise<Joined> {
    return this.#transport.call({ method: 'POST', path: 'clients', body: options, repeatable: false, signal });
  }

  /** Gives the client whose token this is another name. */
  rename(index: number, name: string, { signal }: CallOptions = {}): Promise<ClientInfo> {
    return this.#transport.call({
      method: 'PATCH',
      path: `clients/${index}`,
      token: this.#token,
      body: { name },
      repeatable: true,
      signal,
    });
  }

  /** The client whose token this is leaves for good, with its mailbox. */
  leave(index: number, { signal }: CallOptions = {}): Promise<void> {
    return this.#transport.call({
      method: 'DELETE',
      path: `clients/${index}`,
      token: this.#token,
      repeatable: true,
      signal,
    });
  }

  /** Reads the mailbox of the client whose token this is. */
  read(index: number, query: ReadQuery = {}, { signal }: CallOptions = {}): Promise<MessagePage> {
    return this.#transport.call({
      method: 'GET',
      path: `clients/${index}/messages`,
      query: { ...query },
      token: this.#token,
      repeatable: true,
      signal,
      extra: (query.wait ?? 0) * 1000,
    });
  }
}
