import { type Engine, EngineUnavailable, EngineUnusable, type Retention } from '../engine.js';
import { type NatsAddress, replicasFor } from './address.js';
import { Bucket } from './bucket.js';
import { Dedup } from './dedup.js';
import { NatsDirectory } from './directory.js';
import { Erasures } from './erasures.js';
import { Feed } from './feed.js';
import { Floors } from './floors.js';
import { NatsLeases } from './leases.js';
import { assertWhole } from './importing.js';
import { Link } from './link.js';
import { NatsLog } from './log.js';
import { Names } from './names.js';
import { notedNodes, Nodes } from './nodes.js';
import { Notes } from './notes.js';
import { Publisher } from './publisher.js';
import { Pulse } from './pulse.js';
import { Reads } from './reads.js';
import { agreeOnSecret, agreeOnSettings, type SharedSettings } from './shared-settings.js';
import { StorageReserve } from './storage-reserve.js';
import { StreamState } from './stream-state.js';
import { ensureStreams } from './streams.js';
import { TopicIndexes } from './topic-indexes.js';
import { Trimmer } from './trimmer.js';

export interface NatsOptions {
  readonly address: NatsAddress;
  /** On how many servers everything is stored before it counts: 1, 3 or 5; undefined for {@link replicasFor}. */
  readonly replicas?: number;
  readonly retention: Retention;
  /** What must be the same on all nodes that run; whoever comes with others is refused. */
  readonly settings?: SharedSettings;
  /** How large a message the servers must take at the least, in bytes. */
  readonly leastPayload?: number;
  /** What this node would sign with; undefined to sign with what the others do. */
  readonly secret?: string;
  /** The time in milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError?: (error: Error) => void;
  /** Told what whoever operates it should know. */
  readonly warn?: (warning: string) => void;
  readonly observe?: { readonly appended?: (seconds: number, entries: number) => void };
}

/** An engine that others share, and with it the secret. */
export interface NatsEngine extends Engine {
  /** What tokens and cursors are signed with on all nodes. */
  readonly secret: string | Buffer;
}

/** For how many milliseconds servers that have just been started are waited for. */
const PATIENCE = 30_000;

/**
 * The engine for several processes or machines: NATS JetStream keeps the log and the directory, and any number of processes
 * that give the same address are one InterChat.
 * @throws EngineUnusable when it cannot be used; nothing is left open then
 */
export async function openNatsEngine(options: NatsOptions): Promise<NatsEngine> {
  const link = await Link.open(options.address, PATIENCE, options.warn ?? (() => undefined));
  try {
    return await assemble(link, options);
  } catch (error) {
    await link.close();
    if (!(error instanceof EngineUnavailable)) throw error;
    throw new EngineUnusable(`NATS at ${options.address.servers.join(', ')} does not answer: ${error.message}.`, {
      cause: error,
    });
  }
}

async function assemble(link: Link, options: NatsOptions): Promise<NatsEngine> {
  const {
    address,
    replicas = replicasFor(address),
    retention,
    now = Date.now,
    onError = () => undefined,
    observe,
  } = options;
  const { leastPayload = 0 } = options;
  if (link.maxPayload < leastPayload) {
    throw new EngineUnusable(
      `NATS takes messages of ${link.maxPayload} bytes at the most, and ${leastPayload} are needed. Raise max_payload in its configuration, or lower --max-body.`,
    );
  }
  if (replicas > 1 && !link.isFrom(2, 10)) {
    options.warn?.(
      `NATS ${link.version} can be left with copies that differ when servers were cut off from each other, and lose what was acknowledged: with several servers use 2.10 or newer`,
    );
  }
  const names = new Names(address.name);
  const epoch = await ensureStreams(link, names, { replicas, dedupWindow: retention.dedupWindow }, PATIENCE);
  const publisher = new Publisher(link);
  const reads = new Reads(link);
  const state = new StreamState(link, names.log);
  const bucketState = new StreamState(link, names.bucketStream);
  const leases: NatsLeases = new NatsLeases(link, names, () => notedNodes(bucket));
  const reserve = new StorageReserve({ link, names, publisher, leases }, onError);
  const bucket = new Bucket(link, names, publisher, reads, bucketState, reserve);
  const indexes = new TopicIndexes(names, reads);
  const feed = new Feed(link, names, reads, state, indexes, { now });
  const pulse = new Pulse(link, state, bucketState, feed, bucket);
  await bucket.open();
  await pulse.open();
  const withoutReserve = await reserve.open(replicas);
  if (withoutReserve !== undefined) {
    options.warn?.(
      `NATS keeps no reserve for InterChat, so it cannot free storage once there is none left: ${withoutReserve}`,
    );
  }
  const nodes = new Nodes(link, names, bucket, leases);
  await nodes.join();
  try {
    await assertWhole(bucket);
    const othersRun = () => leases.others().length > 0;
    if (options.settings) await agreeOnSettings(bucket, options.settings, othersRun);
    const secret = await agreeOnSecret(bucket, epoch, options.secret, othersRun);
    await reserve.fill();
    const floors = new Floors(bucket);
    bucket.watch((key, kept) => {
      const raised = kept && floors.topicOf(key);
      if (raised) indexes.removeThrough(raised, Number(kept.value));
    });
    const oldestKey = () => now() - retention.dedupWindow;
    const notes = new Notes(bucket, names, reads, oldestKey);
    const dedup = new Dedup({ names, publisher, reads, state, indexes, notes }, oldestKey);
    const erasures = new Erasures({ link, names, publisher, reads, indexes, bucket, notes, reserve }, now);
    const log = new NatsLog(
      { link, names, publisher, reads, state, indexes, feed, floors, notes, dedup, erasures, reserve },
      { epoch, now, appended: (seconds, entries) => observe?.appended?.(seconds, entries) },
    );
    const parts = { link, names, reads, state, indexes, bucket, floors, notes, erasures, leases, reserve };
    const trimmer = new Trimmer(parts, retention, now, onError);
    const close = async () => {
      await trimmer.close();
      await log.idle();
      await nodes.leave();
      pulse.close();
      link.shut();
      await publisher.idle();
      feed.close();
      bucket.close();
      reserve.close();
      publisher.close();
      await link.close();
    };
    let closing: Promise<void> | undefined;
    return {
      secret,
      log,
      directory: new NatsDirectory(link, bucket, reserve, (seq) => nodes.reachedByAll(seq)),
      leases,
      health: () => link.trouble ?? reserve.trouble,
      close: () => (closing ??= close()),
    };
  } catch (error) {
    pulse.close();
    reserve.close();
    await nodes.leave();
    throw error;
  }
}
