import { Conflict, type Engine, type Json, type RecordChange, type Revision, type Seq } from '../engine/engine.js';
import { asClientIndex, type ClientIndex } from './client-index.js';
import type { Clients } from './clients.js';
import { InvalidRequest } from './errors.js';
import { isPrivate, nameOf, type RoomId } from './room-id.js';
import { EVERYONE, roomOf } from './topics.js';

/** How far a person has read: places in the log. Rooms are by the names the person knows them by. */
export interface ReadMarks {
  readonly mailbox?: Seq;
  readonly everyone?: Seq;
  readonly rooms?: ReadonlyMap<string, Seq>;
}

export interface Unread {
  readonly mailbox: number;
  readonly everyone: number;
  readonly rooms: ReadonlyMap<string, number>;
}

/** What the directory keeps. */
interface Kept {
  readonly mailbox?: Seq;
  readonly everyone?: Seq;
  readonly rooms: readonly (readonly [room: RoomId, read: Seq])[];
}

const PREFIX = 'read/';
const NOTHING: Kept = { rooms: [] };

/** How far each client has read, on whatever device: kept for it, and nobody else's business. */
export class ReadUpTo {
  /** Clients that have marks, and were not there when these were read. */
  readonly #leftOver: ClientIndex[] = [];

  private constructor(
    private readonly engine: Engine,
    private readonly clients: Clients,
    private readonly changed: (index: ClientIndex) => void,
  ) {}

  /** @param changed told of each client that has read further, wherever it said so */
  static async open(
    engine: Engine,
    clients: Clients,
    changed: (index: ClientIndex) => void,
  ): Promise<{ readUpTo: ReadUpTo; stop: () => void }> {
    const readUpTo = new ReadUpTo(engine, clients, changed);
    let open = false;
    const stop = await engine.directory.watch(PREFIX, (change) =>
      open ? readUpTo.#recordChanged(change) : readUpTo.#found(change),
    );
    open = true;
    return { readUpTo, stop };
  }

  /** Clients whose marks were there at the start, though they were not. */
  leftOver(): readonly ClientIndex[] {
    return this.#leftOver.splice(0);
  }

  async get(index: ClientIndex): Promise<ReadMarks> {
    const { kept } = await this.#load(index);
    const rooms = new Map<string, Seq>();
    for (const [room, mark] of kept.rooms) {
      // Of a private room that it is not in any more not even the name is told.
      if (!isPrivate(room) || this.clients.isMember(index, room)) rooms.set(nameOf(room), mark);
    }
    return { mailbox: kept.mailbox, everyone: kept.everyone, rooms };
  }

  /** Counts what is behind the marks, of what the client may read. */
  async unread(index: ClientIndex, { mailbox, everyone, rooms }: ReadMarks): Promise<Unread> {
    const { log } = this.engine;
    const counts = { mailbox: 0, everyone: 0, rooms: new Map<string, number>() };
    for (const { topic, from, to } of this.clients.scopeOf(index).windows) {
      if (to !== null) continue;
      const id = roomOf(topic);
      const room = id === undefined ? undefined : nameOf(id);
      const mark = room !== undefined ? rooms?.get(room) : topic === EVERYONE ? everyone : mailbox;
      const count = await log.count(topic, Math.max(from, mark ?? 0) as Seq);
      if (room !== undefined) counts.rooms.set(room, count);
      else if (topic === EVERYONE) counts.everyone = count;
      else counts.mailbox = count;
    }
    return counts;
  }

  /**
   * Moves marks on, never back, and never behind what there is. Durable when it resolves.
   * @throws InvalidRequest for a room it is not in, EngineUnavailable
   */
  async advance(index: ClientIndex, marks: ReadMarks): Promise<void> {
    const named = new Map<RoomId, Seq>();
    for (const [name, mark] of marks.rooms ?? []) {
      const room = this.clients.roomNamed(name, index);
      if (!this.clients.isMember(index, room)) {
        throw new InvalidRequest(`rooms.${name}`, `client ${index} is not in this room`);
      }
      named.set(room, mark);
    }
    const last = await this.engine.log.last();
    for (;;) {
      const { kept, revision } = await this.#load(index);
      const rooms = new Map(kept.rooms.filter(([room]) => this.clients.isMember(index, room)));
      for (const [room, mark] of named) rooms.set(room, further(rooms.get(room), mark, last));
      const next: Kept = {
        mailbox: marks.mailbox === undefined ? kept.mailbox : further(kept.mailbox, marks.mailbox, last),
        everyone: marks.everyone === undefined ? kept.everyone : further(kept.everyone, marks.everyone, last),
        rooms: [...rooms],
      };
      if (JSON.stringify(next) === JSON.stringify(kept)) return;
      try {
        await this.engine.directory.put(PREFIX + index, next as unknown as Json, revision);
        // It left meanwhile: what it had was removed before this was written.
        if (!this.clients.has(index)) await this.forget(index);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  /** The client has left. */
  async forget(index: ClientIndex): Promise<void> {
    if (await this.engine.directory.get(PREFIX + index)) await this.engine.directory.remove(PREFIX + index);
  }

  async #load(index: ClientIndex): Promise<{ kept: Kept; revision: Revision | null }> {
    const record = await this.engine.directory.get(PREFIX + index);
    return record
      ? { kept: record.value as unknown as Kept, revision: record.revision }
      : { kept: NOTHING, revision: null };
  }

  #found({ key }: RecordChange): void {
    const index = asClientIndex(Number(key.slice(PREFIX.length)));
    if (index !== undefined && !this.clients.has(index)) this.#leftOver.push(index);
  }

  #recordChanged({ key, record }: RecordChange): void {
    const index = asClientIndex(Number(key.slice(PREFIX.length)));
    if (record && index !== undefined) this.changed(index);
  }
}

function further(before: Seq | undefined, mark: Seq, last: Seq): Seq {
  return Math.max(before ?? 0, Math.min(mark, last)) as Seq;
}
