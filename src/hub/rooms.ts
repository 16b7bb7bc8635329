import { Conflict, type Directory, type RecordChange, type Revision, type Seq } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { isPrivate, nameOf, type RoomId } from './room-id.js';

/** A room as those may see it to whom it is there. */
export interface RoomInfo {
  readonly name: string;
  readonly members: number;
  /** How many of them have a stream open. */
  readonly online: number;
  /** Of a private room. */
  readonly private?: true;
  readonly owner?: ClientIndex;
}

export interface RoomPage {
  readonly rooms: RoomInfo[];
  readonly total: number;
  /** The `after` of the next page; null on the last one. */
  readonly next: string | null;
}

interface Room {
  /** In the order in which they entered, as far as this process has seen that. */
  readonly members: Set<ClientIndex>;
  online: number;
  /** Members in ascending order, made when somebody asks. */
  order: ClientIndex[] | undefined;
}

/** What the directory keeps of a room. */
interface Kept {
  readonly since: Seq;
  /** Of a private room: whose it is, and who may enter it. */
  readonly owner?: ClientIndex;
  readonly invited?: readonly ClientIndex[];
}

interface RoomRecord extends Kept {
  readonly revision: Revision;
}

const PREFIX = 'room/';

/** Shared, as most clients are invited to none. */
const NO_INVITATIONS: ReadonlySet<RoomId> = new Set();

/** A room in no hurry to be gone: somebody is about to enter it. */
type Release = () => void;

/**
 * Which rooms there are. Who is in them is in the records of the clients, and told to this by {@link Clients}; what the
 * directory keeps of a room itself is only since when it is there, so that its history does not show what was said in an
 * earlier room of the same name, and whose it is where it is private.
 */
export class Rooms {
  readonly #rooms = new Map<RoomId, Room>();
  /** How many of them are public. */
  #public = 0;
  #names: string[] | undefined;
  readonly #records = new Map<RoomId, RoomRecord>();
  /** By client: how long it takes to find one's own must not tell how many others there are. */
  readonly #invitations = new Map<ClientIndex, Set<RoomId>>();
  /** How many are entering a room at this moment, and what of its record is being written. */
  readonly #entering = new Map<string, number>();
  readonly #writing = new Map<string, Promise<void>>();
  /** Private rooms that are being handed on. */
  readonly #passing = new Set<Promise<void>>();

  constructor(
    private readonly directory: Directory,
    private readonly onError: (error: unknown) => void,
    /** Told of each client that may enter a private room from now on, wherever it was invited. */
    private readonly onInvited: (index: ClientIndex, room: RoomId, by: ClientIndex) => void,
  ) {}

  /** Begins to watch; resolves with what ends that. */
  open(): Promise<() => void> {
    return this.directory.watch(PREFIX, (change) => this.#recordChanged(change));
  }

  /** Forgets rooms that lost their last member, and finds owners for those that lost theirs, when nobody could take note of it. */
  sweep(): void {
    for (const name of this.#records.keys()) {
      this.#forgetIfEmpty(name);
      this.passOn(name).catch(this.onError);
    }
  }

  /** How many public rooms there are. */
  get size(): number {
    return this.#public;
  }

  has(name: string): boolean {
    return this.#rooms.has(name);
  }

  /** The same; of a room this process has not heard of, another may have made it just now. @throws EngineUnavailable */
  async exists(name: string): Promise<boolean> {
    if (this.has(name)) return true;
    // One without members is about to be forgotten.
    return !this.#records.has(name) && (await this.directory.get(PREFIX + name)) !== undefined;
  }

  /** To be asked only for somebody to whom it is there. */
  get(id: RoomId): RoomInfo | undefined {
    const room = this.#rooms.get(id);
    if (!room) return undefined;
    const info = { name: nameOf(id), members: room.members.size, online: room.online };
    return isPrivate(id) ? { ...info, private: true, owner: this.ownerOf(id) } : info;
  }

  /**
   * Rooms by name, in the order of their characters' codes.
   * @param own private rooms that are there to whoever asks
   */
  list({ after = '', limit }: { readonly after?: string; readonly limit: number }, own: readonly RoomId[]): RoomPage {
    this.#names ??= [...this.#rooms.keys()].filter((id) => !isPrivate(id)).sort();
    let ids: readonly RoomId[] = this.#names;
    if (own.length > 0) {
      // To its members a private room hides a public one of its name, as it does wherever they say that name.
      const names = new Set(own.map(nameOf));
      ids = [...ids.filter((id) => !names.has(id)), ...own].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    }
    const begin = ids.findIndex((id) => nameOf(id) > after);
    const page = begin < 0 ? [] : ids.slice(begin, begin + limit);
    const rooms = page.flatMap((id) => this.get(id) ?? []);
    const more = begin >= 0 && begin + limit < ids.length;
    return { rooms, total: ids.length, next: more ? nameOf(page.at(-1) as RoomId) : null };
  }

  /** Whose private room it is. */
  ownerOf(id: RoomId): ClientIndex | undefined {
    return this.#records.get(id)?.owner;
  }

  invitedTo(id: RoomId): readonly ClientIndex[] {
    return this.#records.get(id)?.invited ?? [];
  }

  /** Private rooms to which this client is invited. */
  invitationsOf(index: ClientIndex): ReadonlySet<RoomId> {
    return this.#invitations.get(index) ?? NO_INVITATIONS;
  }

  /** @param since the newest place in the log. Durable when it resolves. */
  async create(id: RoomId, owner: ClientIndex, since: Seq): Promise<void> {
    await this.directory.put(PREFIX + id, { since, owner }, null);
  }

  /**
   * Changes whose room it is, or who may enter it; durable when it resolves.
   * @param change undefined where nothing is to be changed
   * @returns whether the room is there
   */
  async change(id: RoomId, change: (kept: Kept) => Partial<Kept> | undefined): Promise<boolean> {
    for (;;) {
      const record = await this.directory.get(PREFIX + id);
      if (!record) return false;
      const kept = record.value as unknown as Kept;
      const changes = change(kept);
      if (!changes) return true;
      try {
        await this.directory.put(PREFIX + id, { ...kept, ...changes }, record.revision);
        return true;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  /** Whether a client may enter a private room, wherever it was invited. */
  async isInvited(id: RoomId, index: ClientIndex): Promise<boolean> {
    const record = await this.directory.get(PREFIX + id);
    return (record?.value as unknown as Kept | undefined)?.invited?.includes(index) ?? false;
  }

  /** A client that has left for good is invited nowhere any more. Durable when it resolves. */
  async withdrawAll(index: ClientIndex): Promise<void> {
    for (const id of [...this.invitationsOf(index)]) {
      await this.change(id, ({ invited = [] }) =>
        invited.includes(index) ? { invited: invited.filter((other) => other !== index) } : undefined,
      );
    }
  }

  /** Private rooms that were closed while somebody was still in them. */
  abandoned(): RoomId[] {
    return [...this.#rooms.keys()].filter((id) => isPrivate(id) && !this.#records.has(id));
  }

  /** Has no room of this id any more, whoever is still in it. */
  async close(id: RoomId): Promise<void> {
    await this.directory.remove(PREFIX + id);
  }

  /** Indexes of the members, in ascending order. */
  membersOf(name: string): readonly ClientIndex[] {
    const room = this.#rooms.get(name);
    return room ? (room.order ??= [...room.members].sort((a, b) => a - b)) : [];
  }

  /** What is in its topic up to this place was said in an earlier room. */
  sinceOf(name: string): Seq {
    return this.#records.get(name)?.since ?? (0 as Seq);
  }

  entered(name: string, index: ClientIndex, online: boolean): void {
    let room = this.#rooms.get(name);
    if (!room) {
      room = { members: new Set(), online: 0, order: undefined };
      this.#rooms.set(name, room);
      this.#publicChanged(name, 1);
    }
    if (room.members.has(index)) return;
    room.members.add(index);
    room.order = undefined;
    if (online) room.online++;
  }

  exited(name: string, index: ClientIndex, online: boolean): void {
    const room = this.#rooms.get(name);
    if (!room?.members.delete(index)) return;
    room.order = undefined;
    if (online) room.online--;
    if (room.members.size > 0) return this.#passOnIfLost(name);
    this.#rooms.delete(name);
    this.#publicChanged(name, -1);
    this.#forgetIfEmpty(name);
  }

  /** Resolves when the records are as they follow from who has exited so far, or their writes failed. */
  async idle(): Promise<void> {
    if (this.#writing.size + this.#passing.size > 0)
      await Promise.allSettled([...this.#writing.values(), ...this.#passing]);
  }

  #publicChanged(name: RoomId, by: number): void {
    if (isPrivate(name)) return;
    this.#public += by;
    this.#names = undefined;
  }

  /** A member has come online (1) or gone away (-1). */
  turned(name: string, by: number): void {
    const room = this.#rooms.get(name);
    if (room) room.online += by;
  }

  /** Has no room forgotten here, though nobody is in it, until the function that this gives back is called. */
  keep(names: readonly RoomId[]): Release {
    for (const name of names) this.#entering.set(name, (this.#entering.get(name) ?? 0) + 1);
    return () => {
      for (const name of names) {
        const left = (this.#entering.get(name) ?? 1) - 1;
        if (left > 0) this.#entering.set(name, left);
        else this.#entering.delete(name);
        this.#forgetIfEmpty(name);
      }
    };
  }

  /**
   * Sees to it that these rooms have their records, durable when it resolves, and keep them until the function that it
   * gives back is called.
   * @param since the newest place in the log, for those that are new
   */
  async hold(names: readonly string[], since: Seq): Promise<Release> {
    const release = this.keep(names);
    try {
      await Promise.all(names.map((name) => this.#ensure(name, since)));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /**
   * Makes the records anew that another process has removed, as the room was empty before it heard of who has entered. To be
   * called once that is recorded, before what {@link hold} gave is released.
   */
  async confirm(names: readonly string[], since: Seq): Promise<void> {
    for (const name of names) {
      if (await this.directory.get(PREFIX + name)) continue;
      this.#records.delete(name);
      await this.#ensure(name, since);
    }
  }

  /** As {@link confirm}, of a private room that its owner has just entered. */
  async confirmPrivate(id: RoomId, owner: ClientIndex, since: Seq): Promise<void> {
    if (await this.directory.get(PREFIX + id)) return;
    await this.create(id, owner, since);
  }

  /** Invitations of clients that have left for good go. */
  async forgetGuests(isThere: (index: ClientIndex) => boolean): Promise<void> {
    for (const [id, { invited }] of [...this.#records]) {
      if (!invited || invited.every(isThere)) continue;
      await this.change(id, (kept) => ({ invited: kept.invited?.filter(isThere) }));
    }
  }

  /** A private room whose owner is not in it any more is that of whoever is in it for longest. Durable when it resolves. */
  async passOn(id: RoomId): Promise<void> {
    const owner = this.ownerOf(id);
    const members = this.#rooms.get(id)?.members;
    if (owner === undefined || !members || members.has(owner)) return;
    const change = (kept: Kept) => {
      const [next] = members;
      return next !== undefined && kept.owner !== undefined && !members.has(kept.owner) ? { owner: next } : undefined;
    };
    await this.change(id, change);
  }

  #passOnIfLost(id: RoomId): void {
    if (this.ownerOf(id) === undefined) return;
    const passing = this.passOn(id)
      .catch(this.onError)
      .finally(() => this.#passing.delete(passing));
    this.#passing.add(passing);
  }

  async #ensure(name: string, since: Seq): Promise<void> {
    for (;;) {
      const writing = this.#writing.get(name);
      // What became of another's write is seen below; whether it failed is told to that one.
      if (writing) await writing.catch(() => undefined);
      else if (this.#records.has(name)) return;
      else
        await this.#write(name, async () => {
          try {
            await this.directory.put(PREFIX + name, { since }, null);
          } catch (error) {
            if (!(error instanceof Conflict)) throw error;
            this.#recordChanged({ key: PREFIX + name, record: await this.directory.get(PREFIX + name) });
          }
        });
    }
  }

  #forgetIfEmpty(name: string): void {
    const record = this.#records.get(name);
    if (!record || this.#rooms.has(name) || this.#entering.has(name) || this.#writing.has(name)) return;
    this.#write(name, () => this.directory.remove(PREFIX + name, record.revision)).catch((error: unknown) => {
      // Another process has taken it up again, or it is forgotten at the next start.
      if (!(error instanceof Conflict)) this.onError(error);
    });
  }

  #write(name: string, write: () => Promise<void>): Promise<void> {
    const writing = write().finally(() => this.#writing.delete(name));
    this.#writing.set(name, writing);
    return writing;
  }

  #recordChanged({ key, record }: RecordChange): void {
    const name = key.slice(PREFIX.length);
    if (record) {
      const before = this.#records.get(name);
      const kept = record.value as unknown as Kept;
      this.#records.set(name, { ...kept, revision: record.revision });
      if (!isPrivate(name)) return;
      this.#invitedChanged(name, before?.invited, kept.invited, before && kept.owner);
    } else {
      this.#invitedChanged(name, this.#records.get(name)?.invited, undefined, undefined);
      this.#records.delete(name);
    }
  }

  /** @param by who is to be named to those who are invited by this; undefined where nobody is told */
  #invitedChanged(
    id: RoomId,
    before: readonly ClientIndex[] = [],
    after: readonly ClientIndex[] = [],
    by: ClientIndex | undefined,
  ): void {
    for (const index of before) {
      const rooms = this.#invitations.get(index);
      if (!after.includes(index) && rooms?.delete(id) && rooms.size === 0) this.#invitations.delete(index);
    }
    for (const index of after) {
      if (before.includes(index)) continue;
      const rooms = this.#invitations.get(index) ?? new Set();
      this.#invitations.set(index, rooms.add(id));
      if (by !== undefined) this.onInvited(index, id, by);
    }
  }
}
