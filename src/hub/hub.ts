import type { Engine, Entry, Seq, Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { Clients, type ClientInfo, type ClientPage, type ListQuery } from './clients.js';
import { Credentials } from './credentials.js';
import { ClientGone, Draining, Forbidden, InvalidRequest, NoSuchMessage, NoSuchRoom, Unauthorized } from './errors.js';
import { Feeds } from './feeds.js';
import { type HistoryPage, type HistoryQuery, readHistory } from './history.js';
import type { Sender } from './message.js';
import { Presence, type PresenceWatcher } from './presence.js';
import { type ReadMarks, ReadUpTo, type Unread } from './read-up-to.js';
import type { RoomInfo } from './rooms.js';
import { Sending } from './sending.js';
import { type Sink, type Sources, Subscription } from './subscription.js';
import { EVERYONE, mailboxOf, roomTopic } from './topics.js';

/** Why a stream ends: the reason in its last event. */
export type CloseReason = 'shutdown' | 'left' | 'slow-consumer' | 'expired';

/** An open connection on which a client receives. */
export interface Stream extends Sink, PresenceWatcher {
  /** The client has read further, on whatever device. */
  read(state: ReadState): void;
  /** Says goodbye and ends. Must not throw. */
  close(reason: CloseReason): void;
  /** Its link is gone. Must not throw. */
  gone(): void;
}

/** The link that a stream of a client has, from when it is asked for: see {@link Hub.openStream}. */
export class Connection {
  /** Nobody is at the other end any more. */
  gone = false;
  socket: number | undefined;
  stream: Stream | undefined;
  subscription: Subscription | undefined;
  unwatch: (() => void) | undefined;

  constructor(readonly index: ClientIndex) {}
}

export interface HubOptions {
  readonly secret: string | Buffer;
  /** For how many milliseconds a client may be away. */
  readonly grace: number;
  /** Streams a client may have open at once. */
  readonly maxStreams?: number;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError?: (error: unknown) => void;
  readonly now?: () => number;
}

/** Who somebody claims to be, as presented: nothing of it has been checked. */
export interface Claim {
  readonly token?: string;
  /** In order of precedence; a place alone (digits) serves where a token says who. */
  readonly cursors: readonly string[];
}

/** A client that is about to open a stream, and from where. */
export interface Identity {
  readonly index: ClientIndex;
  readonly position: Seq;
  /** Whether it is a client that was there before. */
  readonly resumed: boolean;
}

/** How far a client has read, and how much there is behind that. */
export interface ReadState {
  readonly marks: ReadMarks;
  readonly unread: Unread;
}

/** What somebody who opens a stream asks for besides. */
export interface Wishes {
  /** Its name, if it is new. */
  readonly name: string | null;
  /** Rooms to be entered at once. */
  readonly rooms: readonly string[];
  /** Whether it asks by itself, as an EventSource does, with what was asked for the first time. */
  readonly again: boolean;
}

const MAX_STREAMS = 16;
const START = 0 as Seq;
const DIGITS = /^\d{1,15}$/;

/** The switchboard: who is connected, what is sent to whom, and what each stream gets. It knows nothing of HTTP. */
export class Hub {
  readonly credentials: Credentials;
  readonly clients: Clients;
  readonly #engine: Engine;
  readonly #feeds: Feeds;
  readonly #sources: Sources;
  readonly #presence: Presence;
  readonly #sending: Sending;
  #readUpTo!: ReadUpTo;
  #stop: () => void = () => undefined;
  /** Those that have been welcomed. A client has few, so they are looked through. */
  readonly #connections = new Map<ClientIndex, readonly Connection[]>();
  /** What answers whoever waits for a message without a stream, by client; null where that does not matter. */
  readonly #waiting = new Map<ClientIndex | null, Set<() => void>>();
  #draining = false;
  private constructor(engine: Engine, clients: Clients, options: HubOptions) {
    this.#engine = engine;
    this.#feeds = new Feeds(engine.log);
    this.clients = clients;
    this.#sources = { log: engine.log, feeds: this.#feeds, scopes: clients };
    this.#sending = new Sending(engine.log, clients, options.now ?? Date.now);
    this.#presence = new Presence(
      () => clients.all(),
      (index) => clients.peek(index),
    );
    this.credentials = new Credentials(options.secret, engine.log.epoch);
  }

  /** @param engine stays the caller's: it is to be closed after the hub */
  static async open(engine: Engine, options: HubOptions): Promise<Hub> {
    const onError = options.onError ?? (() => undefined);
    // What is there already is found before there is a hub to be told of it.
    let hub: Hub | undefined;
    const clients = await Clients.open(engine, {
      grace: options.grace,
      maxStreams: options.maxStreams ?? MAX_STREAMS,
      now: options.now ?? Date.now,
      onError,
      onLeft: (index, here) => hub && void hub.#left(index, here).catch(onError),
      onChanged: (index) => hub && hub.#presence.changed(index),
      onMoved: (index) => hub && hub.#refresh(index),
    });
    const opened = (hub = new Hub(engine, clients, options));
    const told = (index: ClientIndex) => opened.#tellRead(index).catch(onError);
    const { readUpTo, stop } = await ReadUpTo.open(engine, clients, (index) => void told(index));
    hub.#readUpTo = readUpTo;
    hub.#stop = stop;
    return hub;
  }

  /** Null while messages can be taken and delivered; otherwise why not. */
  health(): string | null {
    return this.draining ? 'the server is stopping' : this.#engine.health();
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** How many streams are open in this process. */
  get streams(): number {
    let streams = 0;
    for (const open of this.#connections.values()) streams += open.length;
    return streams;
  }

  /**
   * Finds out who wants to open a stream: whoever its token proves, else whoever its cursor does, else somebody new.
   * @throws Unauthorized, ClientGone for a token that is no good; a cursor that is no good makes a new client
   */
  async identify(claim: Claim, wishes: Wishes): Promise<Identity> {
    if (this.draining) throw new Draining();
    const known = await this.#recognize(claim);
    if (!known) {
      const { client, position } = await this.join(wishes.name, wishes.rooms);
      return { index: client.index, position, resumed: false };
    }
    // Who has left a room is not to be back in it because its link broke.
    const left = (room: string) => wishes.again && this.clients.hasLeftRoom(known.index, room);
    const rooms = wishes.rooms.filter((room) => !this.clients.isMember(known.index, room) && !left(room));
    if (rooms.length > 0) await this.#enterAll(known.index, rooms);
    return { ...known, resumed: true };
  }

  async #recognize({ token, cursors }: Claim): Promise<{ index: ClientIndex; position: Seq } | undefined> {
    if (token !== undefined) {
      const index = await this.authenticate(token);
      return { index, position: await this.#positionOf(cursors, index) };
    }
    const cursor = cursors[0] === undefined ? undefined : this.credentials.verifyCursor(cursors[0]);
    if (!cursor || !(await this.clients.isStaying(cursor.index))) return undefined;
    return { index: cursor.index, position: await this.#clamp(cursor.seq) };
  }

  /** Makes a client that has no stream yet. @throws TooManyRooms */
  async join(name: string | null, rooms: readonly string[] = []): Promise<{ client: ClientInfo; position: Seq }> {
    if (this.draining) throw new Draining();
    // Before there is somebody to send to: what is sent to it the moment it can be listed is behind this place.
    const position = await this.#engine.log.last();
    return { client: await this.clients.join(name, rooms, position), position };
  }

  /**
   * A client enters a room, which is there from then on if it was not.
   * @returns whether it was not in it already
   * @throws NoSuchClient, ClientGone, TooManyRooms
   */
  async enter(index: ClientIndex, room: string): Promise<boolean> {
    if (this.clients.isMember(index, room)) return false;
    await this.#enterAll(index, [room]);
    return true;
  }

  /** A client leaves a room; nothing happens if it is not in it. @throws NoSuchClient, ClientGone */
  async exit(index: ClientIndex, room: string): Promise<void> {
    if (this.clients.isMember(index, room)) await this.clients.exit(index, room, await this.#engine.log.last());
  }

  /** @throws NoSuchRoom */
  room(name: string): RoomInfo {
    const room = this.clients.rooms.get(name);
    if (!room) throw new NoSuchRoom(name);
    return room;
  }

  /** Members of a room, as LIST has clients. @throws NoSuchRoom */
  listMembers(name: string, query: ListQuery): ClientPage {
    this.room(name);
    return this.clients.list(query, name);
  }

  async #enterAll(index: ClientIndex, rooms: readonly string[]): Promise<void> {
    await this.clients.enter(index, rooms, await this.#engine.log.last());
  }

  /** Whose token it is. @throws Unauthorized, ClientGone */
  async authenticate(token: string): Promise<ClientIndex> {
    const index = this.credentials.verifyToken(token);
    if (index === undefined) {
      throw new Unauthorized(
        'This token is not genuine, or of another server. Connect without one to get a new client and its token.',
      );
    }
    if (!(await this.clients.isStaying(index))) throw new ClientGone(index);
    return index;
  }

  /** Whoever it is that asks; but it has to be somebody. @throws Unauthorized, ClientGone */
  async authenticateSomebody(token: string | undefined): Promise<ClientIndex> {
    if (token === undefined) {
      throw new Unauthorized('Only a client may do this. Send its token: Authorization: Bearer TOKEN.');
    }
    const index = await this.authenticate(token);
    this.clients.seen(index);
    return index;
  }

  /** Lets the client itself pass and nobody else. @throws Unauthorized, Forbidden, ClientGone, NoSuchClient */
  async authorize(token: string | undefined, index: ClientIndex): Promise<void> {
    if (token === undefined) {
      throw new Unauthorized(`Only client ${index} itself may do this. Send its token: Authorization: Bearer TOKEN.`);
    }
    const bearer = await this.authenticate(token);
    await this.clients.assertThere(index);
    if (bearer !== index)
      throw new Forbidden(`This token is client ${bearer}'s. Only client ${index} itself may do this.`);
    this.clients.seen(index);
  }

  /**
   * Opens a stream of this client: counts it, has it welcomed, then keeps it supplied until its link is gone, of which
   * {@link disconnected} is to be told. Resolves when all that was kept for it has been given to it.
   * @param connection a new one of this client
   * @param welcome makes the stream; called with its client as it then is
   * @throws NoSuchClient, ClientGone, TooManyStreams, EngineUnavailable
   */
  async openStream(
    position: Seq,
    presence: boolean,
    connection: Connection,
    welcome: (client: ClientInfo) => Stream,
  ): Promise<void> {
    const { index } = connection;
    if (connection.gone) return;
    // Before it is counted as open, and before it is told so: whoever knows of it may send what reaches open streams alone.
    const subscription = (connection.subscription = new Subscription(this.#sources, index, position));
    await subscription.follow();
    if (connection.gone) return;
    const socket = await this.clients.streamOpened(index);
    if (connection.gone) return this.clients.streamClosed(index, socket);
    connection.socket = socket;
    const client = await this.clients.get(index);
    if (connection.gone) return;
    const stream = (connection.stream = welcome(client));
    if (this.draining) return stream.close('shutdown');
    if (!this.clients.staysHere(index)) return stream.close('left');
    this.#connections.set(index, [...(this.#connections.get(index) ?? []), connection]);
    if (presence) connection.unwatch = this.#presence.watch(stream, index);
    await subscription.start(stream);
  }

  /** Nobody is at the other end of this link any more. */
  disconnected(connection: Connection): void {
    if (connection.gone) return;
    connection.gone = true;
    const { index, socket, stream, subscription, unwatch } = connection;
    if (socket !== undefined) this.clients.streamClosed(index, socket);
    subscription?.end();
    unwatch?.();
    stream?.gone();
    const others = this.#connections.get(index)?.filter((other) => other !== connection) ?? [];
    if (others.length > 0) this.#connections.set(index, others);
    else this.#connections.delete(index);
  }

  /** Takes messages. */
  get sending(): Sending {
    return this.#sending;
  }

  /**
   * Reads a client's mailbox without a stream. Waiting ends early when the server stops.
   * @param gone aborts when nobody waits for the answer any more
   * @throws ClientGone when it leaves meanwhile, EngineUnavailable
   */
  async readMailbox(index: ClientIndex, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    const waited = this.clients.waits(index);
    try {
      const page = await this.#read(mailboxOf(index), START, query, gone, index);
      await this.clients.assertThere(index);
      return page;
    } finally {
      waited();
    }
  }

  /**
   * Reads the history of a room: what was sent to it since it is there.
   * @param gone aborts when nobody waits for the answer any more
   * @throws NoSuchRoom, EngineUnavailable
   */
  async readRoom(name: string, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    this.room(name);
    return this.#read(roomTopic(name), this.clients.rooms.sinceOf(name), query, gone);
  }

  /**
   * Reads what was sent to everyone since this client is there.
   * @param gone aborts when nobody waits for the answer any more
   * @throws ClientGone when it leaves meanwhile, EngineUnavailable
   */
  async readEveryone(index: ClientIndex, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    const waited = this.clients.waits(index);
    try {
      const page = await this.#read(EVERYONE, this.clients.sinceOf(index), query, gone, index);
      await this.clients.assertThere(index);
      return page;
    } finally {
      waited();
    }
  }

  /** One message of a room. @throws NoSuchRoom, NoSuchMessage */
  async readRoomMessage(name: string, seq: Seq): Promise<Entry> {
    this.room(name);
    if (seq <= this.clients.rooms.sinceOf(name)) throw new NoSuchMessage();
    return this.#messageAt(roomTopic(name), seq);
  }

  /** One message to everyone, for its sender and those who were there. @throws Forbidden, NoSuchMessage */
  async readMessageToEveryone(index: ClientIndex, seq: Seq): Promise<Entry> {
    const entry = await this.#messageAt(EVERYONE, seq);
    if (seq <= this.clients.sinceOf(index) && senderOf(entry) !== index) throw new NoSuchMessage();
    return entry;
  }

  async #messageAt(topic: Topic, seq: Seq): Promise<Entry> {
    const [entry] = await this.#engine.log.read(topic, { after: (seq - 1) as Seq, limit: 1 });
    if (entry?.seq !== seq) throw new NoSuchMessage();
    return entry;
  }

  /** Waiting for something ends early when the server stops, and when the client that waits leaves. */
  async #read(topic: Topic, since: Seq, query: HistoryQuery, gone: AbortSignal, index: ClientIndex | null = null) {
    // Not AbortSignal.any: a signal that lives as long as the server would remember each request.
    const over = new AbortController();
    const end = () => over.abort();
    gone.addEventListener('abort', end, { once: true });
    if (gone.aborted || this.draining) end();
    const waiting = this.#waiting.get(index) ?? new Set();
    this.#waiting.set(index, waiting.add(end));
    try {
      return await readHistory(this.#engine.log, this.#feeds, topic, since, query, over.signal);
    } finally {
      gone.removeEventListener('abort', end);
      if (waiting.delete(end) && waiting.size === 0) this.#waiting.delete(index);
    }
  }

  /** How far a client has read, and how much is behind that. */
  async readState(index: ClientIndex): Promise<ReadState> {
    const marks = await this.#readUpTo.get(index);
    return { marks, unread: await this.#readUpTo.unread(index, marks) };
  }

  /** A client has read further; see {@link ReadUpTo.advance}. */
  async markRead(index: ClientIndex, marks: ReadMarks): Promise<ReadState> {
    await this.#readUpTo.advance(index, marks);
    return this.readState(index);
  }

  /**
   * One message of a mailbox, for its addressee or its sender.
   * @throws Unauthorized, Forbidden, NoSuchMessage, ClientGone, NoSuchClient
   */
  async readMessage(index: ClientIndex, seq: Seq, token: string | undefined): Promise<Entry> {
    if (token === undefined) {
      throw new Unauthorized(
        'Only its sender and its addressee may read a message. Send: Authorization: Bearer TOKEN.',
      );
    }
    const bearer = await this.authenticate(token);
    await this.clients.assertThere(index);
    const [entry] = await this.#engine.log.read(mailboxOf(index), { after: (seq - 1) as Seq, limit: 1 });
    const mine = bearer === index || (entry && entry.seq === seq && senderOf(entry) === bearer);
    if (!mine) throw new Forbidden(`This token is client ${bearer}'s, who neither sent this message nor got it.`);
    if (!entry || entry.seq !== seq) throw new NoSuchMessage();
    return entry;
  }

  /**
   * From where something is to be read: the place of an id, or of a cursor.
   * @param index whose cursor it has to be; anybody's if null
   * @throws InvalidRequest, Forbidden
   */
  async placeOf(text: string, index: ClientIndex | null, path: string): Promise<Seq> {
    if (DIGITS.test(text)) return Number(text) as Seq;
    const cursor = this.credentials.verifyCursor(text);
    if (!cursor) throw new InvalidRequest(path, 'is neither the id of a message nor a cursor of this server');
    if (index !== null && cursor.index !== index)
      throw new Forbidden(`This cursor is client ${cursor.index}'s, not client ${index}'s.`);
    return this.#clamp(cursor.seq);
  }

  /** Takes nobody new in, answers those who wait, and closes all streams. */
  drain(): void {
    if (this.draining) return;
    this.clients.suspend();
    this.#draining = true;
    for (const index of [...this.#connections.keys()]) this.#closeStreams(index, 'shutdown');
    for (const index of [...this.#waiting.keys()]) this.#answerWaiting(index);
  }

  close(): void {
    this.drain();
    this.#stop();
    this.#presence.stop();
    this.clients.close();
  }

  #refresh(index: ClientIndex): void {
    for (const { subscription } of this.#connections.get(index) ?? []) subscription?.refresh();
  }

  async #left(index: ClientIndex, here: boolean): Promise<void> {
    this.#closeStreams(index, 'left');
    this.#answerWaiting(index);
    // What it had is removed once, by whoever removed it.
    if (!here) return;
    await this.#engine.log.drop(mailboxOf(index));
    await this.#readUpTo.forget(index);
  }

  async #tellRead(index: ClientIndex): Promise<void> {
    if (!this.#connections.has(index)) return;
    const state = await this.readState(index);
    for (const { stream } of this.#connections.get(index) ?? []) stream?.read(state);
  }

  /** From where a client that its token proved wants to read. With no usable cursor: all that is kept, so nothing is missed. */
  async #positionOf(cursors: readonly string[], index: ClientIndex): Promise<Seq> {
    for (const text of cursors) {
      if (DIGITS.test(text)) return this.#clamp(Number(text) as Seq);
      const cursor = this.credentials.verifyCursor(text);
      if (cursor?.index === index) return this.#clamp(cursor.seq);
    }
    return START;
  }

  /** Nobody has read further than there is: such a place would hide what is yet to come. */
  async #clamp(seq: Seq): Promise<Seq> {
    return Math.min(seq, await this.#engine.log.last()) as Seq;
  }

  #answerWaiting(index: ClientIndex | null): void {
    for (const end of [...(this.#waiting.get(index) ?? [])]) end();
  }

  #closeStreams(index: ClientIndex, reason: CloseReason): void {
    for (const { stream } of this.#connections.get(index) ?? []) stream?.close(reason);
  }
}

function senderOf(entry: Entry): number | undefined {
  const { from } = JSON.parse(Buffer.from(entry.body).toString()) as { from: Sender | null };
  return from?.index;
}
