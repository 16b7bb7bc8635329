import { signal } from '@preact/signals';
import type { ClientInfo, Page, Presence } from '../sdk/resources.js';
import type { Api } from './api.js';

/** At most so many are held: whoever is further down is asked for by name. */
const MOST = 10_000;

/** Who there is: LIST, kept up to date by presence. */
export class People {
  /** By index. A new map with each change, so that whoever shows it is told. */
  readonly all = signal<ReadonlyMap<number, ClientInfo>>(new Map());
  /** How many there are, of which not all may be held here. */
  readonly total = signal(0);
  /** What has changed while LIST is on its way; null stands for who has left. */
  #meanwhile: Map<number, ClientInfo | null> | undefined;
  #loading = 0;

  constructor(private readonly api: Api) {}

  /** Asks who there is. To be called after presence has begun to be told, so that nothing falls between. */
  async load(): Promise<void> {
    const round = ++this.#loading;
    const meanwhile = (this.#meanwhile = new Map<number, ClientInfo | null>());
    const found = new Map<number, ClientInfo>();
    let total = 0;
    for (let path: string | null = 'clients?limit=1000'; path !== null && found.size < MOST;) {
      const page: Page = await this.api.call<Page>({ what: 'LIST', path, asMe: true });
      if (round !== this.#loading) return;
      for (const client of page.clients) found.set(client.index, client);
      total = page.total;
      // A path from the root of the server, which may lie under one of somebody else's here.
      path = page.next === null ? null : page.next.replace(/^\//, '');
    }
    this.#meanwhile = undefined;
    for (const [index, client] of meanwhile) {
      if (client) found.set(index, client);
      else found.delete(index);
    }
    this.all.value = new Map([...found].sort(([one], [other]) => one - other));
    this.total.value = Math.max(total, found.size);
  }

  /** Takes changes that came together. */
  changed(changes: readonly Presence[]): void {
    if (changes.length === 0) return;
    const all = new Map(this.all.value);
    let more = 0;
    for (const presence of changes) {
      const { change } = presence;
      const rooms = roomsAfter(all.get(presence.client.index)?.rooms ?? [], presence);
      const client = { ...presence.client, rooms };
      this.#meanwhile?.set(client.index, change === 'left' ? null : client);
      if (change === 'joined' && !all.has(client.index)) more++;
      if (change === 'left') more--;
      if (change === 'left') all.delete(client.index);
      else all.set(client.index, client);
    }
    this.all.value = all;
    this.total.value = Math.max(this.total.value + more, all.size);
  }

  /** A private room is not there any more, to this client. */
  dropRoom(name: string): void {
    const without = (client: ClientInfo) =>
      client.rooms.includes(name) ? { ...client, rooms: client.rooms.filter((room) => room !== name) } : client;
    this.all.value = new Map([...this.all.value].map(([index, client]) => [index, without(client)]));
  }

  get(index: number): ClientInfo | undefined {
    return this.all.value.get(index);
  }
}

/**
 * The rooms of a client after a change. What is said of it to all names public rooms alone: it is in a private one, as those know
 * who are in it too, until it is said that it has left that.
 */
export function roomsAfter(before: readonly string[], { change, client, room }: Presence): readonly string[] {
  if (change === 'joined' || change === 'left') return client.rooms;
  const rooms = new Set([...before, ...client.rooms]);
  if (change === 'exited' && room !== undefined) rooms.delete(room);
  return [...rooms].sort();
}
