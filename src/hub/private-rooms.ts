import type { Log } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import type { Clients } from './clients.js';
import { ClientGone, Forbidden, InvalidRequest, NoSuchRoom, RoomExists } from './errors.js';
import { isPrivate, nameOf, type RoomId } from './room-id.js';

/** The most that may be invited to a room at once. */
const MOST_INVITED = 1_000;

/** The most invitations that a client may have which it has neither taken up nor declined: they are anybody's to give. */
const MOST_INVITATIONS = 100;

/**
 * Rooms that are there only to those who are in them, and to those who are invited, who may enter. To everybody else there is
 * no such room, and the same name may be that of another.
 */
export class PrivateRooms {
  constructor(
    private readonly log: Log,
    private readonly clients: Clients,
  ) {}

  /** Those to which a client is invited, by the names it knows them by, and whose they are. */
  invitationsOf(index: ClientIndex): { readonly room: string; readonly owner: ClientIndex }[] {
    const { rooms } = this.clients;
    return [...rooms.invitationsOf(index)].flatMap((id) => {
      const owner = rooms.ownerOf(id);
      return owner === undefined ? [] : [{ room: nameOf(id), owner }];
    });
  }

  /** Which private room a client means that is in it or invited to it. */
  find(index: ClientIndex, name: string): RoomId | undefined {
    const own = this.clients.roomNamed(name, index);
    if (isPrivate(own)) return own;
    for (const id of this.clients.rooms.invitationsOf(index)) if (nameOf(id) === name) return id;
    return undefined;
  }

  /**
   * Makes one, whose owner this client is. @returns false where it has been that already
   * @throws RoomExists where a room of this name is there to it, TooManyRooms, NoSuchClient, ClientGone
   */
  async make(index: ClientIndex, name: string): Promise<boolean> {
    const { rooms } = this.clients;
    const there = this.clients.roomNamed(name, index);
    if (isPrivate(there) && rooms.ownerOf(there) === index) return false;
    if (isPrivate(there) || (await rooms.exists(name))) throw new RoomExists(name);
    await this.clients.makePrivateRoom(index, name, await this.log.last());
    return true;
  }

  /**
   * Takes up an invitation.
   * @throws NoSuchRoom, RoomExists where the client is in a room of this name, TooManyRooms
   */
  async enter(index: ClientIndex, id: RoomId): Promise<void> {
    const named = this.clients.roomNamed(nameOf(id), index);
    if (this.clients.isMember(index, named)) throw new RoomExists(nameOf(id));
    await this.clients.enterPrivateRoom(index, id, await this.log.last());
  }

  /** @returns false where it is invited, or a member, already. @throws NoSuchRoom, Forbidden, NoSuchClient, ClientGone */
  async invite(owner: ClientIndex, name: string, guest: ClientIndex): Promise<boolean> {
    const id = this.#own(owner, name);
    await this.clients.assertThere(guest);
    if (this.clients.isMember(guest, id)) return false;
    const { size } = this.clients.rooms.invitationsOf(guest);
    if (size >= MOST_INVITATIONS && !this.clients.rooms.invitedTo(id).includes(guest)) {
      throw new InvalidRequest(
        'index',
        `is invited to ${size} rooms already, the most there may be: it has to enter or decline some first`,
      );
    }
    let fresh = false;
    await this.#change(id, owner, ({ invited = [] }) => {
      fresh = !invited.includes(guest);
      if (!fresh) return undefined;
      // Those who have left for good will not come.
      const still = invited.filter((one) => this.clients.has(one));
      if (still.length >= MOST_INVITED) {
        throw new InvalidRequest('index', `At most ${MOST_INVITED} may be invited at once. Withdraw some first.`);
      }
      return { invited: [...still, guest] };
    });
    return fresh;
  }

  /** Takes an invitation back, or declines one's own. @throws NoSuchRoom, Forbidden */
  async withdraw(by: ClientIndex, name: string, guest: ClientIndex): Promise<void> {
    const id = by === guest ? this.find(by, name) : this.#own(by, name);
    if (id === undefined) throw new NoSuchRoom(name);
    await this.clients.rooms.change(id, ({ invited = [] }) =>
      invited.includes(guest) ? { invited: invited.filter((one) => one !== guest) } : undefined,
    );
  }

  /** Who is invited, for its owner. @throws NoSuchRoom, Forbidden */
  guests(owner: ClientIndex, name: string): readonly ClientIndex[] {
    return this.clients.rooms.invitedTo(this.#own(owner, name)).filter((index) => this.clients.has(index));
  }

  /** Puts a member out. @throws NoSuchRoom, Forbidden */
  async remove(owner: ClientIndex, name: string, member: ClientIndex): Promise<void> {
    const id = this.#own(owner, name);
    await this.withdraw(owner, name, member);
    if (this.clients.isMember(member, id)) await this.clients.exit(member, id, await this.log.last());
  }

  /** @throws NoSuchRoom, Forbidden, InvalidRequest where the next owner is not in it */
  async handOver(owner: ClientIndex, name: string, to: ClientIndex): Promise<void> {
    const id = this.#own(owner, name);
    if (!this.clients.isMember(to, id)) {
      throw new InvalidRequest('owner', `client ${to} is not in this room: it is handed over to somebody who is`);
    }
    await this.#change(id, owner, () => ({ owner: to }));
    // It may have left the room meanwhile.
    await this.clients.rooms.passOn(id);
  }

  /** There is no such room any more. What was sent before still reaches those who were in it then. @throws NoSuchRoom, Forbidden */
  async close(owner: ClientIndex, name: string): Promise<void> {
    const id = this.#own(owner, name);
    // Before anybody is put out: from now on nobody can enter.
    await this.clients.rooms.close(id);
    await this.clear(id);
  }

  /** Puts all out of a room that is closed. */
  async clear(id: RoomId): Promise<void> {
    const at = await this.log.last();
    for (const member of [...this.clients.rooms.membersOf(id)]) {
      await this.clients.exit(member, id, at).catch((error: unknown) => {
        // Who has left meanwhile is not in it either.
        if (!(error instanceof ClientGone)) throw error;
      });
    }
  }

  #own(index: ClientIndex, name: string): RoomId {
    const id = this.clients.roomNamed(name, index);
    if (!isPrivate(id)) {
      if (this.clients.rooms.has(id)) throw new Forbidden(`The room ${name} is open to all: nobody owns it.`);
      throw new NoSuchRoom(name);
    }
    const owner = this.clients.rooms.ownerOf(id);
    if (owner !== index) throw new Forbidden(`The room ${name} is client ${owner}'s, who alone may do this.`);
    return id;
  }

  /** As {@link Rooms.change}, as long as it is still the owner's. @throws NoSuchRoom, Forbidden */
  async #change(id: RoomId, owner: ClientIndex, change: Parameters<Clients['rooms']['change']>[1]): Promise<void> {
    const there = await this.clients.rooms.change(id, (kept) => {
      if (kept.owner !== owner) throw new Forbidden(`The room ${nameOf(id)} has been handed over meanwhile.`);
      return change(kept);
    });
    if (!there) throw new NoSuchRoom(nameOf(id));
  }
}
