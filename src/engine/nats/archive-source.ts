import { createHash } from 'node:crypto';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSource, ArchiveSummary } from '../archive.js';
import { EngineUnusable, type Seq, type Topic } from '../engine.js';
import type { NatsAddress } from './address.js';
import { BackupSource, type LiveSource } from './backup-source.js';
import { decodeKey, RECORD, SERIES } from './directory.js';
import { erasingIn } from './erasures.js';
import { FLOOR } from './floors.js';
import { IdleStore, openIdleLink, unusable } from './idle-store.js';
import { assertWhole, VOID } from './importing.js';
import { restorationsIn } from './losses.js';
import type { Link } from './link.js';
import { RecentKeys } from './recent-keys.js';
import { type Keyed, particularsOf } from './record.js';
import { type KeptSecret, SECRET } from './shared-settings.js';
import { epochIn } from './streams.js';
import { Names } from './names.js';

export interface NatsSourceOptions {
  readonly address: NatsAddress;
  /** As `openNatsEngine` takes it; nothing is changed here. */
  readonly replicas?: number;
  /** The time in milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * What is kept in NATS, to be written out while no node runs.
 * @throws EngineUnusable when there is nothing, nodes run, or an import has filled a part only
 */
export async function openNatsSource(options: NatsSourceOptions): Promise<ArchiveSource> {
  return open(options, true);
}

/**
 * The same while nodes may run and write: see {@link BackupSource}. Nothing is written to NATS.
 * @throws EngineUnusable when there is nothing, or an import has filled a part only
 */
export async function openNatsBackupSource(options: NatsSourceOptions): Promise<ArchiveSource> {
  const source = await open(options, false);
  try {
    return await BackupSource.open(source.live());
  } catch (error) {
    await source.close();
    throw unusable(options.address, error);
  }
}

async function open({ address, now = Date.now }: NatsSourceOptions, alone: boolean): Promise<NatsSource> {
  const link = await openIdleLink(address);
  let store: IdleStore | undefined;
  try {
    const epoch = await epochIn(link, new Names(address.name));
    if (epoch === undefined) {
      throw new EngineUnusable(
        `There is no data of InterChat under the name ${address.name} in NATS at ${address.servers.join(', ')}. Give the address of a server: --engine or INTERCHAT_ENGINE.`,
      );
    }
    store = await IdleStore.open(link, address, alone);
    await assertWhole(store.bucket);
    return new NatsSource(link, store, epoch, now);
  } catch (error) {
    await store?.close();
    await link.close();
    throw unusable(address, error);
  }
}

class NatsSource implements ArchiveSource {
  #snapshot: string | undefined;

  constructor(
    private readonly link: Link,
    private readonly store: IdleStore,
    private readonly epoch: string,
    private readonly now: () => number,
  ) {}

  /** For a backup that is taken while nodes write. */
  live(): LiveSource {
    const { bucket, state } = this.store;
    const upTo = async function* (entries: AsyncIterable<ArchivedEntry>, last: Seq) {
      for await (const entry of entries) {
        if (entry.seq > last) return;
        yield entry;
      }
    };
    return {
      last: async () => (await state.last()) as Seq,
      entries: (last) => upTo(this.entries(0 as Seq), last),
      rest: async () => {
        // Brings what is known here up to date. What follows waits for nothing: it is of one moment.
        await bucket.read(SECRET);
        return { summary: this.#summary(), floors: [...this.#floors()], records: [...this.#records()] };
      },
      close: () => this.close(),
    };
  }

  async summary(): Promise<ArchiveSummary> {
    this.#snapshot = await this.#findSnapshot();
    return { ...this.#summary(), snapshot: this.#snapshot, last: (await this.store.state.last()) as Seq };
  }

  #summary() {
    const { bucket } = this.store;
    const secret = bucket.get(SECRET)?.value as KeptSecret | undefined;
    const restorations = restorationsIn(bucket);
    return {
      epoch: this.epoch,
      series: Object.fromEntries(this.#sorted(SERIES).map(({ name, value }) => [name, Number(value)])),
      ...(restorations.length > 0 && { restorations }),
      ...(secret && 'made' in secret && { secret: secret.made }),
    };
  }

  async *floors(): AsyncIterable<ArchivedFloor> {
    yield* this.#floors();
  }

  *#floors(): Iterable<ArchivedFloor> {
    for (const { name, value } of this.#sorted(FLOOR)) {
      yield { topic: name as ArchivedFloor['topic'], floor: Number(value) as Seq };
    }
  }

  async *records(): AsyncIterable<ArchivedRecord> {
    yield* this.#records();
  }

  *#records(): Iterable<ArchivedRecord> {
    for (const { key, value } of this.#sorted(RECORD)) yield { key: decodeKey(key), value };
  }

  async *entries(after: Seq): AsyncIterable<ArchivedEntry> {
    const { bucket, names, reads } = this.store;
    const now = this.now();
    const filter = names.subject('>');
    const upTo = (await reads.newest(names.log, filter))?.seq ?? 0;
    const keys = new RecentKeys(0);
    const erasing = erasingIn(bucket);
    for await (const messages of reads.scan({ stream: names.log, filter, after, upTo, headersOnly: false })) {
      for (const { seq, subject, headers, data } of messages) {
        const topic = names.topicOf(subject);
        const { appendedAt, expiresAt, keyed, erased } = particularsOf(headers);
        if (erased?.hash !== undefined) keys.add(keyIn(topic, erased.hash), erased.seq);
        if (topic === VOID || (keyed && isRepeat(keys, topic, seq, keyed))) continue;
        if (erasing.has(seq) || (expiresAt !== undefined && expiresAt <= now)) continue;
        yield { seq: seq as Seq, topic, body: data, appendedAt, ...(expiresAt === undefined ? {} : { expiresAt }) };
      }
    }
    // Nothing locks a stream: a node that was started meanwhile may have written, or trimmed what was not read yet.
    if (this.#snapshot !== undefined && (await this.#findSnapshot()) !== this.#snapshot) {
      throw new EngineUnusable('Something was changed while it was written out. Stop all nodes, and run it again.');
    }
  }

  async close(): Promise<void> {
    await this.store.close();
    await this.link.close();
  }

  /** What is kept under keys with this beginning, in an order that is always the same. */
  #sorted(prefix: string) {
    return [...this.store.bucket.all(prefix)]
      .map(([key, { value, revision }]) => ({ key, name: key.slice(prefix.length), value, revision }))
      .sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** Of what is written out, and not of what comes and goes with each run, such as which nodes there are. */
  async #findSnapshot(): Promise<string> {
    const { bucket, state } = this.store;
    // Brings what is known here up to date.
    const secret = await bucket.read(SECRET);
    const { last_seq: last, messages } = (await state.info()).state;
    const hash = createHash('sha256').update(`${messages} ${secret?.revision ?? 0}`);
    for (const prefix of [RECORD, SERIES, FLOOR]) {
      for (const { key, revision } of this.#sorted(prefix)) hash.update(`\n${key} ${revision}`);
    }
    return `${last} ${hash.digest('base64url')}`;
  }
}

/** Whether it repeats an entry of its topic that was read shortly before it; takes note of it otherwise. */
function isRepeat(keys: RecentKeys, topic: Topic, seq: number, { hash, since }: Keyed): boolean {
  const key = keyIn(topic, hash);
  if (keys.isVoid({ hash: key, since })) return true;
  keys.add(key, seq);
  return false;
}

/** A dedup key means something within its topic. */
function keyIn(topic: Topic, hash: string): string {
  return `${topic} ${hash}`;
}
