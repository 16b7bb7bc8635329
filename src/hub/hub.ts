import { type Engine, EngineUnavailable, type Entry, type Seq, type Topic } from '../engine/engine.js';
import { type Access, Authenticator, type IdentityProvider } from './access/authenticator.js';
import { Accounts } from './access/accounts.js';
import { Bans } from './access/bans.js';
import type { Caller } from './access/caller.js';
import { Keys } from './access/keys.js';
import type { Permissions } from './access/permissions.js';
import { Passwords } from './access/passwords.js';
import { Sessions } from './access/sessions.js';
import { ofAccount, ofKey } from './access/subject.js';
import { Acting } from './acting.js';
import { Administration } from './administration.js';
import { Audit } from './audit.js';
import type { ClientIndex } from './client-index.js';
import { Clients, type ClientInfo, type ClientPage, type LeftBecause, type ListQuery, type Viewer } from './clients.js';
import { Credentials, type StreamPlace } from './credentials.js';
import { encodeDeletion } from './deletion.js';
import { Draining, Forbidden, InvalidRequest, NameTaken, NoSuchMessage, NoSuchRoom } from './errors.js';
import { EntryPauses } from './entry-pauses.js';
import { Feeds } from './feeds.js';
import { type HistoryPage, type HistoryQuery, readHistory } from './history.js';
import { removeLeftOvers } from './left-over.js';
import type { Sender } from './message.js';
import { Presence, PresenceDelivery, type PresenceWatcher } from './presence.js';
import { PrivateRooms } from './private-rooms.js';
import { type ReadMarks, ReadUpTo, type Unread } from './read-up-to.js';
import { isPrivate, nameOf, type RoomId } from './room-id.js';
import type { RoomInfo, RoomPage } from './rooms.js';
import { Sending } from './sending.js';
import { SigningIn } from './signing-in.js';
import { ReadTurns } from './read-turns.js';
import { type Sink, type Sources, Subscription } from './subscription.js';
import { type Address, DELETIONS, EVERYONE, mailboxOf, roomTopic } from './topics.js';

/** Why a stream ends: the reason in its last event. */
export type CloseReason = 'shutdown' | 'left' | 'slow-consumer' | 'expired' | 'removed' | 'signed-out';

/** Somebody may enter a private room now. */
export interface Invitation {
  readonly room: string;
  readonly by: { readonly index: ClientIndex; readonly name: string | null };
}

/** An open connection on which a client receives. */
export interface Stream extends Sink, PresenceWatcher {
  /** The client has read further, on whatever device. */
  read(state: ReadState): void;
  /** The client may enter a private room. */
  invited(invitation: Invitation): void;
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
  /** Ends it when the credential does. */
  expiry: NodeJS.Timeout | undefined;

  /**
   * @param caller whose credential it was opened by
   * @param address from where
   */
  constructor(
    readonly index: ClientIndex,
    readonly caller?: Caller,
    readonly address?: string,
  ) {}
}

/** Whoever asks, as it shows itself: nothing of it has been checked. */
export interface Presented {
  /** A credential of whatever kind. */
  readonly token?: string;
  readonly address?: string;
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
  /** Who may come: anyone, unless set. */
  readonly access?: Access;
  /** Whether anyone may make an account. */
  readonly registration?: 'open' | 'closed';
  readonly identities?: IdentityProvider;
  /** How passwords are kept; see there. */
  readonly passwords?: Passwords;
}

/** Who somebody claims to be, as presented: nothing of it has been checked. */
export interface Claim {
  readonly token?: string;
  /** In order of precedence; a place alone (digits) serves where a token says who. */
  readonly cursors: readonly string[];
}

/** A client that is about to open a stream, and from where. */
export interface Identity extends StreamPlace {
  readonly index: ClientIndex;
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

/** How often what is over is forgotten: sessions nobody uses, bans. Milliseconds. */
const SWEEP = 10 * 60 * 1000;

/** The longest that a timer can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The switchboard: who is connected, what is sent to whom, and what each stream gets. It knows nothing of HTTP, and asks nobody
 * whether he may: whoever comes from outside is let in by {@link Hub.admit}, and does what he does by {@link Acting}.
 */
export class Hub {
  readonly credentials: Credentials;
  readonly clients: Clients;
  readonly #engine: Engine;
  readonly #feeds: Feeds;
  readonly #sources: Sources;
  readonly #presence: Presence;
  readonly #pauses: EntryPauses;
  readonly #sending: Sending;
  readonly privateRooms: PrivateRooms;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  #readUpTo!: ReadUpTo;
  #authenticator!: Authenticator;
  #bans!: Bans;
  #administration!: Administration;
  #signingIn!: SigningIn;
  #stop: (() => void)[] = [];
  /** Those that have been welcomed. A client has few, so they are looked through. */
  readonly #connections = new Map<ClientIndex, readonly Connection[]>();
  /** What answers whoever waits for a message without a stream, by client; null where that does not matter. */
  readonly #waiting = new Map<ClientIndex | null, Set<() => void>>();
  #draining = false;
  #isOpen = false;
  private constructor(engine: Engine, clients: Clients, options: HubOptions) {
    this.#engine = engine;
    this.#feeds = new Feeds(engine.log);
    this.clients = clients;
    this.#now = options.now ?? Date.now;
    this.#onError = options.onError ?? (() => undefined);
    const streams = {
      node: engine.leases.node,
      nodesOf: (index: ClientIndex) => clients.nodesOf(index),
      refresh: (index: ClientIndex) => this.#refresh(index),
      following: (index: ClientIndex) =>
        Promise.all(
          (this.#connections.get(index) ?? []).flatMap(({ subscription }) => subscription?.following() ?? []),
        ),
    };
    this.#pauses = new EntryPauses(engine.log, streams, this.#onError);
    this.#sources = {
      log: engine.log,
      feeds: this.#feeds,
      scopes: clients,
      pauses: this.#pauses,
      turns: new ReadTurns(),
    };
    this.#sending = new Sending(engine.log, clients, this.#now);
    this.privateRooms = new PrivateRooms(engine.log, clients);
    this.#presence = new Presence(clients);
    this.credentials = new Credentials(options.secret, engine.log);
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
      onLeft: (index, because) => hub && hub.#left(index, because),
      // Before the hub is open its last step finds what is left over.
      onRemoved: async (index) => (hub && hub.#isOpen ? hub.#cleanUp(index) : undefined),
      onChanged: (index) => hub && hub.#presence.changed(index),
      onMoved: (index) => hub && hub.#moved(index),
      onPrivateMove: (change, room, client) => hub && hub.#tellMembers(change, room, client),
      onInvited: (index, room, by) => hub && hub.#tellInvited(index, room, by),
    });
    const opened = (hub = new Hub(engine, clients, options));
    const told = (index: ClientIndex) => opened.#tellRead(index).catch(onError);
    const { readUpTo, stop } = await ReadUpTo.open(engine, clients, (index) => void told(index));
    hub.#readUpTo = readUpTo;
    hub.#stop.push(stop);
    hub.#stop.push(await hub.#pauses.open());
    await hub.#openAccess(options);
    for (const room of clients.rooms.abandoned()) await hub.privateRooms.clear(room).catch(onError);
    hub.#isOpen = true;
    // In the background: where much is left over a start does not wait for it.
    removeLeftOvers({ engine, clients, readUpTo }).catch((error: unknown) => {
      // What cannot be removed now is removed after the next start.
      if (!(error instanceof EngineUnavailable)) onError(error);
    });
    return hub;
  }

  async #openAccess(options: HubOptions): Promise<void> {
    const { directory, log } = this.#engine;
    const { clients, credentials } = this;
    const [now, onError] = [this.#now, this.#onError];
    // Before the accounts and keys are read: those of all of these are there then, unless they were removed.
    const subjects = clients.subjects();
    const accounts = await Accounts.open(directory, options.passwords ?? new Passwords(), (id, account) => {
      const isOver = ({ caller, unwatch }: Connection) =>
        !account || (caller !== undefined && !this.#mayHold(caller, unwatch !== undefined));
      this.#closeOf(ofAccount(id), isOver, 'removed');
    });
    const sessions = await Sessions.open(directory, {
      now,
      onError,
      ended: ({ id, account }) => {
        this.#closeOf(ofAccount(account), ({ caller }) => caller?.session === id, 'signed-out');
      },
    });
    const keys = await Keys.open(directory, {
      now,
      onError,
      revoked: ({ id }) => this.#closeOf(ofKey(id), () => true, 'removed'),
    });
    const bans = await Bans.open(directory, now, () => this.#closeBanned());
    const last = () => log.last();
    const parts = { accounts, sessions, keys, bans, clients, credentials, last };
    this.#bans = bans;
    this.#authenticator = new Authenticator({
      ...parts,
      access: options.access ?? 'open',
      identities: options.identities,
    });
    const settled = () => directory.settled();
    this.#administration = new Administration({ ...parts, audit: new Audit(log, now), log, settled, now });
    this.#signingIn = new SigningIn({
      ...parts,
      authenticator: this.#authenticator,
      administration: this.#administration,
      registration: options.registration ?? 'closed',
      settled,
      now,
    });
    await this.#endLeftOver(subjects).catch(onError);
    await sessions.sweep((id) => accounts.get(id) !== undefined).catch(onError);
    const sweep = () => {
      sessions.sweep((id) => accounts.get(id) !== undefined).catch(onError);
      bans.sweep().catch(onError);
    };
    const sweeping = setInterval(sweep, SWEEP).unref();
    this.#stop.push(() => clearInterval(sweeping));
    for (const one of [accounts, sessions, keys, bans]) this.#stop.push(() => one.close());
  }

  /** Where the removal of an account or a key broke off, its client is there yet. */
  async #endLeftOver(subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) {
      if (!this.#authenticator.isThere(subject)) await this.clients.endSubject(subject);
    }
  }

  /**
   * Lets somebody in, who can do then what {@link Acting} lets him do.
   * @throws Unauthorized, ClientGone, Banned
   */
  async admit({ token, address }: Presented): Promise<Acting> {
    // Whoever runs the server can take back a ban that was laid on his own address.
    if (token === undefined || !this.credentials.isOperator(token)) this.#bans.assertAddress(address);
    const caller = token === undefined ? this.#authenticator.nobody() : await this.#authenticator.authenticate(token);
    return new Acting(this, caller, address);
  }

  /** Lets somebody in who has yet to say who he is: by a name and a password. @throws Banned */
  admitToSignIn(address: string | undefined): SigningIn {
    this.#bans.assertAddress(address);
    return this.#signingIn;
  }

  /**
   * Lets somebody in who opens a stream: whoever its token proves, else whoever its cursor does.
   * @throws Unauthorized, ClientGone for a token that is no good, Banned; a cursor that is no good is none
   */
  async admitStream({ token, cursors }: Claim, address: string | undefined): Promise<Acting> {
    if (this.draining) throw new Draining();
    if (token !== undefined) return this.admit({ token, address });
    this.#bans.assertAddress(address);
    const cursor = cursors[0] === undefined ? undefined : this.credentials.verifyCursor(cursors[0]);
    const known = cursor && (await this.clients.isStaying(cursor.index));
    const caller = known ? await this.#authenticator.client(cursor.index) : this.#authenticator.nobody();
    return new Acting(this, caller, address);
  }

  /** Whether whoever was let in a while ago would be let in now. */
  isWelcome({ caller, address }: { readonly caller: Caller; readonly address: string | undefined }): boolean {
    try {
      if (caller.kind !== 'operator') this.#bans.assertAddress(address);
      if (caller.subject !== null) this.#bans.assertSubject(caller.subject);
    } catch {
      return false;
    }
    return this.#authenticator.isCurrent(caller, this.#now());
  }

  /** What whoever was let in a while ago may do now. */
  mayNow(caller: Caller): Permissions {
    return this.#authenticator.mayNow(caller);
  }

  get administration(): Administration {
    return this.#administration;
  }

  get signingIn(): SigningIn {
    return this.#signingIn;
  }

  /** Whether a name is somebody's own, for ever. */
  isTaken(name: string): boolean {
    return this.#authenticator.isTaken(name);
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
   * The client that is to open a stream, and from where: of somebody new a new one.
   * @throws TooManyRooms, RoomExists, NameTaken
   */
  async identify(index: ClientIndex | null, { cursors }: Claim, wishes: Wishes): Promise<Identity> {
    if (this.draining) throw new Draining();
    if (index === null) {
      // It asks by itself, and cannot ask for another name: one that was taken meanwhile is passed over.
      const name = wishes.again && wishes.name !== null && this.isTaken(wishes.name) ? null : wishes.name;
      const { client, position } = await this.join(name, wishes.rooms);
      return { index: client.index, position, resumed: false };
    }
    // From now on: it takes some turns of the event loop until its stream counts.
    this.clients.returns(index);
    // Who has left a room is not to be back in it because its link broke, nor in a public one of the name of a private one.
    const left = (room: RoomId) => wishes.again && this.clients.hasLeftRoom(index, room);
    const rooms = wishes.rooms.map((name) => this.#roomMeant(index, name));
    const fresh = rooms.filter((room) => !this.clients.isMember(index, room) && !left(room));
    const open = fresh.filter((room) => !isPrivate(room));
    if (fresh.length > 0) {
      await this.#pauses.during(index, async () => {
        if (open.length > 0) await this.clients.enter(index, open, await this.#engine.log.last());
        for (const room of fresh) if (isPrivate(room)) await this.privateRooms.enter(index, room);
      });
    }
    return { index, ...(await this.#placeOf(cursors, index)), resumed: true };
  }

  /** The room of this name that a client is in, whoever has invited it to another; else one that it is invited to, or the public one. */
  #roomMeant(index: ClientIndex, name: string): RoomId {
    const own = this.clients.roomNamed(name, index);
    return this.clients.isMember(index, own) ? own : (this.privateRooms.find(index, name) ?? name);
  }

  /** Makes a client that has no stream yet. @throws TooManyRooms, NameTaken */
  async join(name: string | null, rooms: readonly string[] = []): Promise<{ client: ClientInfo; position: Seq }> {
    if (this.draining) throw new Draining();
    if (name !== null && this.isTaken(name)) throw new NameTaken(name);
    // Before there is somebody to send to: what is sent to it the moment it can be listed is behind this place.
    const position = await this.#engine.log.last();
    return { client: await this.clients.join(name, rooms, position), position };
  }

  /**
   * A client enters a room: a private one that it is invited to, or a public one, which is there from then on if it was not.
   * @returns whether it was not in it already
   * @throws NoSuchClient, ClientGone, TooManyRooms, RoomExists, NoSuchRoom
   */
  async enter(index: ClientIndex, name: string): Promise<boolean> {
    const room = this.privateRooms.find(index, name) ?? name;
    if (this.clients.isMember(index, room)) return false;
    await this.#pauses.during(index, async () => {
      if (isPrivate(room)) await this.privateRooms.enter(index, room);
      else await this.clients.enter(index, [room], await this.#engine.log.last());
    });
    return true;
  }

  /** Makes a private room: see {@link PrivateRooms.make}. */
  makePrivateRoom(index: ClientIndex, name: string): Promise<boolean> {
    return this.#pauses.during(index, () => this.privateRooms.make(index, name));
  }

  /** A client leaves a room; nothing happens if it is not in it. @throws NoSuchClient, ClientGone */
  async exit(index: ClientIndex, name: string): Promise<void> {
    const room = this.clients.roomNamed(name, index);
    if (this.clients.isMember(index, room)) await this.clients.exit(index, room, await this.#engine.log.last());
  }

  /** Rooms that are there to this viewer, by name. */
  listRooms(query: { readonly after?: string; readonly limit: number }, viewer: Viewer): RoomPage {
    return this.clients.rooms.list(query, this.clients.privateRoomsOf(viewer));
  }

  /** @throws NoSuchRoom where there is none to this viewer */
  room(name: string, viewer: Viewer): RoomInfo {
    const room = this.clients.rooms.get(this.clients.roomNamed(name, viewer));
    if (!room) throw new NoSuchRoom(name);
    return room;
  }

  /** Members of a room, as LIST has clients. @throws NoSuchRoom */
  listMembers(name: string, query: ListQuery, viewer: Viewer): ClientPage {
    this.room(name, viewer);
    return this.clients.list(query, viewer, this.clients.roomNamed(name, viewer));
  }

  /**
   * Opens a stream of this client: counts it, has it welcomed, then keeps it supplied until its link is gone, of which
   * {@link disconnected} is to be told. Resolves when all that was kept for it has been given to it.
   * @param connection a new one of this client
   * @param welcome makes the stream; called with its client as it then is
   * @throws NoSuchClient, ClientGone, TooManyStreams, EngineUnavailable
   */
  async openStream(
    place: StreamPlace,
    presence: boolean,
    connection: Connection,
    welcome: (client: ClientInfo) => Stream,
  ): Promise<void> {
    const { index } = connection;
    if (connection.gone) return;
    // Before it is counted as open, and before it is told so: whoever knows of it may send what reaches open streams alone.
    const subscription = (connection.subscription = new Subscription(this.#sources, index, place));
    await subscription.follow();
    if (connection.gone) return;
    const socket = await this.clients.streamOpened(index);
    if (connection.gone) return this.clients.streamClosed(index, socket);
    connection.socket = socket;
    const client = await this.clients.get(index, index);
    if (connection.gone) return;
    const stream = (connection.stream = welcome(client));
    if (this.draining) return stream.close('shutdown');
    if (!this.clients.staysHere(index)) return stream.close('left');
    // What ended it while it was on its way did not find it among the connections yet.
    const { caller, address } = connection;
    if (caller && !(this.isWelcome({ caller, address }) && this.#mayHold(caller, presence))) {
      return stream.close('removed');
    }
    this.#endWithCredential(connection);
    this.#connections.set(index, [...(this.#connections.get(index) ?? []), connection]);
    if (presence) connection.unwatch = this.#presence.watch(stream, index);
    await subscription.start(stream);
  }

  /** Whether it may have such a stream still. */
  #mayHold(caller: Caller, presence: boolean): boolean {
    const may = this.mayNow(caller);
    return may.allows('connect') && (!presence || may.allows('list'));
  }

  /** Nobody is at the other end of this link any more. */
  disconnected(connection: Connection): void {
    if (connection.gone) return;
    connection.gone = true;
    const { index, socket, stream, subscription, unwatch } = connection;
    clearTimeout(connection.expiry);
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
   * Reads the history of a room: what was sent to a public one since it is there, to a private one since the viewer is in it.
   * @param gone aborts when nobody waits for the answer any more
   * @throws NoSuchRoom, EngineUnavailable
   */
  async readRoom(name: string, viewer: Viewer, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    const { room, since } = this.#readable(name, viewer);
    const waiter = isPrivate(room) ? viewer : null;
    const page = await this.#read(roomTopic(room), since, query, gone, waiter);
    // It may have been put out while it waited.
    if (isPrivate(room) && this.clients.enteredAt(viewer as ClientIndex, room) !== since) throw new NoSuchRoom(name);
    return page;
  }

  /** Which room it is, and behind which place the viewer may read it. @throws NoSuchRoom */
  #readable(name: string, viewer: Viewer): { readonly room: RoomId; readonly since: Seq } {
    this.room(name, viewer);
    const room = this.clients.roomNamed(name, viewer);
    const since = isPrivate(room)
      ? this.clients.enteredAt(viewer as ClientIndex, room)
      : this.clients.rooms.sinceOf(room);
    if (since === undefined) throw new NoSuchRoom(name);
    return { room, since };
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
  async readRoomMessage(name: string, viewer: Viewer, seq: Seq): Promise<Entry> {
    const { room, since } = this.#readable(name, viewer);
    if (seq <= since) throw new NoSuchMessage();
    return this.#messageAt(roomTopic(room), seq);
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

  /** The newest place in the log. */
  last(): Promise<Seq> {
    return this.#engine.log.last();
  }

  /**
   * Deletes a message: its readers are told, and it is read by nobody any more. Durable when it resolves.
   * @throws NoSuchMessage, NoSuchRoom, NoSuchClient, ClientGone
   */
  async deleteMessage(by: Caller, to: Address, seq: Seq): Promise<void> {
    const { log } = this.#engine;
    const room = 'room' in to ? this.#readable(to.room, by.index).room : undefined;
    if ('client' in to) await this.clients.assertThere(to.client);
    const topic = 'client' in to ? mailboxOf(to.client) : room === undefined ? EVERYONE : roomTopic(room);
    await this.#messageAt(topic, seq);
    // What is done in a private room is nobody else's business.
    if (room === undefined || !isPrivate(room)) {
      const where = 'client' in to ? `client ${to.client}` : (room ?? 'everyone');
      await this.#administration.recordDeletion(by, `message ${seq} to ${where}`);
    }
    // First, so that a deletion that breaks off can be done again.
    await log.append([{ topic: DELETIONS, body: Buffer.from(encodeDeletion(topic, seq)) }]);
    await log.erase(topic, seq);
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
   * @throws Forbidden, NoSuchMessage, ClientGone, NoSuchClient
   */
  async readMessage(index: ClientIndex, seq: Seq, reader: ClientIndex): Promise<Entry> {
    await this.clients.assertThere(index);
    const [entry] = await this.#engine.log.read(mailboxOf(index), { after: (seq - 1) as Seq, limit: 1 });
    const mine = reader === index || (entry && entry.seq === seq && senderOf(entry) === reader);
    if (!mine) throw new Forbidden(`This is client ${reader}, who neither sent this message nor got it.`);
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
    return this.#clamp(cursor.low ?? cursor.seq);
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
    for (const stop of this.#stop.splice(0)) stop();
    this.#presence.stop();
    this.clients.close();
  }

  /** What the streams of a client read has changed. */
  #refresh(index: ClientIndex): void {
    for (const { subscription } of this.#connections.get(index) ?? []) subscription?.refresh();
  }

  /** A client is in other rooms than before. */
  #moved(index: ClientIndex): void {
    this.#refresh(index);
    // What it waits for may be in a room that it is not in any more.
    this.#answerWaiting(index);
  }

  /** Tells those who are in a private room, and the one who is not any more, who has entered or exited it. */
  #tellMembers(change: 'entered' | 'exited', room: RoomId, client: ClientInfo): void {
    // By the rooms that its reader sees: most see the same.
    const deliveries = new Map<string, PresenceDelivery>();
    for (const index of new Set([...this.clients.rooms.membersOf(room), client.index])) {
      const watching = this.#connections.get(index)?.filter(({ unwatch }) => unwatch) ?? [];
      if (watching.length === 0) continue;
      const rooms = this.clients.roomsFor(index, client.index) ?? client.rooms;
      const key = rooms.join();
      const delivery =
        deliveries.get(key) ?? new PresenceDelivery([{ change, client: { ...client, rooms }, room: nameOf(room) }]);
      deliveries.set(key, delivery);
      for (const { stream } of watching) stream?.presence(delivery);
    }
  }

  #tellInvited(index: ClientIndex, room: RoomId, by: ClientIndex): void {
    const invitation = { room: nameOf(room), by: { index: by, name: this.clients.nameOf(by) } };
    for (const { stream } of this.#connections.get(index) ?? []) stream?.invited(invitation);
  }

  #left(index: ClientIndex, because: LeftBecause): void {
    this.#closeStreams(index, because);
    this.#answerWaiting(index);
  }

  /** Removes what belonged to a client whose record is gone. */
  async #cleanUp(index: ClientIndex): Promise<void> {
    await Promise.all([
      this.#engine.log.drop(mailboxOf(index)),
      this.#readUpTo.forget(index),
      this.clients.rooms.withdrawAll(index),
    ]);
  }

  async #tellRead(index: ClientIndex): Promise<void> {
    if (!this.#connections.has(index)) return;
    const state = await this.readState(index);
    for (const { stream } of this.#connections.get(index) ?? []) stream?.read(state);
  }

  /** From where a client that its token proved wants to read. With no usable cursor: all that is kept, so nothing is missed. */
  async #placeOf(cursors: readonly string[], index: ClientIndex): Promise<StreamPlace> {
    for (const text of cursors) {
      if (DIGITS.test(text)) return { position: await this.#clamp(Number(text) as Seq) };
      const cursor = this.credentials.verifyCursor(text);
      if (cursor?.index !== index) continue;
      const position = await this.#clamp(cursor.seq);
      return cursor.low !== undefined && cursor.low < position ? { position, low: cursor.low } : { position };
    }
    return { position: START };
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

  /** Closes streams of a lasting client. */
  #closeOf(subject: string, which: (connection: Connection) => boolean, reason: CloseReason): void {
    const index = this.clients.ofSubjectHere(subject);
    if (index === undefined) return;
    for (const connection of this.#connections.get(index) ?? []) {
      if (which(connection)) connection.stream?.close(reason);
    }
    this.#answerWaiting(index);
  }

  /** Closes the streams of those who are not welcome any more. */
  #closeBanned(): void {
    for (const [index, connections] of this.#connections) {
      for (const { caller, address, stream } of connections) {
        if (!caller || this.isWelcome({ caller, address })) continue;
        stream?.close('removed');
        this.#answerWaiting(index);
      }
    }
  }

  #endWithCredential(connection: Connection): void {
    const expiresAt = connection.caller?.expiresAt ?? null;
    if (expiresAt === null) return;
    const wait = Math.min(Math.max(expiresAt - this.#now(), 0), LONGEST_TIMER);
    connection.expiry = setTimeout(() => {
      if (expiresAt > this.#now()) this.#endWithCredential(connection);
      else connection.stream?.close('expired');
    }, wait).unref();
  }
}

function senderOf(entry: Entry): number | undefined {
  const { from } = JSON.parse(Buffer.from(entry.body).toString()) as { from: Sender | null };
  return from?.index;
}
