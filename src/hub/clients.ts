import {
  Conflict,
  type Directory,
  type Engine,
  type Holding,
  type Json,
  type RecordChange,
  type Revision,
} from '../engine/engine.js';
import { asClientIndex, type ClientIndex } from './client-index.js';
import { ClientGone, NoSuchClient, TooManyStreams } from './errors.js';
import { Grace } from './grace.js';

/** A client as others may see it. Times are milliseconds since 1970. */
export interface ClientInfo {
  readonly index: ClientIndex;
  readonly name: string | null;
  readonly status: Status;
  /** The number of its newest open stream; null while it is away. */
  readonly socket: number | null;
  /** How many streams it has open. */
  readonly streams: number;
  readonly connectedAt: number;
  /** When it was last known to be there; for one that is online, now. */
  readonly lastSeenAt: number;
  readonly rooms: readonly string[];
}

export type Status = 'online' | 'away';

export interface ListQuery {
  readonly status?: Status;
  /** Only those with exactly this name. */
  readonly name?: string;
  /** Only those with a higher index. */
  readonly after?: number;
  readonly limit: number;
}

export interface ClientPage {
  readonly clients: ClientInfo[];
  /** How many there are that match, on all pages. */
  readonly total: number;
  /** The `after` of the next page; null on the last one. */
  readonly next: ClientIndex | null;
}

export interface ClientsOptions {
  /** For how many milliseconds a client may be away before it has left. */
  readonly grace: number;
  readonly maxStreams: number;
  /** Told of each client that is no longer there, once its record is gone. */
  readonly onLeft: (index: ClientIndex, local: boolean) => void;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError: (error: unknown) => void;
  readonly now: () => number;
}

/** What one process holds of a client: the lease `client/INDEX`. */
interface Held {
  readonly node: string;
  readonly streams: number;
  readonly socket: number;
}

/** What is known here of a client: a copy of its record, and of what all processes hold of it. */
interface Known {
  readonly index: ClientIndex;
  name: string | null;
  connectedAt: number;
  lastSeenAt: number;
  revision: Revision;
  held: Held[];
  /** The numbers of the streams open in this process, newest last. */
  readonly sockets: number[];
  /** How many of its requests wait for a message here: it is not gone as long as one does. */
  waiting: number;
  leaving: boolean;
}

const SERIES = 'client';
const PREFIX = 'client/';

/** As in the program this grew from, where 0, 1 and 2 were the terminal and the first connection was socket 3. */
const FIRST_SOCKET = 3;

/**
 * Who there is: every client, by index, with its streams. The directory and the leases of the engine are the truth; this is
 * each process's copy of it, kept by watching them, so that LIST and SEND look nothing up elsewhere.
 */
export class Clients {
  readonly #known = new Map<ClientIndex, Known>();
  /** All indexes in ascending order, with some among them that are no longer known: see #indexes. */
  #order: ClientIndex[] = [];
  #sorted = true;
  readonly #grace: Grace;
  #nextSocket = FIRST_SOCKET;
  #stop: (() => void)[] = [];

  private constructor(
    private readonly engine: Engine,
    private readonly options: ClientsOptions,
  ) {
    this.#grace = new Grace(options.grace, (index) => void this.#expire(index), options.now);
  }

  /** Takes over whoever is in the directory; those without a stream get a fresh grace time. */
  static async open(engine: Engine, options: ClientsOptions): Promise<Clients> {
    const clients = new Clients(engine, options);
    const { directory, leases } = engine;
    clients.#stop.push(await directory.watch(PREFIX, (change) => clients.#recordChanged(change)));
    clients.#stop.push(await leases.watch((holding) => clients.#holdingChanged(holding)));
    return clients;
  }

  get size(): number {
    return this.#known.size;
  }

  /** How many have a stream open. */
  get online(): number {
    let online = 0;
    for (const known of this.#known.values()) if (known.held.length > 0) online++;
    return online;
  }

  /** Whether it is there to stay: one that is on its way out is still listed, but must not be let in again. */
  isStaying(index: ClientIndex): boolean {
    return this.#known.get(index)?.leaving === false;
  }

  isOnline(index: ClientIndex): boolean {
    return (this.#known.get(index)?.held.length ?? 0) > 0;
  }

  nameOf(index: ClientIndex): string | null {
    return this.#known.get(index)?.name ?? null;
  }

  /** @throws NoSuchClient, ClientGone */
  async get(index: ClientIndex): Promise<ClientInfo> {
    return this.#info(await this.#find(index));
  }

  /** @throws NoSuchClient, ClientGone */
  async assertThere(index: ClientIndex): Promise<void> {
    if (!this.#known.has(index)) await this.#find(index);
  }

  list({ status, name, after = 0, limit }: ListQuery): ClientPage {
    const indexes = this.#indexes();
    const clients: ClientInfo[] = [];
    let total = 0;
    let next: ClientIndex | null = null;
    const filtered = status !== undefined || name !== undefined;
    for (let i = filtered ? 0 : firstAbove(indexes, after); i < indexes.length; i++) {
      const known = this.#known.get(indexes[i] as ClientIndex);
      if (!known || (name !== undefined && known.name !== name)) continue;
      if (status !== undefined && statusOf(known) !== status) continue;
      total++;
      if (known.index <= after) continue;
      if (clients.length < limit) clients.push(this.#info(known));
      else {
        next = clients.at(-1)?.index ?? null;
        if (!filtered) break;
      }
    }
    return { clients, total: filtered ? total : this.#known.size, next };
  }

  /** Makes a client, durable when it resolves. Its grace time runs until it opens a stream. */
  async join(name: string | null): Promise<ClientInfo> {
    const index = asClientIndex(await this.engine.directory.allocate(SERIES));
    if (index === undefined) throw new Error('the engine allocated something that is no index');
    const now = this.options.now();
    await this.engine.directory.put(keyOf(index), { name, connectedAt: now, lastSeenAt: now }, null);
    return this.get(index);
  }

  /** @throws NoSuchClient, ClientGone */
  async rename(index: ClientIndex, name: string): Promise<ClientInfo> {
    await this.#update(index, (known) => (known.name = name));
    return this.get(index);
  }

  /** @throws NoSuchClient, ClientGone */
  async leave(index: ClientIndex): Promise<void> {
    const known = await this.#find(index);
    if (known.leaving) throw new ClientGone(index);
    known.leaving = true;
    try {
      await this.engine.directory.remove(keyOf(index));
    } catch (error) {
      known.leaving = false;
      throw error;
    }
  }

  /**
   * Counts a stream of this client; answers with its socket number.
   * @throws NoSuchClient, ClientGone, TooManyStreams
   */
  async streamOpened(index: ClientIndex): Promise<number> {
    const known = await this.#find(index);
    const elsewhere = streamsOf(known.held.filter(({ node }) => node !== this.engine.leases.node));
    if (known.sockets.length + elsewhere >= this.options.maxStreams) throw new TooManyStreams(this.options.maxStreams);
    const socket = this.#nextSocket++;
    known.sockets.push(socket);
    try {
      await this.#hold(known);
    } catch (error) {
      this.streamClosed(index, socket);
      throw error;
    }
    return socket;
  }

  /** The stream with this number is no more; the last one that closes makes its client away. */
  streamClosed(index: ClientIndex, socket: number): void {
    const known = this.#known.get(index);
    if (!known) return;
    const at = known.sockets.lastIndexOf(socket);
    if (at < 0) return;
    known.sockets.splice(at, 1);
    known.lastSeenAt = this.options.now();
    this.#hold(known).catch(this.options.onError);
    if (known.sockets.length > 0 || known.leaving) return;
    this.#update(index, () => undefined).catch((error: unknown) => {
      // Only its "last seen" is lost. Whether the engine works is told by those who wait for it.
      if (!(error instanceof ClientGone)) this.options.onError(error);
    });
  }

  /** It has shown itself by other means than a stream: its grace time begins anew. */
  seen(index: ClientIndex): void {
    const known = this.#known.get(index);
    if (!known) return;
    known.lastSeenAt = this.options.now();
    if (this.#grace.has(index)) this.#grace.begin(index);
  }

  /** A request of it waits until the function that this gives back is called; its grace time begins anew then. */
  waits(index: ClientIndex): () => void {
    const known = this.#known.get(index);
    if (known) known.waiting++;
    return () => {
      if (known) known.waiting--;
      this.seen(index);
    };
  }

  /** From now on nobody's absence counts: the server is stopping, and it is not the clients who left. */
  suspend(): void {
    this.#grace.stop();
  }

  close(): void {
    this.#grace.stop();
    for (const stop of this.#stop.splice(0)) stop();
  }

  async #find(index: ClientIndex): Promise<Known> {
    const known = this.#known.get(index);
    if (known) return known;
    if (index <= (await this.engine.directory.allocated(SERIES))) throw new ClientGone(index);
    throw new NoSuchClient(index);
  }

  /** Changes a record, whoever else changes it meanwhile. */
  async #update(index: ClientIndex, change: (known: Known) => void): Promise<void> {
    for (;;) {
      const known = await this.#find(index);
      const draft = { ...known };
      change(draft);
      try {
        await this.engine.directory.put(keyOf(index), recordOf(draft), known.revision);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
        await this.#refresh(index, this.engine.directory);
      }
    }
  }

  /** The copy was behind: it would be brought up to date by the watch, but this cannot wait for it. */
  async #refresh(index: ClientIndex, directory: Directory): Promise<void> {
    const record = await directory.get(keyOf(index));
    this.#recordChanged({ key: keyOf(index), record });
  }

  #hold(known: Known): Promise<void> {
    const socket = known.sockets.at(-1);
    return socket === undefined
      ? this.engine.leases.release(keyOf(known.index))
      : this.engine.leases.hold(keyOf(known.index), { streams: known.sockets.length, socket });
  }

  async #expire(index: ClientIndex): Promise<void> {
    const known = this.#known.get(index);
    if (!known || known.leaving || known.held.length > 0 || known.sockets.length > 0) return;
    if (known.waiting > 0) return this.#grace.begin(index);
    try {
      await this.leave(index);
    } catch (error) {
      if (error instanceof ClientGone) return;
      this.options.onError(error);
      this.#grace.begin(index);
    }
  }

  #recordChanged({ key, record }: RecordChange): void {
    const index = asClientIndex(Number(key.slice(PREFIX.length)));
    if (index === undefined) return;
    const known = this.#known.get(index);
    if (!record) {
      if (!known) return;
      this.#grace.end(index);
      this.#known.delete(index);
      this.options.onLeft(index, known.sockets.length > 0);
      return;
    }
    const fields = readRecord(record.value);
    if (known) {
      Object.assign(known, fields, { revision: record.revision });
      return;
    }
    this.#known.set(index, {
      index,
      ...fields,
      revision: record.revision,
      held: [],
      sockets: [],
      waiting: 0,
      leaving: false,
    });
    this.#sorted &&= index > (this.#order.at(-1) ?? 0);
    this.#order.push(index);
    this.#grace.begin(index);
  }

  #holdingChanged({ node, key, value }: Holding): void {
    if (!key.startsWith(PREFIX)) return;
    const known = this.#known.get(Number(key.slice(PREFIX.length)) as ClientIndex);
    if (!known) return;
    const held = known.held.filter((other) => other.node !== node);
    if (value !== undefined) held.push({ node, ...readHeld(value) });
    known.held = held;
    if (held.length > 0) this.#grace.end(known.index);
    else if (!known.leaving) this.#grace.begin(known.index);
  }

  /** All indexes in ascending order. Those that left are taken out when they are half of it: one by one would be quadratic. */
  #indexes(): readonly ClientIndex[] {
    if (!this.#sorted) this.#order.sort((a, b) => a - b);
    this.#sorted = true;
    if (this.#order.length > 2 * this.#known.size) this.#order = this.#order.filter((index) => this.#known.has(index));
    return this.#order;
  }

  #info(known: Known): ClientInfo {
    const online = known.held.length > 0;
    return {
      index: known.index,
      name: known.name,
      status: statusOf(known),
      socket: online ? Math.max(...known.held.map(({ socket }) => socket)) : null,
      streams: streamsOf(known.held),
      connectedAt: known.connectedAt,
      lastSeenAt: online ? this.options.now() : known.lastSeenAt,
      rooms: [],
    };
  }
}

function statusOf(known: Known): Status {
  return known.held.length > 0 ? 'online' : 'away';
}

function streamsOf(held: readonly Held[]): number {
  let streams = 0;
  for (const part of held) streams += part.streams;
  return streams;
}

function keyOf(index: ClientIndex): string {
  return `${PREFIX}${index}`;
}

function recordOf({ name, connectedAt, lastSeenAt }: Known): Json {
  return { name, connectedAt, lastSeenAt };
}

/** The boundary to what the directory keeps: records are written by {@link recordOf} alone. */
function readRecord(value: Json): Pick<Known, 'name' | 'connectedAt' | 'lastSeenAt'> {
  return value as unknown as Pick<Known, 'name' | 'connectedAt' | 'lastSeenAt'>;
}

function readHeld(value: Json): Omit<Held, 'node'> {
  return value as unknown as Omit<Held, 'node'>;
}

/** The position of the first index above `after`, by bisection. */
function firstAbove(indexes: readonly ClientIndex[], after: number): number {
  let low = 0;
  let high = indexes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((indexes[middle] as number) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
