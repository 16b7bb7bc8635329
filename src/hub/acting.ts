import type { Entry, Seq } from '../engine/engine.js';
import type { Caller } from './access/caller.js';
import { networkOf } from './access/network.js';
import { type Permission, toSend } from './access/permissions.js';
import type { ClientIndex } from './client-index.js';
import type { StreamPlace } from './credentials.js';
import type { ClientInfo, ClientPage, ListQuery } from './clients.js';
import {
  ClientGone,
  Forbidden,
  InvalidRequest,
  NameTaken,
  NoSuchRoom,
  PermissionMissing,
  Unauthorized,
} from './errors.js';
import type { HistoryPage, HistoryQuery } from './history.js';
import type { Claim, Connection, Hub, Identity, ReadState, Stream, Wishes } from './hub.js';
import type { ReadMarks } from './read-up-to.js';
import { isPrivate } from './room-id.js';
import type { RoomInfo, RoomPage } from './rooms.js';
import type { Outgoing, Sent } from './sending.js';
import type { Address } from './topics.js';

/**
 * The hub as one caller may use it: the one place where it is decided who may do what. Whoever comes from outside reaches the hub
 * by this alone, so nothing can be done without its being asked here.
 *
 * @throws PermissionMissing, Unauthorized or Forbidden from any method, beside what the hub itself throws
 */
export class Acting {
  constructor(
    private readonly hub: Hub,
    readonly caller: Caller,
    readonly address: string | undefined,
  ) {}

  /** The client that it is; null for who has none. */
  get index(): ClientIndex | null {
    return this.caller.index;
  }

  /** @throws PermissionMissing */
  need(permission: Permission, may = this.caller.may): void {
    if (may.allows(permission)) return;
    if (this.caller.kind === 'none') throw new Unauthorized('This takes a credential: sign in, or send a key.');
    throw new PermissionMissing(permission);
  }

  /* Being there. */

  /** A client without a stream: a new one; of an account, a key or an identity the one it has. */
  async join(
    name: string | null,
    rooms: readonly string[] = [],
  ): Promise<{ client: ClientInfo; position: Seq; fresh: boolean }> {
    const { hub, caller } = this;
    this.need('connect');
    for (const room of rooms) this.need(`read:${room}`);
    const makesOne = caller.kind === 'none' || caller.kind === 'client';
    if (makesOne) return { ...(await hub.join(name, rooms)), fresh: true };
    const index = this.self();
    if (name !== null && name !== hub.clients.nameOf(index)) throw this.#ownName();
    for (const room of rooms) await hub.enter(index, room);
    return { client: await hub.clients.get(index, index), position: await hub.last(), fresh: false };
  }

  /** The client that is to open a stream. */
  async identify(claim: Claim, wishes: Wishes, presence: boolean): Promise<Identity> {
    const { hub, caller } = this;
    this.need('connect');
    if (presence) this.need('list');
    if (caller.kind === 'operator') this.self();
    for (const room of wishes.rooms) this.need(`read:${room}`);
    return hub.identify(caller.index, claim, wishes);
  }

  /** See {@link Hub.openStream}; the connection is to be one of this caller. */
  openStream(
    place: StreamPlace,
    presence: boolean,
    connection: Connection,
    welcome: (client: ClientInfo) => Stream,
  ): Promise<void> {
    return this.hub.openStream(place, presence, connection, welcome);
  }

  /** A client takes another name. */
  async rename(index: ClientIndex, name: string): Promise<ClientInfo> {
    await this.assertSelf(index);
    if (this.caller.subject !== null) throw this.#ownName();
    if (this.hub.isTaken(name)) throw new NameTaken(name);
    return this.hub.clients.rename(index, name);
  }

  /** A client leaves; or one that may keep order removes it. */
  async leave(index: ClientIndex): Promise<void> {
    const { hub, caller } = this;
    if (caller.index !== index && caller.may.allows('admin')) {
      await hub.administration.removeClient(caller, index);
      return;
    }
    await this.assertSelf(index);
    if (caller.subject !== null) {
      throw new Forbidden(
        'A client that signs in stays, also while it is away: end its streams, or its sessions. It goes with its account, key or identity.',
      );
    }
    await hub.clients.leave(index);
  }

  /* Seeing who and what there is. */

  list(query: ListQuery): ClientPage {
    this.need('list');
    return this.hub.clients.list(query, this.index);
  }

  async client(index: ClientIndex): Promise<ClientInfo> {
    if (index !== this.index) this.need('list');
    return this.hub.clients.get(index, this.index);
  }

  listRooms(query: { readonly after?: string; readonly limit: number }): RoomPage {
    this.need('list');
    return this.hub.listRooms(query, this.index);
  }

  room(name: string): RoomInfo {
    this.need('list');
    return this.hub.room(name, this.index);
  }

  listMembers(name: string, query: ListQuery): ClientPage {
    this.need('list');
    return this.hub.listMembers(name, query, this.index);
  }

  /** Whatever an operator's instruments may read. */
  measure(): void {
    this.need('list');
  }

  /* Sending. */

  send(outgoing: Outgoing): Promise<Sent> {
    this.need(toSend(outgoing.to));
    return this.hub.sending.send(this.index, outgoing);
  }

  /** See {@link Sending.sendAll}: what is not allowed is refused one by one, and all of it once the credential is over. */
  sendAll(batch: readonly Outgoing[]): Promise<{ readonly outcomes: Promise<(Sent | Error)[]> }> {
    const { hub, index } = this;
    const welcome = hub.isWelcome(this);
    const may = hub.mayNow(this.caller);
    return hub.sending.sendAll(index, batch, (to) => {
      if (!welcome) throw new Unauthorized('The credential that these lines came with is over. Sign in again.');
      if (index !== null && !hub.clients.staysHere(index)) throw new ClientGone(index);
      this.need(toSend(to), may);
    });
  }

  /* Reading. */

  async readMailbox(index: ClientIndex, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    await this.assertSelf(index);
    return this.#stillWelcome(await this.hub.readMailbox(index, query, gone));
  }

  async readMessage(index: ClientIndex, seq: Seq): Promise<Entry> {
    return this.hub.readMessage(index, seq, this.self());
  }

  async readEveryone(query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    return this.#stillWelcome(await this.hub.readEveryone(this.self(), query, gone));
  }

  async readMessageToEveryone(seq: Seq): Promise<Entry> {
    return this.hub.readMessageToEveryone(this.self(), seq);
  }

  async readRoom(name: string, query: HistoryQuery, gone: AbortSignal): Promise<HistoryPage> {
    this.need(`read:${name}`);
    return this.#stillWelcome(await this.hub.readRoom(name, this.index, query, gone));
  }

  async readRoomMessage(name: string, seq: Seq): Promise<Entry> {
    this.need(`read:${name}`);
    return this.hub.readRoomMessage(name, this.index, seq);
  }

  /** See {@link Hub.placeOf}. @param own whether a cursor has to be the caller's */
  placeOf(text: string, own: boolean, path: string): Promise<Seq> {
    return this.hub.placeOf(text, own ? this.self() : null, path);
  }

  async readState(index: ClientIndex): Promise<ReadState> {
    await this.assertSelf(index);
    return this.hub.readState(index);
  }

  async markRead(index: ClientIndex, marks: ReadMarks): Promise<ReadState> {
    await this.assertSelf(index);
    return this.hub.markRead(index, marks);
  }

  /* Rooms. */

  /** @returns whether it was not in it already */
  async enter(index: ClientIndex, room: string): Promise<boolean> {
    await this.assertSelf(index);
    this.need(`read:${room}`);
    return this.hub.enter(index, room);
  }

  /** A client leaves a room, or is put out of a private one by its owner. */
  async exit(index: ClientIndex, room: string): Promise<void> {
    const { hub, caller } = this;
    const named = hub.clients.roomNamed(room, caller.index);
    if (caller.index !== null && caller.index !== index && isPrivate(named)) {
      return hub.privateRooms.remove(this.self(), room, index);
    }
    await this.assertSelf(index);
    await hub.exit(index, room);
  }

  /** A room that the caller has just entered. */
  entered(name: string): RoomInfo {
    return this.hub.room(name, this.index);
  }

  /** @returns the room, and whether it was made by this */
  async makePrivateRoom(name: string): Promise<{ readonly room: RoomInfo; readonly fresh: boolean }> {
    const index = this.self();
    this.need(`read:${name}`);
    const fresh = await this.hub.makePrivateRoom(index, name);
    return { room: this.hub.room(name, index), fresh };
  }

  async handOver(room: string, owner: ClientIndex): Promise<RoomInfo> {
    const index = this.self();
    await this.hub.privateRooms.handOver(index, room, owner);
    return this.hub.room(room, index);
  }

  async closeRoom(room: string): Promise<void> {
    await this.hub.privateRooms.close(this.self(), room);
  }

  async invite(room: string, guest: ClientIndex): Promise<boolean> {
    return this.hub.privateRooms.invite(this.self(), room, guest);
  }

  async withdraw(room: string, guest: ClientIndex): Promise<void> {
    await this.hub.privateRooms.withdraw(this.self(), room, guest);
  }

  /** Who is invited to a room of this client's. */
  guests(room: string): ClientInfo[] {
    const guests = this.hub.privateRooms.guests(this.self(), room);
    return guests.flatMap((index) => this.hub.clients.peek(index) ?? []);
  }

  /** Names of rooms to which this client is invited, with whoever owns them. */
  async invitations(index: ClientIndex): Promise<{ readonly room: string; readonly owner: ClientIndex }[]> {
    await this.assertSelf(index);
    return this.hub.privateRooms.invitationsOf(index);
  }

  /* Keeping order. */

  /** Deletes a message: whoever may keep order, and in a private room its owner. */
  async deleteMessage(to: Address, seq: Seq): Promise<void> {
    const { hub, caller } = this;
    if (caller.kind === 'none') throw new Unauthorized('Only who may keep order can delete a message. Sign in.');
    const room = 'room' in to ? hub.clients.roomNamed(to.room, caller.index) : undefined;
    const owns = room !== undefined && caller.index !== null && hub.clients.rooms.ownerOf(room) === caller.index;
    if (!owns) {
      // That there is such a room is no secret to those who may not.
      if (room !== undefined && !hub.clients.rooms.has(room)) throw new NoSuchRoom((to as { room: string }).room);
      this.need('admin');
    }
    await hub.deleteMessage(caller, to, seq);
  }

  /** What only those may do who keep order. */
  get administration() {
    this.need('admin');
    return this.hub.administration;
  }

  /** One's own sessions. */
  get own() {
    if (this.caller.kind === 'none') throw new Unauthorized('Only who has signed in has sessions: POST /sessions.');
    return this.hub.signingIn;
  }

  /** One's own account, or any as an administrator. */
  async removeAccount(name: string): Promise<void> {
    const { hub, caller } = this;
    if (!hub.signingIn.isOwn(caller, name)) this.need('admin');
    await hub.administration.removeAccount(caller, name);
  }

  /** @param current the password of today; an administrator need not know that of others */
  async setPassword(name: string, password: string, current: string | undefined): Promise<void> {
    const { hub, caller, address } = this;
    if (hub.signingIn.isOwn(caller, name)) {
      if (current === undefined) throw new InvalidRequest('current', 'is missing: the password of today');
      return hub.signingIn.changePassword(caller, current, password, address);
    }
    this.need('admin');
    await hub.administration.setPassword(caller, name, password, networkOf(address ?? ''));
  }

  /**
   * The client that the caller is.
   * @throws Unauthorized for nobody, Forbidden for who is none
   */
  self(): ClientIndex {
    const { index, kind } = this.caller;
    if (index === null) {
      if (kind === 'none') {
        throw new Unauthorized('Only a client may do this. Send its token: Authorization: Bearer TOKEN.');
      }
      throw new Forbidden('The token of the operator is that of no client. Sign in with an account, or use a key.');
    }
    this.need('connect');
    this.hub.clients.seen(index);
    return index;
  }

  /** Lets the client itself pass and nobody else. @throws Unauthorized, Forbidden, NoSuchClient, ClientGone */
  async assertSelf(index: ClientIndex): Promise<void> {
    const { caller, hub } = this;
    if (caller.kind === 'none') {
      throw new Unauthorized(`Only client ${index} itself may do this. Send its token: Authorization: Bearer TOKEN.`);
    }
    await hub.clients.assertThere(index);
    if (caller.index !== index) {
      const whose = caller.index === null ? "the operator's" : `client ${caller.index}'s`;
      throw new Forbidden(`This token is ${whose}. Only client ${index} itself may do this.`);
    }
    this.self();
  }

  /** It may have been signed out while it waited. */
  #stillWelcome<Answer>(answer: Answer): Answer {
    if (this.hub.isWelcome(this)) return answer;
    throw new Unauthorized('The credential of this request is over. Sign in again.');
  }

  #ownName(): Forbidden {
    return new Forbidden('The name of a client that signs in is that of its account, key or identity.');
  }
}
