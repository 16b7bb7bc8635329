import { DiscardPolicy, type JetStreamApiError, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { EngineUnavailable } from '../engine.js';
import { VOID } from './importing.js';
import { asked, type Link } from './link.js';
import type { Names } from './names.js';
import { headersOf, type Publisher } from './publisher.js';
import { encodeHeaders } from './record.js';
import { StorageFull } from './storage-full.js';

export interface StorageReserveParts {
  readonly link: Link;
  readonly names: Names;
  readonly publisher: Publisher;
  readonly leases: { readonly node: string; readonly isFirst: boolean; others(): string[] };
}

/** Bytes of the reserve: some 5,000 removal markers. */
const RESERVE = 1024 * 1024;

/** Bytes of one message of the reserve, where the servers take as many. */
const CHUNK = 256 * 1024;

/** Bytes of the message that tests whether the log takes messages again. */
const PROBE = 32 * 1024;

/** Between two tests whether there is room again, in milliseconds; a refusal makes the leader of a replicated stream step down. */
const PROBE_EVERY = 1_000;
const PROBE_REPLICATED_EVERY = 3_000;

/** After this many milliseconds without word from the node that tests for all, a node tests for itself. */
const SILENCE = 10_000;

/** How often an essential write is tried, and between two attempts, in milliseconds. */
const ATTEMPTS = 4;
const TRY_AGAIN = 50;

/** How long another node may take to answer its writes under way, in milliseconds. */
const ANSWERED_WITHIN = 1_000;

const NOT_FOUND = 10_059;

/**
 * Storage in JetStream that InterChat gives up when there is no more: a stream of messages without content.
 *
 * Leaving, expiry and trimming free storage, but each first has to write: a marker of a removal, a floor. These writes are
 * essential; everything else is refused from the first refusal by JetStream on, on all nodes, so that it cannot use up what
 * the reserve leaves. The first node fills the reserve again when there is room; when that and a write to the log succeed, all
 * nodes take messages again.
 */
export class StorageReserve {
  /** Frees storage without a write: called before an essential write is tried again. */
  freeing: (() => Promise<void>) | undefined;
  #trouble: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  #replicas = 1;
  #hasStream = false;
  #closed = false;
  #makingRoom: Promise<void> | undefined;
  /** Essential writes that wait for room: as long as there are any, the reserve stays empty. */
  #waiting = 0;
  /** When the first node told last that storage is full (performance.now). */
  #told = -Infinity;

  constructor(
    private readonly parts: StorageReserveParts,
    private readonly onError: (error: Error) => void = () => undefined,
  ) {
    parts.publisher.onFull = (error) => this.#full(error.message, true);
  }

  /** Null while JetStream takes writes; otherwise why not and what to do, for an operator. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** @throws EngineUnavailable while storage is full */
  assertRoom(): void {
    if (this.#trouble !== null) throw new EngineUnavailable(this.#trouble);
  }

  /**
   * Makes the stream of the reserve, where there is none. Without one, such as where the account may have no more streams, the
   * engine works, but a full store has to be given room by its operator.
   * @returns why there is no reserve
   */
  async open(replicas: number): Promise<string | undefined> {
    const { link, names, leases } = this.parts;
    this.#replicas = replicas;
    link.nc.subscribe(names.full, {
      callback: (error, message) => {
        if (error) return;
        const { node, trouble } = message.json<{ node: string; trouble: string | null }>();
        if (node === leases.node) return;
        this.#told = performance.now();
        if (trouble === null) this.#roomAgain();
        else this.#full(trouble, false);
      },
    });
    link.nc.subscribe(names.node(leases.node, 'full'), {
      callback: (error, message) => {
        if (error) return;
        this.#full(message.string(), false);
        this.parts.publisher.answered().then(
          () => message.respond(),
          () => undefined,
        );
      },
    });
    try {
      await this.#ensureStream(replicas);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  }

  /** Fills what is missing of the reserve. Where there is no room for it, storage is full. */
  async fill(): Promise<void> {
    if (!this.#hasStream) return;
    const { link, names, publisher, leases } = this.parts;
    try {
      const chunks = chunksOf(link);
      await this.#fill(chunks);
      if (link.isFrom(2, 10)) return;
      // With servers of version 2.9 it has to be known before the first trimming: see purge in log.ts.
      const seq = await publisher.publish(names.reserveSubject(`extra-${leases.node}`), chunks.body);
      await link.jsm.streams.deleteMessage(names.reserve, seq, false);
    } catch {
      // Why not is in the health of the engine; the next test fills it.
    }
  }

  /**
   * Makes a write that has to succeed on full storage, as it is needed to free some, or to start: gives up the reserve for it.
   * @param write is called again after it was refused for lack of room
   * @throws StorageFull when there is still no room, and what `write` throws
   */
  async essential<Result>(write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error;
    }
    this.#waiting++;
    try {
      for (let attempt = 1; ; attempt++) {
        await (this.#makingRoom ??= this.#makeRoom().finally(() => (this.#makingRoom = undefined)));
        try {
          return await write();
        } catch (error) {
          if (!(error instanceof StorageFull) || attempt >= ATTEMPTS) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN * attempt));
      }
    } finally {
      this.#waiting--;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.parts.publisher.onFull = undefined;
  }

  /** @param mine whether this node was refused, so that the others have to be told */
  #full(trouble: string, mine: boolean): void {
    if (this.#closed) return;
    const isNew = this.#trouble === null;
    this.#trouble = trouble;
    if (mine && isNew) this.#tell(trouble);
    if (!isNew) return;
    this.onError(new Error(`Messages are refused: ${trouble}.`));
    this.#later();
  }

  #roomAgain(): void {
    this.#trouble = null;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(trouble: string | null): void {
    const { link, names, leases } = this.parts;
    if (link.isConnected) link.nc.publish(names.full, JSON.stringify({ node: leases.node, trouble }));
  }

  #later(): void {
    clearTimeout(this.#timer);
    const every = this.#replicas > 1 ? PROBE_REPLICATED_EVERY : PROBE_EVERY;
    this.#timer = setTimeout(() => void this.#probe(), every).unref();
  }

  async #probe(): Promise<void> {
    const { link, leases } = this.parts;
    const isUp = link.trouble === null && this.#waiting === 0;
    if (isUp && (leases.isFirst || performance.now() - this.#told > SILENCE)) {
      try {
        await this.#tryRoom();
        this.#roomAgain();
        this.#tell(null);
      } catch {
        this.#tell(this.#trouble);
      }
    }
    if (!this.#closed && this.#trouble !== null) this.#later();
  }

  /** Fills the reserve and writes to the log, then removes what was written beyond that. @throws EngineUnavailable */
  async #tryRoom(): Promise<void> {
    const { link, names, publisher } = this.parts;
    const { jsm } = link;
    const chunks = chunksOf(link);
    const extra = names.reserveSubject(`extra-${this.parts.leases.node}`);
    const before = this.#hasStream ? await this.#fill(chunks) : 0;
    let extraAt: number | undefined;
    try {
      // One more than the reserve, so that not the very next message is refused again.
      if (this.#hasStream) extraAt = await publisher.publish(extra, chunks.body);
      // The log may have a limit of its own. What is purged of a part of a stream servers of version 2.9 go on counting.
      const body = link.isFrom(2, 10) ? chunks.body.subarray(0, PROBE) : NOTHING;
      const headers = encodeHeaders({ topic: VOID, body, expiresAt: 0 }, Date.now());
      await publisher.publish(names.subject(VOID), body, headers);
    } catch (error) {
      // Essential writes need what little there is more than an incomplete reserve does.
      if (before < chunks.count) await this.#purge().catch(() => undefined);
      throw error;
    } finally {
      if (extraAt !== undefined) await jsm.streams.deleteMessage(names.reserve, extraAt, false).catch(() => undefined);
      await jsm.streams.purge(names.log, { filter: names.subject(VOID) }).catch(() => undefined);
    }
  }

  /** @returns how many messages of the reserve were there already @throws EngineUnavailable */
  async #fill({ count, body }: Chunks): Promise<number> {
    const { link, names, publisher } = this.parts;
    const filter = names.reserveSubject('*');
    const { state } = await asked(link.jsm.streams.info(names.reserve, { subjects_filter: filter }));
    const there = new Set(Object.keys(state.subjects ?? {}));
    const subjects = Array.from({ length: count }, (_, number) => names.reserveSubject(String(number)));
    const missing = subjects.filter((subject) => !there.has(subject));
    try {
      for (const subject of missing) await publisher.publish(subject, body, headersOf({}));
    } catch (error) {
      if (error instanceof StorageFull) await this.#purge().catch(() => undefined);
      throw error;
    }
    return count - missing.length;
  }

  /** Gives up the reserve, once nothing is under way any more that would take its room. */
  async #makeRoom(): Promise<void> {
    const { link, names, publisher, leases } = this.parts;
    await publisher.answered();
    const stop = (node: string) =>
      link.nc.request(names.node(node, 'full'), this.#trouble ?? '', { timeout: ANSWERED_WITHIN });
    // A node that does not answer is dead, or will be refused itself.
    await Promise.allSettled(leases.others().map(stop));
    await this.#purge().catch(() => undefined);
    await this.freeing?.();
  }

  async #purge(): Promise<void> {
    const { link, names } = this.parts;
    // All of the stream: then its files go too, which a full disk needs.
    await asked(link.jsm.streams.purge(names.reserve));
  }

  async #ensureStream(replicas: number): Promise<void> {
    const { jsm } = this.parts.link;
    const { reserve } = this.parts.names;
    const there = await jsm.streams.info(reserve).catch((error: JetStreamApiError) => {
      if (error.code !== NOT_FOUND) throw error;
    });
    if (!there) {
      await jsm.streams.add({
        name: reserve,
        description: 'Storage that InterChat gives up when there is no more',
        subjects: [this.parts.names.reserveSubject('*')],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.New,
        num_replicas: replicas,
        max_msgs_per_subject: 1,
      });
    } else if (there.config.num_replicas < replicas) {
      await jsm.streams.update(reserve, { num_replicas: replicas });
    }
    this.#hasStream = true;
  }
}

const NOTHING = new Uint8Array();

interface Chunks {
  readonly count: number;
  readonly body: Uint8Array;
}

function chunksOf({ maxPayload }: Link): Chunks {
  const size = Math.min(CHUNK, Math.floor(maxPayload / 2));
  return { count: Math.ceil(RESERVE / size), body: new Uint8Array(size) };
}
