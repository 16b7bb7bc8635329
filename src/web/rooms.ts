import { signal } from '@preact/signals';
import type { RoomInfo, RoomPage } from '../sdk/resources.js';
import type { Api } from './api.js';

/** The least time between two questions, in milliseconds: presence can change many times a second. */
const CALM = 1_000;

/** A room, and whose it is where it is a private one. */
export interface Room extends RoomInfo {
  readonly private?: true;
  readonly owner?: number;
}

/** Which rooms there are, to this client. */
export class Rooms {
  readonly all = signal<ReadonlyMap<string, Room>>(new Map());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again = false;
  #closed = false;

  constructor(private readonly api: Api) {}

  async load(): Promise<void> {
    const call = { what: 'See which rooms there are', path: 'rooms?limit=1000', asMe: true };
    const { rooms } = await this.api.call<RoomPage>(call);
    this.all.value = new Map(rooms.map((room) => [room.name, room]));
  }

  isPrivate(name: string): boolean {
    return this.all.value.get(name)?.private ?? false;
  }

  /** Takes what was said of one room. */
  put(room: Room): void {
    this.all.value = new Map(this.all.value).set(room.name, room);
  }

  /** A room is not there any more, to this client. */
  drop(name: string): void {
    const all = new Map(this.all.value);
    if (all.delete(name)) this.all.value = all;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Something has changed that may matter: asks again, soon and not too often. */
  changed(): void {
    if (this.#closed) return;
    if (this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    // What it fails for, a lost connection, has the rooms loaded again once it is back.
    void this.load().catch(() => undefined);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#again) {
        this.#again = false;
        this.changed();
      }
    }, CALM);
  }
}
