import { EventEmitter } from 'node:events';
import { askedFor, backoff, isPassing, sleep } from './backoff.js';
import { Backlog } from './backlog.js';
import { ClientGone, CredentialOver, ProblemError, Unreachable } from './errors.js';
import { type CallOptions, InterChat, type SendOptions } from './interchat.js';
import type {
  Bye,
  ClientInfo,
  Content,
  Deleted,
  Destination,
  Gap,
  Invited,
  ListQuery,
  Message,
  MessagePage,
  Page,
  Presence,
  ReadMarks,
  ReadQuery,
  ReadState,
  RoomInfo,
  RoomPage,
  RoomQuery,
  Sent,
  Welcome,
} from './resources.js';
import { RecentIds } from './recent-ids.js';
import { Stream } from './stream.js';
import { Transport, type TransportOptions } from './transport.js';

export interface ConnectOptions extends TransportOptions {
  /** What the client is to be called: 1 to 64 printable characters. */
  readonly name?: string;
  /** Rooms to enter at once; not again when it comes back after a lost connection. */
  readonly rooms?: readonly string[];
  /** Whether to be told, by `presence`, who comes and goes. */
  readonly presence?: boolean;
  /**
   * The credential of the client to be: its token, that of a session, a key, or a token (JWT) of the identity provider. Without one,
   * and without a cursor, a new client.
   */
  readonly token?: string;
  /** From where to go on. Without a token it also says whose stream it is, unless that client signs in. */
  readonly cursor?: string;
  /** Closes the client, as {@link Client.close} does, or gives the connecting up. */
  readonly signal?: AbortSignal;
}

/** The connection was lost. */
export interface Disconnection {
  readonly error: Error;
  /** In how many milliseconds it is tried again. */
  readonly retryIn: number;
}

/** What a client tells while it goes on by itself. */
export interface ClientEvents {
  /** It is back after a lost connection. */
  welcome: [Welcome];
  /** Messages were missed, since they are no longer kept. */
  gap: [Gap];
  /**
   * Who comes and goes, if that was asked for. To keep a list, ask for {@link Client.list} and put each event's `client` in its place, or
   * take it out when it has `left`. An event may repeat what the list has. What happened while the connection was lost is not told
   * afterwards: on `welcome`, ask for the list anew.
   */
  presence: [Presence];
  /** How far this client has read, said on whatever device. */
  read: [ReadState];
  /** A message is no longer there. {@link Client.messages} does not give it out any more if it has not done so yet. */
  deleted: [Deleted];
  /** This client may enter a private room. */
  invited: [Invited];
  /** The server ends the stream. */
  bye: [Bye];
  disconnected: [Disconnection];
  /** Nothing more will come; with an error unless it was closed or left by its own will. */
  end: [Error | undefined];
}

/** So many messages wait for {@link Client.messages} before the stream is no longer read. */
const BACKLOG = 256;

/** Ids by which a message is known that comes again. A server repeats what was on its way when the connection broke: far fewer. */
const RECENT = 1_024;

/** For so many milliseconds a server may still say what it has to say to a client that has left. */
const LAST_WORDS = 1_000;

/**
 * Opens a client's stream, and keeps it open: a lost connection is opened anew, with growing pauses, as the same client and
 * from where it was.
 *
 * @throws ProblemError when the server refuses; Unreachable when it cannot be reached (it is tried as often as `retries`
 *   says); UnexpectedAnswer when something else answers; TypeError for what is no URL; the signal's reason when it aborts
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return Client.connect(url, options);
}

/**
 * A client that is connected, from {@link connect}. It goes on until it is closed, leaves, or the server does not know it or its
 * credential any more (410, 401, 403, or a `bye` that says so), which {@link messages} throws. Listeners added right after `connect` miss nothing.
 */
export class Client extends EventEmitter<ClientEvents> {
  readonly index: number;
  /**
   * Proves that one is this client: keep it to come back as the same later, and keep it secret. The credential that it was
   * connected with, where that was a session's token, a key or a JWT.
   */
  readonly token: string;
  /** Whether it is that of an account, a key or an identity: it stays while it is away, and has its name from there. */
  readonly isSignedIn: boolean;
  /** All that can be asked for without a stream, as this client. */
  readonly api: InterChat;
  readonly #transport: Transport;
  readonly #closing: AbortController;
  readonly #backlog = new Backlog<{ readonly message: Message; readonly cursor: string }>(BACKLOG);
  readonly #running: Promise<void>;
  #welcome: Welcome;
  #name: string | null;
  #state: 'online' | 'reconnecting' | 'closed' = 'online';
  #leaving = false;
  /** Behind the last message received; the one that is told is behind the last message taken. */
  #received: string;
  #cursor: string;
  readonly #had = new RecentIds(RECENT);

  private constructor(
    transport: Transport,
    api: InterChat,
    stream: Stream,
    private readonly presence: boolean,
    closing: AbortController,
  ) {
    super();
    const { welcome } = stream;
    this.#transport = transport;
    this.api = api;
    this.#closing = closing;
    this.#welcome = welcome;
    this.index = welcome.client.index;
    this.token = welcome.token;
    this.isSignedIn = stream.isSignedIn;
    this.#name = welcome.client.name;
    this.#received = welcome.cursor;
    this.#cursor = welcome.cursor;
    this.#running = this.#run(stream);
  }

  /** @see connect */
  static async connect(url: string | URL, options: ConnectOptions): Promise<Client> {
    const transport = new Transport(url, options);
    const { name, rooms, presence = false, token, cursor, signal } = options;
    const closing = new AbortController();
    const close = () => closing.abort(signal?.reason);
    if (signal?.aborted) close();
    signal?.addEventListener('abort', close, { once: true });
    const forget = () => signal?.removeEventListener('abort', close);
    try {
      const stream = await transport.persist(true, closing.signal, () =>
        Stream.open(transport, { name, rooms, presence, token, cursor, signal: closing.signal }),
      );
      const api = new InterChat(url, { ...options, token: stream.welcome.token });
      const client = new Client(transport, api, stream, presence, closing);
      void client.#running.then(forget);
      return client;
    } catch (error) {
      forget();
      throw error;
    }
  }

  get name(): string | null {
    return this.#name;
  }

  /**
   * Behind the last message that {@link messages} gave out: whoever keeps it, once that message is dealt with, and connects
   * with it again gets what came after. It says whose stream it is, so keep it secret.
   */
  get cursor(): string {
    return this.#cursor;
  }

  /** The welcome of the stream that is, or was last, open. */
  get welcome(): Welcome {
    return this.#welcome;
  }

  get state(): 'online' | 'reconnecting' | 'closed' {
    return this.#state;
  }

  /**
   * The messages, none twice, for as long as the client goes on; it ends when it is closed or has left. They come in the order of the
   * log, but for those that are marked `late`: see {@link Message.late}. Leaving
   * the loop closes nothing: the next loop goes on where this one was. A client whose messages nobody takes stops reading
   * after some, and in the end the server takes it for away.
   * @throws ProblemError, ClientGone, UnexpectedAnswer: why it cannot go on
   */
  async *messages(): AsyncGenerator<Message, void, undefined> {
    for (let next = await this.#backlog.take(); next; next = await this.#backlog.take()) {
      this.#cursor = next.cursor;
      yield next.message;
    }
  }

  /** @see InterChat.send */
  send(index: number, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.api.send(index, content, options);
  }

  /** @see InterChat.sendTo */
  sendTo(to: Destination, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.api.sendTo(to, content, options);
  }

  /** Sends to all members of a room: to this client, too, if it is in it. */
  say(room: string, content: string | Content, options: SendOptions = {}): Promise<Sent> {
    return this.api.sendTo({ room }, content, options);
  }

  /** Enters a room, which is made if it is not there. */
  enter(room: string, options: CallOptions = {}): Promise<RoomInfo> {
    return this.api.enter(this.index, room, options);
  }

  /** Leaves a room; what was sent before still comes. */
  exit(room: string, options: CallOptions = {}): Promise<void> {
    return this.api.exit(this.index, room, options);
  }

  /** @see InterChat.listRooms */
  listRooms(query: RoomQuery = {}, options: CallOptions = {}): Promise<RoomPage> {
    return this.api.listRooms(query, options);
  }

  /** @see InterChat.rooms */
  rooms(query: RoomQuery = {}, options: CallOptions = {}): AsyncGenerator<RoomInfo, void, undefined> {
    return this.api.rooms(query, options);
  }

  /** @see InterChat.listMembers */
  listMembers(room: string, query: ListQuery = {}, options: CallOptions = {}): Promise<Page> {
    return this.api.listMembers(room, query, options);
  }

  /** @see InterChat.readRoom */
  readRoom(room: string, query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.api.readRoom(room, query, options);
  }

  /** Reads what was sent to everyone since this client was made. */
  readEveryone(query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.api.readEveryone(query, options);
  }

  /** How far this client has read, on whatever device, and how much is unread. */
  readState(options: CallOptions = {}): Promise<ReadState> {
    return this.api.readState(this.index, options);
  }

  /** Says how far it has read. */
  markRead(marks: ReadMarks, options: CallOptions = {}): Promise<ReadState> {
    return this.api.markRead(this.index, marks, options);
  }

  /** @see InterChat.list */
  list(query: ListQuery = {}, options: CallOptions = {}): Promise<Page> {
    return this.api.list(query, options);
  }

  /** @see InterChat.clients */
  clients(query: ListQuery = {}, options: CallOptions = {}): AsyncGenerator<ClientInfo, void, undefined> {
    return this.api.clients(query, options);
  }

  /** @see InterChat.get */
  get(index: number, options: CallOptions = {}): Promise<ClientInfo> {
    return this.api.get(index, options);
  }

  /** Takes another name. */
  async rename(name: string, options: CallOptions = {}): Promise<ClientInfo> {
    const client = await this.api.rename(this.index, name, options);
    this.#name = client.name;
    return client;
  }

  /** Reads this client's mailbox, beside the stream. */
  read(query: ReadQuery = {}, options: CallOptions = {}): Promise<MessagePage> {
    return this.api.read(this.index, query, options);
  }

  /** Leaves for good, with the mailbox, and closes. A client that signs in cannot (403): it stays as long as its account or key. */
  async leave(options: CallOptions = {}): Promise<void> {
    this.#leaving = true;
    try {
      await this.api.leave(this.index, options);
    } catch (error) {
      // Somebody else, or a first try whose answer was lost, was faster.
      const gone = error instanceof ProblemError && (error.status === 404 || error.status === 410);
      if (!gone) {
        this.#leaving = false;
        throw error;
      }
    }
    // What was sent before comes first, then the stream ends by itself.
    if (this.#state === 'online') await Promise.race([this.#running, sleep(LAST_WORDS, this.#closing.signal)]);
    await this.close();
  }

  /** Closes the stream without leaving: the client is away, and may come back by its token within the grace time. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#backlog.end();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Never rejects. */
  async #run(first: Stream): Promise<void> {
    // Whoever awaited `connect` adds listeners before anything is told.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      for (let stream = first; ;) {
        const lost = await this.#follow(stream);
        if (!lost) break;
        stream = await this.#reopen(lost, stream.retry);
      }
      this.#end();
    } catch (error) {
      // After `leave`, being told that this client is gone is no news.
      this.#end(this.#closing.signal.aborted || this.#leaving ? undefined : (error as Error));
    }
  }

  /**
   * Takes what the stream brings, until it is lost: then answers why, or undefined when it ended since this client left.
   * @throws what cannot pass by itself
   */
  async #follow(stream: Stream): Promise<Error | undefined> {
    try {
      for await (const event of stream.events()) {
        if (event.type === 'message') await this.#take(event.message, event.cursor);
        else if (event.type === 'gap') this.emit('gap', event.gap);
        else if (event.type === 'presence') this.emit('presence', event.presence);
        else if (event.type === 'read') this.emit('read', event.read);
        else if (event.type === 'invited') this.emit('invited', event.invited);
        else if (event.type === 'deleted') this.#forget(event.deleted, event.cursor);
        else {
          const { reason } = event.bye;
          this.emit('bye', event.bye);
          if (reason === 'left' && this.#leaving) return undefined;
          if (reason === 'left') throw new ClientGone(this.index, reason);
          if (reason === 'removed' || reason === 'expired' || reason === 'signed-out') {
            // Whoever has a token from the server itself is told that by its client's end alone.
            if (reason === 'signed-out' || this.isSignedIn) throw new CredentialOver(reason);
            throw new ClientGone(this.index, reason);
          }
          return new Unreachable(`The server ended the stream (${reason}).`);
        }
      }
      return new Unreachable('The server closed the connection.');
    } catch (error) {
      if (isPassing(error)) return error as Error;
      throw error;
    }
  }

  /** @param retry milliseconds the server wants to be left alone */
  async #reopen(lost: Error, retry: number): Promise<Stream> {
    this.#state = 'reconnecting';
    const { signal } = this.#closing;
    let error = lost;
    for (let failures = 0; ; failures++) {
      const retryIn = backoff(failures, Math.max(retry, askedFor(error)));
      this.emit('disconnected', { error, retryIn });
      await sleep(retryIn, signal);
      try {
        const { presence, token } = this;
        const stream = await Stream.open(this.#transport, { presence, token, cursor: this.#received, signal });
        this.#welcome = stream.welcome;
        this.#name = stream.welcome.client.name;
        this.#state = 'online';
        this.emit('welcome', stream.welcome);
        return stream;
      } catch (failure) {
        if (signal.aborted || !isPassing(failure)) throw failure;
        error = failure as Error;
      }
    }
  }

  /** A message that was under way when the connection broke may come again, and one that is late has a lower id than others. */
  async #take(message: Message, cursor: string): Promise<void> {
    if (cursor !== '') this.#received = cursor;
    if (message.id !== null && !this.#had.add(message.id)) return;
    await this.#backlog.put({ message, cursor: this.#received });
  }

  /** What was deleted while it waited is given to nobody. */
  #forget(deleted: Deleted, cursor: string): void {
    this.#backlog.discard(({ message }) => message.id === deleted.id);
    // Nor is one that comes late.
    this.#had.add(deleted.id);
    if (cursor !== '') this.#received = cursor;
    this.emit('deleted', deleted);
  }

  #end(error?: Error): void {
    this.#state = 'closed';
    this.#backlog.end(error);
    this.emit('end', error);
  }
}
