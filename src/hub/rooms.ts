import { Conflict, type Directory, type RecordChange, type Revision, type Seq } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';

/** A room as others may see it. */
export interface RoomInfo {
  readonly name: string;
  readonly members: number;
  /** How many of them have a stream open. */
  readonly online: number;
}

export interface RoomPage {
  readonly rooms: RoomInfo[];
  readonly total: number;
  /** The `after` of the next page; null on the last one. */
  readonly next: string | null;
}

interface Room {
  readonly members: Set<ClientIndex>;
  online: number;
  /** Members in ascending order, made when somebody asks. */
  order: ClientIndex[] | undefined;
}

/** What the directory keeps of a room. */
interface RoomRecord {
  readonly since: Seq;
  readonly revision: Revision;
}

const PREFIX = 'room/';

/** A room in no hurry to be gone: somebody is about to enter it. */
type Release = () => void;

/**
 * Which rooms there are. Who is in them is in the records of the clients, and told to this by {@link Clients}; what the
 * directory keeps of a room itself is only since when it is there, so that its history does not show what was said in an
 * earlier room of the same name.
 */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  #names: string[] | undefined;
  readonly #records = new Map<string, RoomRecord>();
  /** How many are entering a room at this moment, and what of its record is being written. */
  readonly #entering = new Map<string, number>();
  readonly #writing = new Map<string, Promise<void>>();

  constructor(
    private readonly directory: Directory,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Begins to watch; resolves with what ends that. */
  open(): Promise<() => void> {
    return this.directory.watch(PREFIX, (change) => this.#recordChanged(change));
  }

  /** Forgets rooms that lost their last member when nobody could take note of it. */
  sweep(): void {
    for (const name of this.#records.keys()) this.#forgetIfEmpty(name);
  }

  get size(): number {
    return this.#rooms.size;
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

  get(name: string): RoomInfo | undefined {
    const room = this.#rooms.get(name);
    return room && { name, members: room.members.size, online: room.online };
  }

  /** Rooms by name, in the order of their characters' codes. */
  list({ after = '', limit }: { readonly after?: string; readonly limit: number }): RoomPage {
    this.#names ??= [...this.#rooms.keys()].sort();
    const names = this.#names;
    const begin = names.findIndex((name) => name > after);
    const page = begin < 0 ? [] : names.slice(begin, begin + limit);
    const rooms = page.flatMap((name) => this.get(name) ?? []);
    const more = begin >= 0 && begin + limit < names.length;
    return { rooms, total: names.length, next: more ? (page.at(-1) ?? null) : null };
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
      this.#names = undefined;
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
    if (room.members.size > 0) return;
    this.#rooms.delete(name);
    this.#names = undefined;
    this.#forgetIfEmpty(name);
  }

  /** A member has come online (1) or gone away (-1). */
  turned(name: string, by: number): void {
    const room = this.#rooms.get(name);
    if (room) room.online += by;
  }

  /**
   * Sees to it that these rooms have their records, durable when it resolves, and keep them until the function that it
   * gives back is called.
   * @param since the newest place in the log, for those that are new
   */
  async hold(names: readonly string[], since: Seq): Promise<Release> {
    for (const name of names) this.#entering.set(name, (this.#entering.get(name) ?? 0) + 1);
    const release = () => {
      for (const name of names) {
        const left = (this.#entering.get(name) ?? 1) - 1;
        if (left > 0) this.#entering.set(name, left);
        else this.#entering.delete(name);
        this.#forgetIfEmpty(name);
      }
    };
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
    if (!record) this.#records.delete(name);
    else this.#records.set(name, { since: (record.value as { since: Seq }).since, revision: record.revision });
  }
}
