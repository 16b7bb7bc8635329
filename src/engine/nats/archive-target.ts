import {
  type ArchivedEntry,
  type ArchivedFloor,
  type ArchivedRecord,
  type ArchiveSummary,
  type ArchiveTarget,
  ArchiveUnusable,
} from '../archive.js';
import type { Json, Restoration, Seq } from '../engine.js';
import { restored } from '../restoration.js';
import { type NatsAddress, replicasFor } from './address.js';
import { encodeKey, RECORD, SERIES } from './directory.js';
import { FLOOR } from './floors.js';
import { IdleStore, openIdleLink, unusable } from './idle-store.js';
import { IMPORTED, IMPORTING, RESTORED } from './importing.js';
import type { Link } from './link.js';
import { RESTORATIONS } from './losses.js';
import { Names } from './names.js';
import { Places } from './places.js';
import { ServerVersions } from './server-versions.js';
import { SECRET } from './shared-settings.js';
import { changeEpoch, describeSegments, ensureStreams, epochIn } from './streams.js';

export interface NatsTargetOptions {
  readonly address: NatsAddress;
  /** On how many servers everything is stored: 1, 3 or 5; undefined for {@link replicasFor}. */
  readonly replicas?: number;
  /** As `openNatsEngine` takes it. */
  readonly allowUnsafe?: boolean;
}

/** For how many milliseconds it is tried to make the streams. */
const PATIENCE = 10_000;

/** Floors and records written at the same time. */
const ROWS = 500;

/**
 * Streams in NATS that are to be filled, made if they are not there. Until that has come to its end no node opens them.
 * @throws EngineUnusable when the servers cannot be reached
 */
export async function openNatsTarget(options: NatsTargetOptions): Promise<ArchiveTarget> {
  return open(options);
}

/** The same from a backup, behind which a server has gone on: see Restoration. @throws EngineUnusable */
export async function openNatsRestoration(
  options: NatsTargetOptions,
  now: () => number = Date.now,
): Promise<ArchiveTarget> {
  return open(options, now);
}

async function open(options: NatsTargetOptions, restoring?: () => number): Promise<ArchiveTarget> {
  const { address, replicas = replicasFor(address), allowUnsafe = false } = options;
  const link = await openIdleLink(address);
  try {
    if (replicas > 1 && !allowUnsafe) await new ServerVersions(link, address.servers).assertSafe();
  } catch (error) {
    await link.close();
    throw error;
  }
  return new NatsTarget(link, address, replicas, restoring);
}

class NatsTarget implements ArchiveTarget {
  #begun: { readonly summary: ArchiveSummary; readonly store: IdleStore; readonly places: Places } | undefined;
  #store: IdleStore | undefined;

  constructor(
    private readonly link: Link,
    private readonly address: NatsAddress,
    private readonly replicas: number,
    /** The time, where it is a backup that is restored. */
    private readonly restoring?: () => number,
  ) {}

  async begin(summary: ArchiveSummary): Promise<Seq | 'finished'> {
    const { link, address, replicas } = this;
    const names = new Names(address.name);
    try {
      const epoch =
        (await epochIn(link, names)) ??
        (await ensureStreams(link, names, { replicas, epoch: summary.epoch }, PATIENCE));
      this.#store = await IdleStore.open(link, address);
      return await this.#begin(this.#store, summary, epoch);
    } catch (error) {
      throw unusable(address, error);
    }
  }

  async #begin(store: IdleStore, summary: ArchiveSummary, epoch: string): Promise<Seq | 'finished'> {
    const { bucket, state } = store;
    const importing = await bucket.read(IMPORTING);
    const { last_seq: last } = (await state.info()).state;
    const where = `${this.address.name} in NATS at ${this.address.servers.join(', ')}`;
    if (importing === undefined) {
      if (bucket.get(IMPORTED)?.value === this.#nameOf(summary)) return 'finished';
      if (last > 0 || !store.places.isIdentity || [RECORD, SERIES, FLOOR].some((prefix) => anyOf(bucket.all(prefix)))) {
        throw new ArchiveUnusable(
          `${where} holds something else. Give another name at the end of --engine: nats://HOST/NAME.`,
        );
      }
      if (epoch !== summary.epoch) await changeEpoch(this.link, store.names, summary.epoch);
      await bucket.put(IMPORTING, this.#nameOf(summary), null);
    } else if (importing.value !== this.#nameOf(summary)) {
      throw new ArchiveUnusable(
        `Another import into ${where}, or restoration, has not come to its end. Go on with that one, or give another name at the end of --engine: nats://HOST/NAME.`,
      );
    }
    this.#begun = { summary, store, places: new Places(store, last) };
    // A restoration that was interrupted in its last step is already at the place behind which it goes on.
    return Math.min(store.places.toPlace(last), summary.last) as Seq;
  }

  async rows(floors: AsyncIterable<ArchivedFloor>, records: AsyncIterable<ArchivedRecord>): Promise<void> {
    const { store } = this.#assertBegun();
    await inRows(floors, ({ topic, floor }) => store.floors.raise(topic, floor));
    await inRows(records, ({ key, value }) => this.#put(encodeKey(key), value));
  }

  async entries(entries: readonly ArchivedEntry[]): Promise<void> {
    await this.#assertBegun().places.add(entries);
  }

  async finish(): Promise<void> {
    const { summary, store, places } = this.#assertBegun();
    const { epoch, last, restorations } = this.restoring ? this.#restored(summary, this.restoring()) : summary;
    if (restorations) await this.#put(RESTORATIONS, restorations as unknown as Json);
    await places.reach(last);
    for (const [name, number] of Object.entries(summary.series)) await this.#put(SERIES + name, number);
    if (summary.secret !== undefined) await this.#put(SECRET, { made: summary.secret });
    await places.clear();
    if (epoch !== summary.epoch) await changeEpoch(this.link, store.names, epoch);
    if (!store.places.isIdentity) await describeSegments(this.link, store.names, epoch);
    // In this order: interrupted between the two, it is the last step of an import that is gone on with.
    await this.#put(IMPORTED, this.#nameOf(summary));
    await store.bucket.remove(IMPORTING);
  }

  async close(): Promise<void> {
    await this.#store?.close();
    await this.link.close();
  }

  /** What an interrupted run has noted of the restoration counts. */
  #restored(summary: ArchiveSummary, now: number): ArchiveSummary {
    const { restorations: earlier = [] } = summary;
    const noted = this.#assertBegun().store.bucket.get(RESTORATIONS)?.value as unknown as Restoration[] | undefined;
    const all = restored(summary, now);
    const last = noted?.[earlier.length]?.upTo;
    return last === undefined ? all : { ...all, last, restorations: noted };
  }

  /** What stands for an archive in the bucket it fills. */
  #nameOf({ epoch, snapshot }: ArchiveSummary): string {
    return `${epoch} ${snapshot}${this.restoring ? RESTORED : ''}`;
  }

  /** What an interrupted run has written is there already. */
  async #put(key: string, value: Json): Promise<void> {
    const { bucket } = this.#assertBegun().store;
    const kept = bucket.get(key);
    if (kept && JSON.stringify(kept.value) === JSON.stringify(value)) return;
    await bucket.put(key, value, kept?.revision ?? null);
  }

  #assertBegun() {
    if (!this.#begun) throw new Error('It has not begun.');
    return this.#begun;
  }
}

/** Writes so many at a time: each is a round trip. */
async function inRows<Row>(rows: AsyncIterable<Row>, write: (row: Row) => Promise<void>): Promise<void> {
  let waiting: Row[] = [];
  for await (const row of rows) {
    if (waiting.push(row) < ROWS) continue;
    await Promise.all(waiting.map(write));
    waiting = [];
  }
  await Promise.all(waiting.map(write));
}

function anyOf(all: Iterable<unknown>): boolean {
  for (const _ of all) return true;
  return false;
}
