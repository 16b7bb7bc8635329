import { EngineUnavailable, EngineUnusable } from '../engine.js';
import type { NatsAddress } from './address.js';
import { Bucket } from './bucket.js';
import { Floors } from './floors.js';
import { NatsLeases } from './leases.js';
import { Link } from './link.js';
import { isSegmentedFrom } from './log-description.js';
import { LogPlaces } from './log-places.js';
import { Names } from './names.js';
import { notedNodes, Nodes } from './nodes.js';
import { Publisher } from './publisher.js';
import { Reads } from './reads.js';
import { StorageReserve } from './storage-reserve.js';
import { StreamState } from './stream-state.js';

/** For how many milliseconds servers are waited for: whoever moves something has started them before. */
const PATIENCE = 5_000;

/** Connects to the servers. @throws EngineUnusable */
export function openIdleLink(address: NatsAddress): Promise<Link> {
  return Link.open(address, PATIENCE, () => undefined);
}

/**
 * What an InterChat keeps in NATS while none of its nodes runs. Whoever has it open is a node for the others, so that of two
 * who would do this at once the second is refused.
 */
export class IdleStore {
  readonly names: Names;
  readonly places = new LogPlaces();
  readonly publisher: Publisher;
  readonly reads: Reads;
  readonly state: StreamState;
  readonly bucket: Bucket;
  readonly floors: Floors;
  readonly #leases: NatsLeases;
  readonly #nodes: Nodes;
  readonly #reserve: StorageReserve;

  private constructor(
    readonly link: Link,
    address: NatsAddress,
  ) {
    this.names = new Names(address.name);
    this.publisher = new Publisher(link);
    this.reads = new Reads(link, this.names.log, this.places);
    this.state = new StreamState(link, this.names.log, undefined, this.places);
    const bucketState = new StreamState(link, this.names.bucketStream);
    this.#leases = new NatsLeases(link, this.names, () => notedNodes(this.bucket));
    const { names, publisher, reads } = this;
    this.#reserve = new StorageReserve({ link, names, publisher, leases: this.#leases });
    this.bucket = new Bucket(link, names, publisher, reads, bucketState, this.#reserve);
    this.floors = new Floors(this.bucket);
    this.#nodes = new Nodes(link, this.names, this.bucket, this.#leases);
  }

  /**
   * Opens streams that are there.
   * @param alone whether no node may run; otherwise nothing may be written
   * @throws EngineUnusable when nodes run though none may; the link stays open then
   */
  static async open(link: Link, address: NatsAddress, alone = true): Promise<IdleStore> {
    const store = new IdleStore(link, address);
    try {
      await store.bucket.open();
      await store.places.load(store.bucket);
      store.places.assertKnown(isSegmentedFrom((await store.state.info()).config.description));
      if (!alone) return store;
      await store.#nodes.join();
      if (store.#leases.others().length === 0) return store;
      throw new EngineUnusable(
        `Another InterChat uses ${address.name} in NATS at ${address.servers.join(', ')}. Stop all its nodes first.`,
      );
    } catch (error) {
      await store.close();
      throw unusable(address, error);
    }
  }

  /** The link stays open. */
  async close(): Promise<void> {
    await this.#nodes.leave();
    await this.publisher.idle();
    this.#reserve.close();
    this.bucket.close();
    this.publisher.close();
  }
}

/** What a failure to open something is for whoever wanted it. */
export function unusable(address: NatsAddress, error: unknown): unknown {
  if (!(error instanceof EngineUnavailable)) return error;
  return new EngineUnusable(`NATS at ${address.servers.join(', ')} does not answer: ${error.message}.`, {
    cause: error,
  });
}
