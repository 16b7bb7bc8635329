import type { Presence } from '../sdk/index.js';

/** What was told of a client. */
interface Told {
  status?: string;
  name?: string | null;
  /** Rooms, and whether the client is in them. */
  readonly rooms: Map<string, boolean>;
}

/**
 * Tells which presence events are news to a person. The server tells of a change also when it was undone within a second, for those who
 * keep a list; a person need not read "is back" of a client that was never said to be away.
 */
export class PresenceNews {
  readonly #told = new Map<number, Told>();

  /** @param since when the stream began, as the server has times: a client that joined and left since then unseen is no news */
  constructor(private readonly since: string) {}

  isNews({ change, client, room }: Presence): boolean {
    const known = this.#told.get(client.index);
    if (change === 'left') {
      this.#told.delete(client.index);
      return known !== undefined || client.connectedAt < this.since;
    }
    const told = known ?? { rooms: new Map<string, boolean>() };
    this.#told.set(client.index, told);
    if (change === 'entered' || change === 'exited') {
      if (room === undefined) return true;
      const isIn = change === 'entered';
      const isNews = told.rooms.get(room) !== isIn;
      told.rooms.set(room, isIn);
      return isNews;
    }
    const isNews = change === 'renamed' ? told.name !== client.name : told.status !== client.status;
    if (change === 'renamed' || change === 'joined') told.name = client.name;
    if (change !== 'renamed') told.status = client.status;
    return isNews;
  }
}
