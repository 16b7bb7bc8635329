import { signal } from '@preact/signals';
import type { RoomInfo, RoomPage } from '../sdk/resources.js';
import type { Api } from './api.js';

/** The least time between two questions, in milliseconds: presence can change many times a second. */
const CALM = 1_000;

/** Which rooms there are. */
export class Rooms {
  readonly all = signal<ReadonlyMap<string, RoomInfo>>(new Map());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again = false;

  constructor(private readonly api: Api) {}

  async load(): Promise<void> {
    const { rooms } = await this.api.call<RoomPage>({ what: 'See which rooms there are', path: 'rooms?limit=1000' });
    this.all.value = new Map(rooms.map((room) => [room.name, room]));
  }

  /** Something has changed that may matter: asks again, soon and not too often. */
  changed(): void {
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
