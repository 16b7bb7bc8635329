import type { ClientIndex } from './client-index.js';
import type { ClientInfo } from './clients.js';

export type PresenceChange = 'joined' | 'away' | 'back' | 'left' | 'renamed' | 'entered' | 'exited';

/** Something that others may see has changed: `client` as it is now, or as it was when it left. */
export interface PresenceEvent {
  readonly change: PresenceChange;
  readonly client: ClientInfo;
  /** Which one, where it was a room that was entered or exited. */
  readonly room?: string;
}

/** Changes on their way to all who asked for them. They share this one object, so that it is encoded once. */
export class PresenceDelivery {
  /** Room for the encodings of whoever writes streams, by format. */
  readonly frames: { sse?: Buffer; ndjson?: Buffer } = {};

  constructor(readonly events: readonly PresenceEvent[]) {}
}

export interface PresenceWatcher {
  presence(delivery: PresenceDelivery): void;
}

/** For so many milliseconds changes are collected: to connect and to enter rooms is one change to others. */
const COLLECT = 50;

/** The least time between two tellings of one client, in milliseconds. What happened in between is told as it is then. */
const CALM = 1_000;

interface Told {
  /** As the watchers know it. */
  readonly client: ClientInfo;
  readonly at: number;
}

/**
 * Tells whoever asks who comes and goes. It keeps what it told of each client, and tells what is different now, so each
 * change comes once, one that was undone meanwhile not at all, and a client that flaps is told once a second. A change
 * costs one encoding and one write to each watcher, however many changes there are at once. Without watchers it keeps nothing.
 */
export class Presence {
  readonly #watchers = new Set<PresenceWatcher>();
  readonly #told = new Map<ClientIndex, Told>();
  readonly #changed = new Set<ClientIndex>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param all who there is
   * @param peek one of them as it is now; undefined when it is not there
   */
  constructor(
    private readonly all: () => Iterable<ClientInfo>,
    private readonly peek: (index: ClientIndex) => ClientInfo | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * Tells this watcher every change from now on. Of itself it is not told that it joined.
   * @param index the client it is
   * @returns a function that ends it
   */
  watch(watcher: PresenceWatcher, index: ClientIndex): () => void {
    if (this.#watchers.size === 0) {
      for (const client of this.all()) this.#told.set(client.index, { client, at: -Infinity });
      this.#changed.clear();
    } else if (this.#changed.has(index)) {
      this.#tell([index]);
    }
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      this.#told.clear();
      this.stop();
    };
  }

  /** Something about this client may be different from now on. */
  changed(index: ClientIndex): void {
    if (this.#watchers.size === 0) return;
    this.#changed.add(index);
    this.#timer ??= setTimeout(() => this.#tick(), COLLECT).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed.clear();
  }

  #tick(): void {
    this.#timer = undefined;
    this.#tell([...this.#changed]);
    if (this.#changed.size > 0) this.#timer = setTimeout(() => this.#tick(), COLLECT).unref();
  }

  /** Tells of those of them that were not told of just now; the others stay for later. */
  #tell(indexes: readonly ClientIndex[]): void {
    const now = this.now();
    const events: PresenceEvent[] = [];
    for (const index of indexes) {
      const told = this.#told.get(index);
      if (told && told.at + CALM > now) continue;
      this.#changed.delete(index);
      const client = this.peek(index);
      const different = differences(told?.client, client);
      if (different.length === 0) continue;
      events.push(...different);
      if (client) this.#told.set(index, { client, at: now });
      else this.#told.delete(index);
    }
    if (events.length === 0) return;
    const delivery = new PresenceDelivery(events);
    for (const watcher of this.#watchers) watcher.presence(delivery);
  }
}

/** What makes of the client that was told the one that is: in an order in which a room never has somebody who is not there. */
function differences(told: ClientInfo | undefined, client: ClientInfo | undefined): PresenceEvent[] {
  const before = told?.rooms ?? [];
  const after = client?.rooms ?? [];
  const present = client ?? (told && { ...told, status: 'away', socket: null, streams: 0, rooms: [] });
  if (!present) return [];
  const events: PresenceEvent[] = [];
  const add = (change: PresenceChange, room?: string) => events.push({ change, client: present, room });
  if (!told) add('joined');
  else if (client && client.name !== told.name) add('renamed');
  for (const room of before) if (!after.includes(room)) add('exited', room);
  for (const room of after) if (!before.includes(room)) add('entered', room);
  if (!client) add('left');
  else if (told && told.status !== client.status) add(client.status === 'online' ? 'back' : 'away');
  return events;
}
