import {
  Conflict,
  type Engine,
  EngineUnavailable,
  type Holding,
  type Json,
  type RecordChange,
  type Revision,
  type Seq,
} from '../engine/engine.js';
import { asClientIndex, type ClientIndex, CLIENTS } from './client-index.js';
import { ClientGone, NoSuchClient, NoSuchRoom, RoomExists, TooManyRooms, TooManyStreams } from './errors.js';
import { Grace } from './grace.js';
import { entered, exited, hasLeft, type Memberships, membershipsSince, type Scope, scopeOf } from './memberships.js';
import { isPrivate, nameOf, privateRoomId, type RoomId } from './room-id.js';
import { Rooms } from './rooms.js';

/** A client as somebody may see it. Times are milliseconds since 1970. */
export interface ClientInfo {
  readonly index: ClientIndex;
  readonly name: string | null;
  readonly status: Status;
  /** The number of its newest open stream; null while it is away. */
  readonly socket: number | null;
  /** How many streams it has open. */
  readonly streams: number;
  readonly connectedAt: number;
  /** When it was last known to be there; for one that is online, now. */
  readonly lastSeenAt: number;
  /** By name: the public ones, and private ones in which whoever sees it is, too. */
  readonly rooms: readonly string[];
}

/** Through whose eyes: a client sees the private rooms it is in; null sees none. */
export type Viewer = ClientIndex | null;

export type Status = 'online' | 'away';

export interface ListQuery {
  readonly status?: Status;
  /** Only those with exactly this name. */
  readonly name?: string;
  /** Only those with a higher index. */
  readonly after?: number;
  readonly limit: number;
}

export interface ClientPage {
  readonly clients: ClientInfo[];
  /** How many there are that match, on all pages. */
  readonly total: number;
  /** The `after` of the next page; null on the last one. */
  readonly next: ClientIndex | null;
}

export interface ClientsOptions {
  /** For how many milliseconds a client may be away before it has left. */
  readonly grace: number;
  readonly maxStreams: number;
  /** Told of each client that is no longer there, once its record is gone, and why. */
  readonly onLeft: (index: ClientIndex, because: LeftBecause) => void;
  /** Removes what belonged to a client that this process removed: its mailbox and such. */
  readonly onRemoved: (index: ClientIndex) => Promise<void>;
  /** Told of each client of which something has changed that others may see, or that is new; of one that left, too. */
  readonly onChanged: (index: ClientIndex) => void;
  /** Told of each client that is in other rooms than before. */
  readonly onMoved: (index: ClientIndex) => void;
  /** Told of each that has entered or exited a private room, as its members may see it. */
  readonly onPrivateMove: (change: 'entered' | 'exited', room: RoomId, client: ClientInfo) => void;
  /** Told of each that may enter a private room from now on. */
  readonly onInvited: (index: ClientIndex, room: RoomId, by: ClientIndex) => void;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError: (error: unknown) => void;
  readonly now: () => number;
}

/** It said so itself or was away for too long; or somebody has removed it. */
export type LeftBecause = 'left' | 'removed';

/** What one process holds of a client: the lease `client/INDEX`. */
interface Held {
  readonly node: string;
  readonly streams: number;
  readonly socket: number;
}

/** What is known here of a client: a copy of its record, and of what all processes hold of it. */
interface Known {
  readonly index: ClientIndex;
  name: string | null;
  /** Whose lasting client it is: it stays, however long it is away. */
  subject: string | undefined;
  connectedAt: number;
  lastSeenAt: number;
  memberships: Memberships;
  revision: Revision;
  held: Held[];
  /** The numbers of the streams open in this process, newest last. */
  readonly sockets: number[];
  /** When it was last seen, by its record: what other processes know of that. */
  recordedAt: number;
  /** How many of its requests wait for a message here: it is not gone as long as one does. */
  waiting: number;
  /** The other processes in which one does. */
  readonly waitingAt: Set<string>;
  /** Set once it is on its way out by this process. */
  leaving: LeftBecause | undefined;
  /** Whether this process tried to remove it, and does not know that it failed. */
  removing: boolean;
  /** When this process last wrote its record: whole seconds of performance.now, so that they take no memory of their own. */
  wroteAt: number;
  /** Somebody removes it, says its record. */
  removed: boolean;
}

const PREFIX = 'client/';

/** Numbers of private rooms. */
const ROOM_SERIES = 'room';

/** Shared, as most clients are in no room. */
const NO_ROOMS: readonly string[] = [];

/** The records that say which lasting client is whose: of two that are made for one at once, only one can be named here. */
const SUBJECT_PREFIX = 'subject/';

/** The lease that a process has while a request of a client waits for a message. */
const WAITS = 'wait/';

/** What is seen of a client that is away is recorded so many times within its grace time, and at most once a second. */
const RECORDED = 4;

/** Before anything that this process does, in seconds. */
const NEVER = -1_000_000_000;

/** Rooms a client may be in at once. */
const MOST_ROOMS = 100;

/** As in the program this grew from, where 0, 1 and 2 were the terminal and the first connection was socket 3. */
const FIRST_SOCKET = 3;

/**
 * Who there is: every client, by index, with its streams. The directory and the leases of the engine are the truth; this is
 * each process's copy of it, kept by watching them, so that LIST and SEND look nothing up elsewhere.
 */
export class Clients {
  /** Who of them is in which room. */
  readonly rooms: Rooms;
  #online = 0;
  readonly #known = new Map<ClientIndex, Known>();
  readonly #bySubject = new Map<string, ClientIndex>();
  /** What is held of clients whose records have not come yet, by other processes: leases and records come on different ways. */
  readonly #early = new Map<ClientIndex, Map<string, Json>>();
  /** All indexes in ascending order, with some among them that are no longer known: see #indexes. */
  #order: ClientIndex[] = [];
  #sorted = true;
  readonly #grace: Grace;
  /** By client that this process removed: settles when what belonged to it is gone, too. */
  readonly #cleaning = new Map<ClientIndex, Promise<void>>();
  #nextSocket = FIRST_SOCKET;
  #stop: (() => void)[] = [];

  private constructor(
    private readonly engine: Engine,
    private readonly options: ClientsOptions,
  ) {
    this.rooms = new Rooms(engine.directory, options.onError, options.onInvited);
    this.#grace = new Grace(options.grace, (index) => this.#expire(index), {
      // A copy that is behind would remove a client that has long been back by way of another process.
      prepare: () => engine.leases.catchUp(),
      isWell: () => engine.health() === null,
    });
  }

  /** Takes over whoever is in the directory; those without a stream get a fresh grace time. */
  static async open(engine: Engine, options: ClientsOptions): Promise<Clients> {
    const clients = new Clients(engine, options);
    const { directory, leases } = engine;
    clients.#stop.push(await clients.rooms.open());
    clients.#stop.push(await directory.watch(PREFIX, (change) => clients.#recordChanged(change)));
    clients.#stop.push(await leases.watch((holding) => clients.#holdingChanged(holding)));
    clients.rooms.sweep();
    clients.#grace.restart();
    return clients;
  }

  get size(): number {
    return this.#known.size;
  }

  /** How many have a stream open. */
  get online(): number {
    return this.#online;
  }

  /**
   * Whether it is there to stay: one that is on its way out is still listed, but must not be let in again. One that this
   * process has not heard of may have been made by another just now.
   * @throws EngineUnavailable
   */
  async isStaying(index: ClientIndex): Promise<boolean> {
    if (!this.#known.has(index)) await this.#refresh(index);
    return this.staysHere(index);
  }

  /** The same, as far as this process knows. */
  staysHere(index: ClientIndex): boolean {
    const known = this.#known.get(index);
    return known !== undefined && known.leaving === undefined;
  }

  /** Whose lasting client it is; undefined where it is one that leaves when it has been away for long. */
  subjectOf(index: ClientIndex): string | undefined {
    return this.#known.get(index)?.subject;
  }

  /** The lasting client of this subject, as far as this process knows. */
  ofSubjectHere(subject: string): ClientIndex | undefined {
    return this.#bySubject.get(subject);
  }

  /** Those who have lasting clients. */
  subjects(): string[] {
    return [...this.#bySubject.keys()];
  }

  isOnline(index: ClientIndex): boolean {
    return (this.#known.get(index)?.held.length ?? 0) > 0;
  }

  /** Other processes in which it has streams. */
  nodesOf(index: ClientIndex): string[] {
    const held = this.#known.get(index)?.held ?? [];
    return held.flatMap(({ node }) => (node === this.engine.leases.node ? [] : [node]));
  }

  /** What it is at this moment, as anybody may see it; undefined when it is not there. */
  peek(index: ClientIndex): ClientInfo | undefined {
    const known = this.#known.get(index);
    return known && this.#info(known, null);
  }

  /** All there are, as anybody may see them. */
  *all(): Iterable<ClientInfo> {
    for (const known of this.#known.values()) yield this.#info(known, null);
  }

  /** What of the log it may read; nothing once it has left. */
  scopeOf(index: ClientIndex): Scope {
    const known = this.#known.get(index);
    return known ? scopeOf(index, known.memberships) : { since: 0 as Seq, windows: [], forgotten: 0 as Seq };
  }

  /** What was sent to everyone up to this place is not for it. */
  sinceOf(index: ClientIndex): Seq {
    return this.#known.get(index)?.memberships.since ?? (0 as Seq);
  }

  isMember(index: ClientIndex, room: RoomId): boolean {
    return this.#known.get(index)?.memberships.rooms.has(room) ?? false;
  }

  isInPrivateRoom(index: ClientIndex): boolean {
    return this.privateRoomsOf(index).length > 0;
  }

  /** The rooms of a client that a viewer sees; undefined where it sees those alone that anybody may see. */
  roomsFor(viewer: ClientIndex, index: ClientIndex): readonly string[] | undefined {
    const rooms = this.#known.get(index)?.memberships.rooms;
    const shares = rooms && this.privateRoomsOf(index).some((id) => this.isMember(viewer, id));
    return shares ? this.#roomsSeenBy(viewer, rooms) : undefined;
  }

  /** Private rooms it is in. */
  privateRoomsOf(index: Viewer): readonly RoomId[] {
    const rooms = index === null ? undefined : this.#known.get(index)?.memberships.rooms;
    return rooms && rooms.size > 0 ? [...rooms.keys()].filter(isPrivate) : NO_ROOMS;
  }

  /** Which room somebody means by a name: the private one that he is in, else the public one, whether it is there or not. */
  roomNamed(name: string, viewer: Viewer): RoomId {
    const own = this.privateRoomsOf(viewer);
    return own.length === 0 ? name : (own.find((id) => nameOf(id) === name) ?? name);
  }

  /** From where on a member may read its room. */
  enteredAt(index: ClientIndex, room: RoomId): Seq | undefined {
    return this.#known.get(index)?.memberships.rooms.get(room);
  }

  /** Whether it has been in this room, or in a private one that was called as this public one is, and left it. */
  hasLeftRoom(index: ClientIndex, room: RoomId): boolean {
    const known = this.#known.get(index);
    return known !== undefined && hasLeft(known.memberships, room);
  }

  nameOf(index: ClientIndex): string | null {
    return this.#known.get(index)?.name ?? null;
  }

  /** @throws NoSuchClient, ClientGone */
  async get(index: ClientIndex, viewer: Viewer): Promise<ClientInfo> {
    return this.#info(await this.#find(index), viewer);
  }

  has(index: ClientIndex): boolean {
    return this.#known.has(index);
  }

  /** @throws NoSuchClient, ClientGone */
  async assertThere(index: ClientIndex): Promise<void> {
    if (!this.#known.has(index)) await this.#find(index);
  }

  /** Those there are, by index; with `room` the members of it. */
  list({ status, name, after = 0, limit }: ListQuery, viewer: Viewer, room?: RoomId): ClientPage {
    const indexes = room === undefined ? this.#indexes() : this.rooms.membersOf(room);
    const clients: ClientInfo[] = [];
    let total = 0;
    let next: ClientIndex | null = null;
    const filtered = status !== undefined || name !== undefined;
    for (let i = filtered ? 0 : firstAbove(indexes, after); i < indexes.length; i++) {
      const known = this.#known.get(indexes[i] as ClientIndex);
      if (!known || (name !== undefined && known.name !== name)) continue;
      if (status !== undefined && statusOf(known) !== status) continue;
      total++;
      if (known.index <= after) continue;
      if (clients.length < limit) clients.push(this.#info(known, viewer));
      else {
        next = clients.at(-1)?.index ?? null;
        if (!filtered) break;
      }
    }
    return { clients, total: filtered ? total : room === undefined ? this.#known.size : indexes.length, next };
  }

  /**
   * Makes a client that is in these rooms, durable when it resolves. Its grace time runs until it opens a stream.
   * @param since the newest place in the log before
   * @throws TooManyRooms
   */
  async join(name: string | null, rooms: readonly string[], since: Seq): Promise<ClientInfo> {
    const memberships = entered(membershipsSince(since), rooms, since);
    if (memberships.rooms.size > MOST_ROOMS) throw new TooManyRooms(MOST_ROOMS);
    const release = await this.rooms.hold(rooms, since);
    try {
      const index = await this.#join({ name, subject: undefined, memberships });
      await this.rooms.confirm(rooms, since);
      return await this.get(index, index);
    } finally {
      release();
    }
  }

  async #join({ name, subject, memberships }: Pick<Known, 'name' | 'subject' | 'memberships'>): Promise<ClientIndex> {
    const index = asClientIndex(await this.engine.directory.allocate(CLIENTS));
    if (index === undefined) throw new Error('the engine allocated something that is no index');
    const now = this.options.now();
    const wroteAt = secondsNow();
    await this.engine.directory.put(
      keyOf(index),
      recordOf({ name, subject, connectedAt: now, lastSeenAt: now, memberships, removed: false }),
      null,
    );
    const known = this.#known.get(index);
    if (known) known.wroteAt = wroteAt;
    return index;
  }

  /**
   * The lasting client of this subject, which is made if it is not there. Durable when it resolves.
   * @param name what it is to be called
   * @param since the newest place in the log before
   */
  async ofSubject(subject: string, name: string | null, since: Seq): Promise<ClientIndex> {
    for (;;) {
      const here = this.#bySubject.get(subject);
      if (here !== undefined && this.staysHere(here)) return here;
      const record = await this.engine.directory.get(SUBJECT_PREFIX + subject);
      const there = record && asClientIndex((record.value as { client: number }).client);
      if (there !== undefined && (await this.isStaying(there))) return there;
      const index = await this.#join({ name, subject, memberships: membershipsSince(since) });
      try {
        await this.engine.directory.put(SUBJECT_PREFIX + subject, { client: index }, record?.revision ?? null);
        return index;
      } catch (error) {
        await this.#leaveIfThere(index);
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  /** This subject has no client any more. Durable when it resolves. */
  async endSubject(subject: string): Promise<void> {
    const record = await this.engine.directory.get(SUBJECT_PREFIX + subject);
    const index = record ? (record.value as { client: ClientIndex }).client : this.#bySubject.get(subject);
    if (record) await this.engine.directory.remove(SUBJECT_PREFIX + subject);
    if (index !== undefined && (await this.isStaying(index))) await this.leave(index, 'removed');
  }

  /**
   * Makes a private room of this client, which is in it then. Durable when it resolves.
   * @param at the newest place in the log before
   * @throws NoSuchClient, ClientGone, RoomExists, TooManyRooms
   */
  async makePrivateRoom(index: ClientIndex, name: string, at: Seq): Promise<RoomId> {
    const id = privateRoomId(name, await this.engine.directory.allocate(ROOM_SERIES));
    const release = this.rooms.keep([id]);
    try {
      await this.rooms.create(id, index, at);
      await this.#moveIn(index, [id], at);
      await this.rooms.confirmPrivate(id, index, at);
      return id;
    } finally {
      release();
    }
  }

  /**
   * Takes a client that is invited into a private room, durable when it resolves.
   * @param at the newest place in the log before
   * @throws NoSuchClient, ClientGone, NoSuchRoom, RoomExists, TooManyRooms
   */
  async enterPrivateRoom(index: ClientIndex, id: RoomId, at: Seq): Promise<void> {
    const release = this.rooms.keep([id]);
    try {
      if (!(await this.rooms.isInvited(id, index))) throw new NoSuchRoom(nameOf(id));
      // Another request of it may be taking up the same invitation.
      if (!(await this.#moveIn(index, [id], at))) return;
      let invited = false;
      await this.rooms.change(id, (kept) => {
        invited = kept.invited?.includes(index) ?? false;
        return invited ? { invited: kept.invited?.filter((other) => other !== index) } : undefined;
      });
      if (!invited) {
        // Closed or put out meanwhile: whoever did that has not seen that this one is in it.
        await this.exit(index, id, at);
        throw new NoSuchRoom(nameOf(id));
      }
      // The owner may have left it meanwhile.
      await this.rooms.passOn(id);
    } finally {
      release();
    }
  }

  /**
   * Takes a client into rooms, durable when it resolves.
   * @param at the newest place in the log before
   * @throws NoSuchClient, ClientGone, TooManyRooms
   */
  async enter(index: ClientIndex, rooms: readonly string[], at: Seq): Promise<void> {
    const release = await this.rooms.hold(rooms, at);
    try {
      await this.#moveIn(index, rooms, at);
      await this.rooms.confirm(rooms, at);
    } finally {
      release();
    }
  }

  /** @returns whether it was not in all of them already. @throws RoomExists where it is in another room of such a name */
  async #moveIn(index: ClientIndex, rooms: readonly RoomId[], at: Seq): Promise<boolean> {
    let fresh = false;
    await this.#update(index, (known) => {
      const before = known.memberships.rooms;
      fresh = rooms.some((room) => !before.has(room));
      for (const room of rooms) {
        const other = [...before.keys()].find((id) => id !== room && nameOf(id) === nameOf(room));
        if (other !== undefined) throw new RoomExists(nameOf(room));
      }
      known.memberships = entered(known.memberships, rooms, at);
      if (known.memberships.rooms.size > MOST_ROOMS) throw new TooManyRooms(MOST_ROOMS);
    });
    // Wherever it has a stream: what is sent after the answer has to come there.
    await this.engine.directory.settled();
    return fresh;
  }

  /**
   * Takes a client out of a room, durable when it resolves.
   * @param at the newest place in the log before
   * @throws NoSuchClient, ClientGone
   */
  async exit(index: ClientIndex, room: RoomId, at: Seq): Promise<void> {
    await this.#update(index, (known) => (known.memberships = exited(known.memberships, room, at)));
    await this.engine.directory.settled();
  }

  /** @throws NoSuchClient, ClientGone */
  async rename(index: ClientIndex, name: string | null): Promise<ClientInfo> {
    await this.#update(index, (known) => (known.name = name));
    return this.get(index, index);
  }

  /** @throws NoSuchClient, ClientGone */
  async leave(index: ClientIndex, because: LeftBecause = 'left'): Promise<void> {
    const known = await this.#find(index);
    if (known.leaving) throw new ClientGone(index);
    // Other processes hear of a record that is gone, and not why.
    if (because === 'removed') await this.#update(index, (draft) => (draft.removed = true));
    await this.#remove(known, because);
  }

  async #leaveIfThere(index: ClientIndex): Promise<void> {
    await this.leave(index, 'removed').catch((error: unknown) => {
      if (!(error instanceof ClientGone)) throw error;
    });
  }

  /**
   * Finishes what broke off between two writes: removals that a client's record announces, subjects whose client is gone, and
   * second clients of a subject. Safe while other processes make clients and remove them.
   * @throws EngineUnavailable
   */
  async finishRemovals(): Promise<void> {
    const { directory } = this.engine;
    for (const { index, removed } of [...this.#known.values()]) if (removed) await this.#leaveIfThere(index);
    const named = new Map<string, { readonly client: ClientIndex; readonly revision: Revision }>();
    const stop = await directory.watch(SUBJECT_PREFIX, ({ key, record }) => {
      const subject = key.slice(SUBJECT_PREFIX.length);
      if (record) named.set(subject, { ...(record.value as { client: ClientIndex }), revision: record.revision });
    });
    stop();
    // One whose making is under way elsewhere finds its subject taken, and removes its client itself.
    for (const { index, subject } of [...this.#known.values()]) {
      const other = subject === undefined ? undefined : named.get(subject)?.client;
      if (other !== undefined && other !== index && this.staysHere(other)) await this.#leaveIfThere(index);
    }
    for (const [subject, { client, revision }] of named) {
      if (!this.#known.has(client)) await this.#forgetSubject(subject, client, revision);
    }
  }

  /** A subject whose client is gone names it no more; that it names another one by now is no error. */
  async #forgetSubject(subject: string, client: ClientIndex, revision: Revision): Promise<void> {
    const { directory } = this.engine;
    if (await directory.get(keyOf(client))) return;
    await directory.remove(SUBJECT_PREFIX + subject, revision).catch((error: unknown) => {
      if (!(error instanceof Conflict)) throw error;
    });
  }

  /** @throws Conflict, with `expected`, when its record has changed */
  async #remove(known: Known, because: LeftBecause, expected?: Revision): Promise<void> {
    known.leaving = because;
    known.removing = true;
    try {
      await this.engine.directory.remove(keyOf(known.index), expected);
    } catch (error) {
      known.leaving = undefined;
      // After another failure it may be gone all the same, and what belonged to it is to go as well.
      if (error instanceof Conflict) known.removing = false;
      throw error;
    }
  }

  /**
   * Counts a stream of this client; answers with its socket number.
   * @throws NoSuchClient, ClientGone, TooManyStreams
   */
  async streamOpened(index: ClientIndex): Promise<number> {
    const known = await this.#find(index);
    const elsewhere = streamsOf(known.held.filter(({ node }) => node !== this.engine.leases.node));
    if (known.sockets.length + elsewhere >= this.options.maxStreams) throw new TooManyStreams(this.options.maxStreams);
    const socket = this.#nextSocket++;
    known.sockets.push(socket);
    try {
      await this.#hold(known);
      if (this.#mayBeExpiring(known)) await this.#recordReturn(known);
    } catch (error) {
      this.streamClosed(index, socket);
      throw error;
    }
    return socket;
  }

  /** The stream with this number is no more; the last one that closes makes its client away. */
  streamClosed(index: ClientIndex, socket: number): void {
    const known = this.#known.get(index);
    if (!known) return;
    const at = known.sockets.lastIndexOf(socket);
    if (at < 0) return;
    known.sockets.splice(at, 1);
    known.lastSeenAt = this.options.now();
    this.#hold(known).catch(this.options.onError);
    if (known.sockets.length === 0 && !known.leaving) this.#record(known);
  }

  /**
   * Whether another process may be about to remove a client that opens a stream here: its copy of what is held may be behind.
   * A record that this process wrote lately has not been there for a grace time, so no process removes it at that revision.
   */
  #mayBeExpiring({ subject, sockets, wroteAt }: Known): boolean {
    if (!this.engine.leases.shared || subject !== undefined || sockets.length > 1) return false;
    return secondsNow() - wroteAt >= Math.floor(this.options.grace / 4_000);
  }

  /** Changes its record, so that a removal at the revision before it fails. @throws ClientGone when that came first */
  async #recordReturn(known: Known): Promise<void> {
    known.lastSeenAt = this.options.now();
    known.recordedAt = known.lastSeenAt;
    await this.#update(known.index, () => undefined);
  }

  /** Has its record say when it was last seen. */
  #record(known: Known): void {
    known.recordedAt = known.lastSeenAt;
    this.#update(known.index, () => undefined).catch((error: unknown) => {
      // Only its "last seen" is lost. Whether the engine works is told by those who wait for it.
      if (!(error instanceof ClientGone || error instanceof EngineUnavailable)) this.options.onError(error);
    });
  }

  /** It has shown itself by other means than a stream: its grace time begins anew. */
  seen(index: ClientIndex): void {
    const known = this.#known.get(index);
    if (!known) return;
    known.lastSeenAt = this.options.now();
    if (!this.#grace.has(index)) return;
    this.#grace.begin(index);
    // Other processes count the time, too.
    const age = known.lastSeenAt - known.recordedAt;
    if (age > Math.max(this.options.grace / RECORDED, 1_000) && !known.leaving) this.#record(known);
  }

  /** It is about to open a stream: its grace time begins anew, so that it does not end before the stream counts. */
  returns(index: ClientIndex): void {
    if (this.#grace.has(index)) this.#grace.begin(index);
  }

  /** A request of it waits until the function that this gives back is called; its grace time begins anew then. */
  waits(index: ClientIndex): () => void {
    const known = this.#known.get(index);
    if (known && known.waiting++ === 0) this.engine.leases.hold(WAITS + index, null).catch(this.options.onError);
    return () => {
      if (known && --known.waiting === 0) this.engine.leases.release(WAITS + index).catch(this.options.onError);
      this.seen(index);
    };
  }

  /** From now on nobody's absence counts: the server is stopping, and it is not the clients who left. */
  suspend(): void {
    this.#grace.stop();
  }

  close(): void {
    this.#grace.stop();
    for (const stop of this.#stop.splice(0)) stop();
  }

  async #find(index: ClientIndex): Promise<Known> {
    if (!this.#known.has(index)) await this.#refresh(index);
    const known = this.#known.get(index);
    if (known) return known;
    if (index <= (await this.engine.directory.allocated(CLIENTS))) throw new ClientGone(index);
    throw new NoSuchClient(index);
  }

  /** Changes a record, whoever else changes it meanwhile. */
  async #update(index: ClientIndex, change: (known: Known) => void): Promise<void> {
    for (;;) {
      const known = await this.#find(index);
      const draft = { ...known };
      change(draft);
      const wroteAt = secondsNow();
      try {
        await this.engine.directory.put(keyOf(index), recordOf(draft), known.revision);
        known.wroteAt = wroteAt;
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
        await this.#refresh(index);
      }
    }
  }

  /** The copy may be behind: it would be brought up to date by the watch, but this cannot wait for it. */
  async #refresh(index: ClientIndex): Promise<void> {
    const record = await this.engine.directory.get(keyOf(index));
    // What has come by the watch meanwhile is newer.
    if (record && (this.#known.get(index)?.revision ?? 0) >= record.revision) return;
    if (record || this.#known.has(index)) this.#recordChanged({ key: keyOf(index), record });
  }

  #hold(known: Known): Promise<void> {
    const socket = known.sockets.at(-1);
    return socket === undefined
      ? this.engine.leases.release(keyOf(known.index))
      : this.engine.leases.hold(keyOf(known.index), { streams: known.sockets.length, socket });
  }

  async #expire(index: ClientIndex): Promise<void> {
    const known = this.#known.get(index);
    if (!known || known.leaving || known.held.length > 0 || known.sockets.length > 0) return;
    if (known.waiting > 0 || known.waitingAt.size > 0) return this.#grace.begin(index);
    try {
      await this.#remove(known, 'left', known.revision);
      // Before the next lot: what is to be cleaned up must not gather.
      await this.#cleaning.get(index);
      await this.rooms.idle();
    } catch (error) {
      // Another process has seen it meanwhile, or nobody can be removed at this moment.
      if (!(error instanceof Conflict || error instanceof EngineUnavailable)) this.options.onError(error);
      if (this.#known.get(index) === known && known.held.length === 0) this.#grace.begin(index);
    }
  }

  #recordChanged({ key, record }: RecordChange): void {
    const index = asClientIndex(Number(key.slice(PREFIX.length)));
    if (index === undefined) return;
    const known = this.#known.get(index);
    if (!record) {
      if (!known) return;
      this.#grace.end(index);
      this.#known.delete(index);
      if (known.subject !== undefined && this.#bySubject.get(known.subject) === index)
        this.#bySubject.delete(known.subject);
      if (known.held.length > 0) this.#online--;
      for (const room of known.memberships.rooms.keys()) this.#exited(known, room);
      this.options.onLeft(index, known.leaving ?? (known.removed ? 'removed' : 'left'));
      this.options.onChanged(index);
      if (known.removing) this.#cleanUp(known);
      return;
    }
    const fields = readRecord(record.value);
    if (known) {
      const { memberships: before, name } = known;
      const wasSeen = fields.lastSeenAt > known.recordedAt;
      Object.assign(known, fields, { revision: record.revision, recordedAt: fields.lastSeenAt });
      if (wasSeen && this.#grace.has(index)) this.#grace.begin(index);
      const moved = this.#move(known, before.rooms);
      if (moved === 'for-all' || name !== known.name) this.options.onChanged(index);
      if (moved) this.options.onMoved(index);
      return;
    }
    const fresh: Known = {
      index,
      ...fields,
      revision: record.revision,
      held: [],
      sockets: [],
      recordedAt: fields.lastSeenAt,
      waiting: 0,
      waitingAt: new Set(),
      leaving: undefined,
      removing: false,
      wroteAt: NEVER,
    };
    this.#known.set(index, fresh);
    if (fresh.subject !== undefined) this.#bySubject.set(fresh.subject, index);
    this.#move(fresh, new Map());
    const early = this.#early.get(index);
    this.#early.delete(index);
    this.#sorted &&= index > (this.#order.at(-1) ?? 0);
    this.#order.push(index);
    this.#beginGrace(fresh);
    for (const [node, value] of early ?? []) this.#holdingChanged({ node, key: keyOf(index), value });
    this.options.onChanged(index);
  }

  /** Tells the rooms who is in them now. @returns whether anything is other than before, to its members or to all */
  #move(known: Known, before: ReadonlyMap<RoomId, Seq>): 'for-members' | 'for-all' | undefined {
    const { rooms } = known.memberships;
    let moved: 'for-members' | 'for-all' | undefined;
    const note = (room: RoomId) => (moved = isPrivate(room) ? (moved ?? 'for-members') : 'for-all');
    for (const [room, from] of rooms) {
      if (before.get(room) === from) continue;
      note(room);
      if (!before.has(room)) this.#entered(known, room);
    }
    for (const room of before.keys()) {
      if (rooms.has(room)) continue;
      note(room);
      this.#exited(known, room);
    }
    return moved;
  }

  #entered(known: Known, room: RoomId): void {
    this.rooms.entered(room, known.index, known.held.length > 0);
    if (isPrivate(room)) this.options.onPrivateMove('entered', room, this.#infoIn(known, room, true));
  }

  #exited(known: Known, room: RoomId): void {
    this.rooms.exited(room, known.index, known.held.length > 0);
    if (isPrivate(room)) this.options.onPrivateMove('exited', room, this.#infoIn(known, room, false));
  }

  /** A client as the members of a private room see it that it has just entered or exited. */
  #infoIn(known: Known, room: RoomId, entered: boolean): ClientInfo {
    const info = this.#info(known, null);
    return entered ? { ...info, rooms: [...info.rooms, nameOf(room)].sort() } : info;
  }

  #holdingChanged({ node, key, value }: Holding): void {
    if (key.startsWith(WAITS)) return this.#waitingChanged(Number(key.slice(WAITS.length)) as ClientIndex, node, value);
    if (!key.startsWith(PREFIX)) return;
    const index = Number(key.slice(PREFIX.length)) as ClientIndex;
    const known = this.#known.get(index);
    if (!known) return this.#heldEarly(index, node, value);
    const held = known.held.filter((other) => other.node !== node);
    if (value !== undefined) held.push({ node, ...readHeld(value) });
    const turned = Math.sign(held.length) - Math.sign(known.held.length);
    known.held = held;
    if (turned !== 0) {
      this.#online += turned;
      for (const room of known.memberships.rooms.keys()) this.rooms.turned(room, turned);
      this.options.onChanged(known.index);
    }
    if (held.length > 0) this.#grace.end(known.index);
    else if (!known.leaving) this.#beginGrace(known);
  }

  /** Another process does not: what a client had is removed once, by the process that removed it, or at the next start. */
  #cleanUp({ index, subject }: Known): void {
    const cleaning = Promise.all([this.options.onRemoved(index), subject && this.#endSubjectOf(subject, index)])
      .then(() => undefined, this.options.onError)
      .finally(() => this.#cleaning.delete(index));
    this.#cleaning.set(index, cleaning);
  }

  async #endSubjectOf(subject: string, index: ClientIndex): Promise<void> {
    const record = await this.engine.directory.get(SUBJECT_PREFIX + subject);
    if (!record || (record.value as { client: number }).client !== index) return;
    await this.#forgetSubject(subject, index, record.revision);
  }

  /** A lasting client may be away for as long as it likes. */
  #beginGrace({ index, subject }: Known): void {
    if (subject === undefined) this.#grace.begin(index);
  }

  #heldEarly(index: ClientIndex, node: string, value: Json | undefined): void {
    const early = this.#early.get(index) ?? new Map<string, Json>();
    if (value === undefined) early.delete(node);
    else early.set(node, value);
    if (early.size > 0) this.#early.set(index, early);
    else this.#early.delete(index);
  }

  #waitingChanged(index: ClientIndex, node: string, value: Json | undefined): void {
    const known = this.#known.get(index);
    if (!known || node === this.engine.leases.node) return;
    if (value !== undefined) known.waitingAt.add(node);
    else if (known.waitingAt.delete(node) && this.#grace.has(index)) this.#grace.begin(index);
  }

  /** All indexes in ascending order. Those that left are taken out when they are half of it: one by one would be quadratic. */
  #indexes(): readonly ClientIndex[] {
    if (!this.#sorted) this.#order.sort((a, b) => a - b);
    this.#sorted = true;
    if (this.#order.length > 2 * this.#known.size) this.#order = this.#order.filter((index) => this.#known.has(index));
    return this.#order;
  }

  #info(known: Known, viewer: Viewer): ClientInfo {
    const online = known.held.length > 0;
    return {
      index: known.index,
      name: known.name,
      status: statusOf(known),
      socket: online ? Math.max(...known.held.map(({ socket }) => socket)) : null,
      streams: streamsOf(known.held),
      connectedAt: known.connectedAt,
      lastSeenAt: online ? this.options.now() : known.lastSeenAt,
      rooms: this.#roomsSeenBy(viewer, known.memberships.rooms),
    };
  }

  #roomsSeenBy(viewer: Viewer, rooms: ReadonlyMap<RoomId, Seq>): readonly string[] {
    if (rooms.size === 0) return NO_ROOMS;
    const seen: string[] = [];
    for (const id of rooms.keys()) {
      if (!isPrivate(id)) seen.push(id);
      else if (viewer !== null && this.isMember(viewer, id)) seen.push(nameOf(id));
    }
    return seen.sort();
  }
}

function secondsNow(): number {
  return Math.floor(performance.now() / 1_000);
}

function statusOf(known: Known): Status {
  return known.held.length > 0 ? 'online' : 'away';
}

function streamsOf(held: readonly Held[]): number {
  let streams = 0;
  for (const part of held) streams += part.streams;
  return streams;
}

/** The key of a client's record. */
export function keyOf(index: ClientIndex): string {
  return `${PREFIX}${index}`;
}

type Fields = Pick<Known, 'name' | 'subject' | 'connectedAt' | 'lastSeenAt' | 'memberships' | 'removed'>;

/** A client as the directory keeps it: what a Map has, as pairs. */
interface Kept {
  readonly name: string | null;
  readonly subject?: string;
  readonly removed?: true;
  readonly connectedAt: number;
  readonly lastSeenAt: number;
  readonly since?: Seq;
  readonly rooms?: readonly (readonly [room: string, from: Seq])[];
  readonly past?: Memberships['past'];
  readonly forgotten?: Seq;
}

function recordOf({ name, subject, connectedAt, lastSeenAt, memberships, removed }: Fields): Json {
  const { since, rooms, past, forgotten } = memberships;
  const kept: Kept = { name, connectedAt, lastSeenAt, since, rooms: [...rooms], past, forgotten };
  const lasting = subject === undefined ? kept : { ...kept, subject };
  return (removed ? { ...lasting, removed } : lasting) as unknown as Json;
}

/** The boundary to what the directory keeps: records are written by {@link recordOf} alone, now or before there were rooms. */
function readRecord(value: Json): Fields {
  const { name, subject, connectedAt, lastSeenAt, since, rooms, past, forgotten, removed } = value as unknown as Kept;
  const none = membershipsSince(since ?? (0 as Seq));
  const memberships = {
    ...none,
    rooms: rooms && rooms.length > 0 ? new Map(rooms) : none.rooms,
    past: past && past.length > 0 ? past : none.past,
    forgotten: forgotten ?? none.forgotten,
  };
  return { name, subject, connectedAt, lastSeenAt, memberships, removed: removed ?? false };
}

function readHeld(value: Json): Omit<Held, 'node'> {
  return value as unknown as Omit<Held, 'node'>;
}

/** The position of the first index above `after`, by bisection. */
function firstAbove(indexes: readonly ClientIndex[], after: number): number {
  let low = 0;
  let high = indexes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((indexes[middle] as number) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
