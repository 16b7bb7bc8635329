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
import { isSegmentedFrom } from './log-description.js';
import { LogPlaces } from './log-places.js';
import { NatsLog } from './log.js';
import { Names } from './names.js';
import { notedNodes, Nodes } from './nodes.js';
import { Notes } from './notes.js';
import { Publisher } from './publisher.js';
import { Pulse } from './pulse.js';
import { Reads } from './reads.js';
import { ServerVersions } from './server-versions.js';
import { Agreement, type SharedSettings } from './shared-settings.js';
import { StorageReserve } from './storage-reserve.js';
import { StreamState } from './stream-state.js';
import { describeSegments, openStreams } from './streams.js';
import { HighWater } from './high-water.js';
import { restorationsIn, settleLosses } from './losses.js';
import { Marks, readMarks } from './marks.js';
import { TopicIndexes } from './topic-indexes.js';
import { Trimmer } from './trimmer.js';

export interface NatsOptions {
  readonly address: NatsAddress;
  /** On how many servers everything is stored before it counts: 1, 3 or 5; undefined for {@link replicasFor}. */
  readonly replicas?: number;
  /** Whether servers that lose acknowledged messages may keep replicas, see {@link ServerVersions}. */
  readonly allowUnsafe?: boolean;
  readonly retention: Retention;
  /** What must be the same on all nodes that run; whoever comes with others is refused. */
  readonly settings?: SharedSettings;
  /** Whether to go on after a loss of stored messages. */
  readonly acceptLoss?: boolean;
  /** The same, of which only fingerprints are kept. Never print or log them. */
  readonly secrets?: Readonly<Record<string, string | undefined>>;
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
  /** Called when this node must not serve any more, and cannot do so again: it is to be stopped. The message is one line. */
  readonly onEnd?: (error: EngineUnusable) => void;
  readonly observe?: { readonly appended?: (seconds: number, entries: number) => void };
}

/** An engine that others share, and with it the secret. */
export interface NatsEngine extends Engine {
  /** What tokens and cursors are signed with on all nodes. */
  readonly secret: string | Buffer;
}

/** For how many milliseconds servers that have just been started are waited for. */
const PATIENCE = 30_000;

/** Between two attempts to open it, in milliseconds. */
const TRY_AGAIN = 250;

/** For how many milliseconds nodes that served what was lost are waited for. */
const OTHERS_LEAVE = 15_000;

/**
 * The engine for several processes or machines: NATS JetStream keeps the log and the directory, and any number of processes
 * that give the same address are one InterChat.
 * @throws EngineUnusable when it cannot be used; nothing is left open then
 */
export async function openNatsEngine(options: NatsOptions): Promise<NatsEngine> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    const link = await Link.open(options.address, PATIENCE, options.warn ?? (() => undefined));
    try {
      return await Promise.race([assemble(link, options), link.permitted]);
    } catch (error) {
      await link.close();
      if (!(error instanceof EngineUnavailable)) throw error;
      // While servers elect leaders nothing can be done, and some seconds later all can.
      if (performance.now() > until) {
        throw new EngineUnusable(`NATS at ${options.address.servers.join(', ')} does not answer: ${error.message}.`, {
          cause: error,
        });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
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
  const versions = new ServerVersions(link, address.servers);
  const { allowUnsafe = false } = options;
  if (replicas > 1 && !allowUnsafe) await versions.assertSafe();
  const names = new Names(address.name);
  const accept = options.acceptLoss ? { forever: retention.forever ?? [] } : undefined;
  const streams = { replicas, dedupWindow: retention.dedupWindow };
  const { epoch, acceptance } = await openStreams(link, names, streams, accept, PATIENCE);
  const publisher = new Publisher(link);
  const places = new LogPlaces();
  const reads = new Reads(link, names.log, places);
  const end = (reason: string) => {
    if (link.ended !== null || link.isShut) return;
    link.end(reason);
    leases.close();
    options.onEnd?.(new EngineUnusable(reason));
  };
  const highWater = new HighWater(
    link,
    epoch,
    names.log,
    (line) => options.warn?.(line),
    (other) => void endIfAccepted(other).catch(() => undefined),
  );
  const endIfAccepted = async (other: string) => {
    const [mark] = await readMarks(link, names);
    if (mark?.epoch === other) end('Another node goes on after a loss of what this node served. Start this one again.');
  };
  publisher.highWater = highWater;
  const state = new StreamState(link, names.log, highWater, places);
  const bucketState = new StreamState(link, names.bucketStream, highWater);
  const keysState = new StreamState(link, names.keys, highWater);
  const leases: NatsLeases = new NatsLeases(link, names, () => notedNodes(bucket));
  const reserve = new StorageReserve({ link, names, publisher, leases }, onError);
  const bucket = new Bucket(link, names, publisher, reads, bucketState, reserve);
  const indexes = new TopicIndexes(names, reads);
  const feed = new Feed(link, names, reads, state, places, indexes, { now, directoryCaughtUp: () => bucket.catchUp() });
  const pulse = new Pulse(link, state, bucketState, keysState, feed, bucket);
  await bucket.open();
  await places.load(bucket, acceptance?.known.segments);
  const { config } = await state.info();
  places.assertKnown(isSegmentedFrom(config.description));
  if (!places.isIdentity && !isSegmentedFrom(config.description)) await describeSegments(link, names, epoch);
  places.watch(bucket, end);
  await pulse.open();
  const withoutReserve = await reserve.open(replicas);
  if (withoutReserve !== undefined) {
    options.warn?.(
      `NATS keeps no reserve for InterChat, so it cannot free storage once there is none left: ${withoutReserve}`,
    );
  }
  const nodes = new Nodes(link, names, bucket, leases);
  const marks = new Marks(link, names, publisher, bucket, highWater, places);
  if (acceptance) {
    await settleLosses(bucket, acceptance, places, await state.last());
    // From then on this is what a start finds, and nodes that served what was lost end themselves.
    await marks.write();
    options.warn?.(`${acceptance.losses.text} This start goes on without it. Remove --accept-loss.`);
  }
  await nodes.join();
  try {
    if (acceptance) await othersLeave(leases);
    await assertWhole(bucket);
    const othersRun = () => leases.others().length > 0;
    const { settings, secrets = {} } = options;
    const agreement = new Agreement({ settings, secrets, secret: options.secret }, epoch);
    const secret = await agreement.reach(bucket, othersRun);
    agreement.watch(bucket, end);
    await reserve.fill();
    const floors = new Floors(bucket);
    bucket.watch((key, kept) => {
      const raised = kept && floors.topicOf(key);
      if (raised) indexes.removeThrough(raised, Number(kept.value));
    });
    const oldestKey = () => now() - retention.dedupWindow;
    const notes = new Notes({ bucket, names, publisher, reads, reserve }, oldestKey);
    const dedup = new Dedup({ names, publisher, reads, state, indexes, notes }, oldestKey);
    const erasures = new Erasures({ link, names, places, publisher, reads, indexes, bucket, notes, reserve }, now);
    const log = new NatsLog(
      { link, names, places, publisher, reads, state, indexes, feed, floors, notes, dedup, erasures, reserve },
      {
        epoch,
        restorations: restorationsIn(bucket),
        now,
        appended: (seconds, entries) => observe?.appended?.(seconds, entries),
      },
    );
    const parts = { link, names, places, reads, state, indexes, bucket, floors, notes, erasures, leases, reserve };
    const trimmer = new Trimmer(parts, retention, now, onError);
    await marks.open(() => leases.isFirst);
    link.watchClock();
    // There may be more replicas than this node asks for: they are never taken away.
    const { config } = await state.info();
    if (config.num_replicas > 1 && !allowUnsafe) {
      await versions.assertSafe();
      versions.watch((line) => options.warn?.(line));
    }
    if (link.ended !== null) throw new EngineUnusable(link.ended);
    const close = async () => {
      await trimmer.close();
      await log.idle();
      await marks.close();
      await nodes.leave();
      pulse.close();
      versions.close();
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

/** Nodes that served what was lost end themselves when they notice that this one goes on without it. @throws EngineUnusable */
async function othersLeave(leases: NatsLeases): Promise<void> {
  const until = performance.now() + OTHERS_LEAVE;
  const before = leases.others();
  while (leases.others().some((node) => before.includes(node))) {
    if (performance.now() > until) throw new EngineUnusable('Other nodes still serve what was lost. Stop them first.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
