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

/** The clients, as presence needs them. */
export interface PresenceClients {
  /** All clients, as anybody may see them. */
  all(): Iterable<ClientInfo>;
  /** A client as anybody may see it; undefined when it is not there. */
  peek(index: ClientIndex): ClientInfo | undefined;
  /** The rooms of a client that a viewer sees; undefined where it sees those alone that anybody may see. */
  roomsFor(viewer: ClientIndex, index: ClientIndex): readonly string[] | undefined;
  /** Whether a client is in rooms that not everybody may see. */
  isInPrivateRoom(index: ClientIndex): boolean;
}

/** For so many milliseconds changes are collected: to connect and to enter rooms is one change to others. */
const COLLECT = 50;

/** The least time between two tellings of one client, in milliseconds. */
const CALM = 1_000;

/** Events that are told at once, about: of 100,000 clients that leave, no watcher gets more than the slow limit in one write. */
const AT_ONCE = 500;

interface Told {
  /** As the watchers know it. */
  readonly client: ClientInfo;
  readonly at: number;
}

/** What has changed about a client since it was told, also where that was undone: LIST may have shown it. */
class Touched {
  name = false;
  status = false;
  readonly rooms = new Set<string>();

  /** @param last the client as it was last; undefined where it was not there */
  constructor(public last: ClientInfo | undefined) {}

  /** @param client as it is now; undefined when it is not there */
  note(client: ClientInfo | undefined): void {
    const { last } = this;
    if (!client) return;
    this.name ||= client.name !== last?.name;
    this.status ||= client.status !== last?.status;
    for (const room of last?.rooms ?? []) if (!client.rooms.includes(room)) this.rooms.add(room);
    for (const room of client.rooms) if (!last?.rooms.includes(room)) this.rooms.add(room);
    this.last = client;
  }
}

/**
 * Publishes changes of clients to watchers, at most once a second of each client. What is told is the client as it is then: each kind
 * of change that happened since the last telling, also one that was undone meanwhile, because LIST may have shown what was
 * undone. So a watcher that puts what it is told over LIST has what LIST has. Events may repeat what a watcher knows.
 *
 * A change costs one encoding and one write to each watcher, however many changes there are at once. Without watchers nothing is kept.
 */
export class Presence {
  readonly #watchers = new Map<PresenceWatcher, ClientIndex>();
  readonly #told = new Map<ClientIndex, Told>();
  readonly #touched = new Map<ClientIndex, Touched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly clients: PresenceClients,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * Tells this watcher every change from now on. Of itself it is not told that it joined.
   * @param index the client it is
   * @returns a function that ends it
   */
  watch(watcher: PresenceWatcher, index: ClientIndex): () => void {
    if (this.#watchers.size === 0) {
      for (const client of this.clients.all()) this.#told.set(client.index, { client, at: -Infinity });
      this.#touched.clear();
    } else if (this.#touched.has(index)) {
      this.#tell([index]);
    }
    this.#watchers.set(watcher, index);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      this.#told.clear();
      this.stop();
    };
  }

  /** Something about this client has changed. To be called after each change, so that none is missed that is undone at once. */
  changed(index: ClientIndex): void {
    if (this.#watchers.size === 0) return;
    let touched = this.#touched.get(index);
    if (!touched) this.#touched.set(index, (touched = new Touched(this.#told.get(index)?.client)));
    touched.note(this.clients.peek(index));
    this.#timer ??= setTimeout(() => this.#tick(), COLLECT).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#touched.clear();
  }

  #tick(): void {
    this.#timer = undefined;
    this.#tell(this.#touched.keys());
    if (this.#touched.size > 0) this.#timer = setTimeout(() => this.#tick(), COLLECT).unref();
  }

  /** Tells of those of them that were not told of just now, and not of too many; the others stay for later. */
  #tell(indexes: Iterable<ClientIndex>): void {
    const now = this.now();
    const events: PresenceEvent[] = [];
    for (const index of indexes) {
      if (events.length >= AT_ONCE) break;
      const told = this.#told.get(index);
      if (told && told.at + CALM > now) continue;
      const touched = this.#touched.get(index);
      this.#touched.delete(index);
      const client = this.clients.peek(index);
      touched?.note(client);
      const changes = touched ? eventsOf(told?.client, touched, client) : [];
      if (changes.length === 0) continue;
      events.push(...changes);
      if (client) this.#told.set(index, { client, at: now });
      else this.#told.delete(index);
    }
    if (events.length === 0) return;
    const delivery = new PresenceDelivery(events);
    // Most clients are in no private room, and all watchers get the same of them.
    const differs = events.some(({ client }) => this.clients.isInPrivateRoom(client.index));
    for (const [watcher, viewer] of this.#watchers) {
      watcher.presence(differs ? this.#seenBy(viewer, delivery) : delivery);
    }
  }

  /** The same, with the private rooms that only some may see. */
  #seenBy(viewer: ClientIndex, delivery: PresenceDelivery): PresenceDelivery {
    let differs = false;
    const events = delivery.events.map((event) => {
      const rooms = this.clients.roomsFor(viewer, event.client.index);
      if (!rooms) return event;
      differs = true;
      return { ...event, client: { ...event.client, rooms } };
    });
    return differs ? new PresenceDelivery(events) : delivery;
  }
}

/** What to tell of a client, in an order in which a room never has a client that is not there. */
function eventsOf(
  told: ClientInfo | undefined,
  touched: Touched,
  client: ClientInfo | undefined,
): readonly PresenceEvent[] {
  const { last } = touched;
  const present = client ?? (last && { ...last, status: 'away', socket: null, streams: 0, rooms: [] });
  if (!present) return [];
  const events: PresenceEvent[] = [];
  const add = (change: PresenceChange, room?: string) => events.push({ change, client: present, room });
  const after = client?.rooms ?? [];
  if (client && !told) add('joined');
  else if (client && touched.name) add('renamed');
  // Of a client that is gone, `left` says as much of rooms in which it was for a moment.
  const before = client ? new Set([...(told?.rooms ?? []), ...touched.rooms]) : (told?.rooms ?? []);
  for (const room of before) if (!after.includes(room)) add('exited', room);
  for (const room of after) if (touched.rooms.has(room)) add('entered', room);
  if (!client) add('left');
  else if (told && touched.status) add(client.status === 'online' ? 'back' : 'away');
  return events;
}
