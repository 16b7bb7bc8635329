import { randomUUID } from 'node:crypto';
import { Accounts } from './accounts.js';
import { Keys } from './keys.js';
import { Moderation } from './moderation.js';
import { PrivateRooms } from './private-rooms.js';
import type {
  ClientInfo,
  Content,
  Destination,
  Joined,
  ListQuery,
  MessagePage,
  Page,
  ReadMarks,
  ReadQuery,
  ReadState,
  RoomInfo,
  RoomPage,
  RoomQuery,
  Sent,
} from './resources.js';
import { Sessions } from './sessions.js';
import { Transport, type TransportOptions } from './transport.js';

export interface InterChatOptions extends TransportOptions {
  /**
   * Proves who asks: a client's token, that of a session, a key, or a token (JWT) of the identity provider. Without one messages
   * come from nobody, and what is a client's own cannot be had; where only members may come, nothing can.
   */
  readonly token?: string | undefined;
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
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly keys: Keys;
  readonly moderation: Moderation;
  readonly privateRooms: PrivateRooms;
  readonly #transport: Transport;
  readonly #token: string | undefined;

  /** @throws TypeError for what is no http or https URL */
  constructor(url: string | URL, options: InterChatOptions = {}) {
    const transport = new Transport(url, options);
    const { token } = options;
    this.#transport = transport;
    this.#token = token;
    this.sessions = new Sessions(transport, token);
    this.accounts = new Accounts(transport, token);
    this.keys = new Keys(transport, token);
    this.moderation = new Moderation(transport, token);
    this.privateRooms = new PrivateRooms(transport, token);
  }

  /** One page of those who are there, by index. */
  list(query: ListQuery = {}, { signal }: CallOptions = {}): Promise<Page> {
    return this.#transport.call({
      method: 'GET',
      path: 'clients',
      query: { ...query },
      token: this.#token,
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
    const path = `clients/${index}`;
    return this.#transport.call({ method: 'GET', path, token: this.#token, repeatable: true, signal });
  }

  /**
   * Sends a message to a client, from whoever the token proves; it is durable when this resolves.
   * @param content a text, or what else is to be sent
   */
  send(index: number, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.sendTo({ client: index }, content, options);
  }

  /** The same to a client, to all members of a room, or to everyone. */
  sendTo(to: Destination, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.#transport.call({
      method: 'POST',
      path: 'client' in to ? `clients/${to.client}/messages` : 'messages',
      token: this.#token,
      headers: { 'idempotency-key': options.idempotencyKey ?? randomUUID() },
      body: { ...('client' in to ? {} : { to }), ...(typeof content === 'string' ? { text: content } : content) },
      repeatable: true, // by its key
      signal: options.signal,
    });
  }

  /** One page of the rooms there are, by name. */
  listRooms(query: RoomQuery = {}, { signal }: CallOptions = {}): Promise<RoomPage> {
    const token = this.#token;
    return this.#transport.call({ method: 'GET', path: 'rooms', query: { ...query }, token, repeatable: true, signal });
  }

  /** All rooms there are, by name, asked for page by page. */
  async *rooms(query: RoomQuery = {}, options: CallOptions = {}): AsyncGenerator<RoomInfo, void, undefined> {
    let { after } = query;
    for (;;) {
      const page: RoomPage = await this.listRooms(after === undefined ? query : { ...query, after }, options);
      yield* page.rooms;
      const last = page.rooms.at(-1);
      if (page.next === null || last === undefined) return;
      after = last.name;
    }
  }

  /** One room: `no-such-room` (404) if nobody is in it. */
  room(name: string, { signal }: CallOptions = {}): Promise<RoomInfo> {
    const path = roomPath(name);
    return this.#transport.call({ method: 'GET', path, token: this.#token, repeatable: true, signal });
  }

  /** One page of the members of a room, by index. */
  listMembers(room: string, query: ListQuery = {}, { signal }: CallOptions = {}): Promise<Page> {
    const path = `${roomPath(room)}/members`;
    const token = this.#token;
    return this.#transport.call({ method: 'GET', path, query: { ...query }, token, repeatable: true, signal });
  }

  /** Takes the client whose token this is into a room, which is made if it is not there. */
  enter(index: number, room: string, { signal }: CallOptions = {}): Promise<RoomInfo> {
    const path = `${roomPath(room)}/members/${index}`;
    return this.#transport.call({ method: 'PUT', path, token: this.#token, repeatable: true, signal });
  }

  /** Takes it out of a room. */
  exit(index: number, room: string, { signal }: CallOptions = {}): Promise<void> {
    const path = `${roomPath(room)}/members/${index}`;
    return this.#transport.call({ method: 'DELETE', path, token: this.#token, repeatable: true, signal });
  }

  /** Reads the history of a room. */
  readRoom(room: string, query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.#history(`${roomPath(room)}/messages`, query, options);
  }

  /** Reads what was sent to everyone since the client whose token this is was made. */
  readEveryone(query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.#history('messages', query, options);
  }

  /** How far the client whose token this is has read, and how much is unread. */
  readState(index: number, { signal }: CallOptions = {}): Promise<ReadState> {
    const path = `clients/${index}/read`;
    return this.#transport.call({ method: 'GET', path, token: this.#token, repeatable: true, signal });
  }

  /** Says how far it has read: kept for all its devices, and told to them. No mark goes back. */
  markRead(index: number, marks: ReadMarks, { signal }: CallOptions = {}): Promise<ReadState> {
    const path = `clients/${index}/read`;
    return this.#transport.call({ method: 'PUT', path, token: this.#token, body: marks, repeatable: true, signal });
  }

  /**
   * Makes a client without a stream: it can be sent to, and reads its messages with its token and {@link read}. By a session, a key
   * or a JWT it is the client that one has already.
   */
  async join(
    options: { readonly name?: string; readonly rooms?: readonly string[] } = {},
    { signal }: CallOptions = {},
  ): Promise<Joined> {
    const token = this.#token;
    const call = { method: 'POST', path: 'clients', token, body: options, repeatable: false, signal } as const;
    const joined = await this.#transport.call<Omit<Joined, 'token'> & { readonly token: string | null }>(call);
    return { ...joined, token: joined.token ?? token ?? '' };
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
  read(index: number, query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.#history(`clients/${index}/messages`, query, options);
  }

  #history(path: string, query: ReadQuery, { signal }: CallOptions): Promise<MessagePage> {
    return this.#transport.call({
      method: 'GET',
      path,
      query: { ...query },
      token: this.#token,
      repeatable: true,
      signal,
      extra: (query.wait ?? 0) * 1000,
    });
  }
}

function roomPath(name: string): string {
  return `rooms/${encodeURIComponent(name)}`;
}
