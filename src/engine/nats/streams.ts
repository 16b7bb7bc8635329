import {
  DiscardPolicy,
  type JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { nanos } from '@nats-io/transport-node';
import { EngineUnusable, type Topic } from '../engine.js';
import { ACCEPT_LOSS } from './high-water.js';
import { asked, type Link } from './link.js';
import { describeLog, epochFrom, isNotFound, isSegmentedFrom } from './log-description.js';
import { type Acceptance, acceptLosses, lossesIn, surveyStreams } from './losses.js';
import type { Names } from './names.js';

export interface StreamOptions {
  /** On how many servers everything is stored before it counts: 1, 3 or 5. */
  readonly replicas: number;
  /** For how many milliseconds a dedup key is remembered; undefined where that does not matter yet. */
  readonly dedupWindow?: number;
  /** The epoch of a log that is new. */
  readonly epoch?: string;
}

/** Between two attempts, in milliseconds. */
const TRY_AGAIN = 250;

/** JetStream remembers ids of messages for so many milliseconds at the least; none are given, and it must not be above max_age. */
const LEAST_WINDOW = 100;

/** Codes of the API of JetStream that no later try will change. */
const NO_CLUSTER = 10_074;
const TAKEN = 10_058;

/** Codes for a server, or an account, without JetStream; a server that joins a cluster may say so for this many milliseconds. */
const NOT_ENABLED = 10_076;
const NOT_ENABLED_FOR_ACCOUNT = 10_039;
const DISABLED_AFTER = 1_000;

/** Streams must seem lost for this many milliseconds: while servers elect leaders, one that is behind may answer. */
const LOST_AFTER = 3_000;

/** Streams as they are when a node has opened them. */
export interface OpenStreams {
  /** Of the log. */
  readonly epoch: string;
  /** Set where something was lost before, and the operator goes on without it. */
  readonly acceptance: Acceptance | undefined;
}

/**
 * Makes the streams of an InterChat that is new, or takes those that exist, if nothing of them was lost.
 * @param accept set to go on after a loss, with the topics that outlive their clients
 * @param patience as in {@link ensureStreams}
 * @throws EngineUnusable
 */
export async function openStreams(
  link: Link,
  names: Names,
  options: StreamOptions,
  accept: { readonly forever: readonly Topic[] } | undefined,
  patience: number,
): Promise<OpenStreams> {
  let lostSince: number | undefined;
  return patiently(options, patience, async () => {
    const found = await surveyStreams(link, names);
    // First, as it says whether all this is InterChat's.
    if (found.log) epochOf(found.log.config, names);
    const losses = lossesIn(found, names);
    const make = async (epoch?: string) => {
      const made = await ensureLog(link, names, { ...options, ...(epoch !== undefined && { epoch }) });
      if (epoch !== undefined && made !== epoch) await changeEpoch(link, names, epoch);
      await Promise.all([ensureBucket(link, names, options), ensureKeys(link, names, options)]);
      await ensureMarks(link, names, options);
      return made;
    };
    if (!losses) return { epoch: await make(), acceptance: undefined };
    const now = performance.now();
    lostSince ??= now;
    if (link.isClustered && now - lostSince < LOST_AFTER) throw new Error(losses.text);
    if (!accept) throw new EngineUnusable(`${losses.text} ${ACCEPT_LOSS}`);
    const acceptance = await acceptLosses(
      { link, names },
      found,
      losses,
      async (epoch) => void (await make(epoch)),
      accept.forever,
    );
    const epoch = await ensureLog(link, names, options);
    return { epoch, acceptance };
  });
}

/**
 * Makes the stream and the bucket, or takes those that are there.
 * @param patience for how many milliseconds it is tried: servers that have just started need some to become a cluster
 * @returns the epoch of the log
 * @throws EngineUnusable
 */
export async function ensureStreams(
  link: Link,
  names: Names,
  options: StreamOptions,
  patience: number,
): Promise<string> {
  return patiently(options, patience, async () => {
    // First, as it says whether all this is InterChat's.
    const epoch = await ensureLog(link, names, options);
    await Promise.all([ensureBucket(link, names, options), ensureKeys(link, names, options)]);
    return epoch;
  });
}

/** Tries again while servers become a cluster. @throws EngineUnusable when the time is over, or no later try can succeed */
async function patiently<Result>(
  options: StreamOptions,
  patience: number,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const until = performance.now() + patience;
  let disabledSince: number | undefined;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const { code, name } = error as JetStreamApiError;
      if (error instanceof EngineUnusable) throw error;
      if (name === 'JetStreamNotEnabled' || code === NOT_ENABLED) {
        disabledSince ??= performance.now();
        if (performance.now() - disabledSince >= DISABLED_AFTER) throw disabled(error);
      } else {
        disabledSince = undefined;
      }
      if (code === NO_CLUSTER || performance.now() > until) {
        const reason = (error as Error).message;
        throw new EngineUnusable(
          `NATS cannot keep the log on ${options.replicas === 1 ? 'a server' : `${options.replicas} servers`}: ${reason}. ` +
            'Start it with JetStream, or set --replicas to the number of servers there are.',
          { cause: error },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
    }
  }
}

async function ensureLog({ jsm }: Link, names: Names, options: StreamOptions): Promise<string> {
  const { replicas, epoch = crypto.randomUUID() } = options;
  const there = await jsm.streams.info(names.log).catch(nothing);
  if (!there) {
    const config: Partial<StreamConfig> & { name: string } = {
      name: names.log,
      description: describeLog(epoch),
      subjects: [names.subject('>')],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      // Refused rather than forgotten: what a full server cannot take is not acknowledged.
      discard: DiscardPolicy.New,
      num_replicas: replicas,
      allow_direct: true,
      republish: { src: names.subject('>'), dest: names.live('>') },
    };
    try {
      await jsm.streams.add(config);
    } catch (error) {
      // Another node was first, with an epoch of its own: that one counts, once it can be read.
      if ((error as JetStreamApiError).code !== TAKEN) throw error;
    }
    return ensureLog({ jsm } as Link, names, options);
  }
  const found = epochOf(there.config, names);
  if (there.config.num_replicas < replicas) await jsm.streams.update(names.log, { num_replicas: replicas });
  return found;
}

/** Makes what remembers the dedup keys; where the window is not known it is made later, with the first node. */
async function ensureKeys({ jsm }: Link, names: Names, { replicas, dedupWindow }: StreamOptions): Promise<void> {
  if (dedupWindow === undefined) return;
  // Longer than the window: what counts is when the entry was appended, by the clock of whoever did that.
  const max_age = nanos(dedupWindow * 2);
  const there = await jsm.streams.info(names.keys).catch(nothing);
  if (!there) {
    await jsm.streams.add({
      name: names.keys,
      description: 'The topics that dedup keys of InterChat were used for',
      subjects: [names.dedupSubject('*')],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      num_replicas: replicas,
      max_msgs_per_subject: 1,
      max_age,
      duplicate_window: nanos(LEAST_WINDOW),
    });
  } else if (there.config.num_replicas < replicas || there.config.max_age !== max_age) {
    await jsm.streams.update(names.keys, { num_replicas: Math.max(there.config.num_replicas, replicas), max_age });
  }
}

/** Makes what remembers how far the other streams had come. */
async function ensureMarks({ jsm }: Link, names: Names, { replicas }: StreamOptions): Promise<void> {
  const there = await jsm.streams.info(names.marks).catch(nothing);
  if (!there) {
    await jsm.streams.add({
      name: names.marks,
      description: 'How far the other streams of InterChat had come',
      subjects: [names.mark],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      num_replicas: replicas,
      max_msgs_per_subject: 1,
    });
  } else if (there.config.num_replicas < replicas) {
    await jsm.streams.update(names.marks, { num_replicas: replicas });
  }
}

/**
 * The epoch of the log, if all streams are there already: nothing is made or changed.
 * @throws EngineUnusable when there is something else of this name; EngineUnavailable
 */
export async function epochIn({ jsm }: Link, names: Names): Promise<string | undefined> {
  const infos = [names.log, names.bucketStream].map((stream) => jsm.streams.info(stream).catch(nothing));
  const [log, bucket] = await asked(Promise.all(infos));
  return log && bucket && epochOf(log.config, names);
}

/** Has a log that nobody has used begin a life that another one has had. @throws EngineUnavailable */
export async function changeEpoch({ jsm }: Link, names: Names, epoch: string): Promise<void> {
  const { config } = await asked(jsm.streams.info(names.log));
  await asked(jsm.streams.update(names.log, { description: describeLog(epoch, isSegmentedFrom(config.description)) }));
}

/** Writes into the description of a log that it has segments. @throws EngineUnavailable */
export async function describeSegments({ jsm }: Link, names: Names, epoch: string): Promise<void> {
  await asked(jsm.streams.update(names.log, { description: describeLog(epoch, true) }));
}

function epochOf({ description }: StreamConfig, names: Names): string {
  const epoch = epochFrom(description);
  if (epoch !== undefined) return epoch;
  throw new EngineUnusable(
    `The stream ${names.log} in NATS is not a log of InterChat. Give another name at the end of --engine: nats://HOST/NAME.`,
  );
}

async function ensureBucket({ js, jsm }: Link, names: Names, { replicas }: StreamOptions): Promise<void> {
  const there = await jsm.streams.info(names.bucketStream).catch(nothing);
  if (there && there.config.num_replicas < replicas)
    await jsm.streams.update(names.bucketStream, { num_replicas: replicas });
  if (there) return;
  await new Kvm(js).create(names.bucket, {
    description: 'The directory of InterChat',
    history: 1,
    replicas,
    storage: StorageType.File,
    republish: { src: names.keySubject('>'), dest: names.liveKey('>') },
  });
}

function disabled(error: unknown): EngineUnusable {
  const { cause } = error as Error;
  const forAccount = (cause as JetStreamApiError | undefined)?.code === NOT_ENABLED_FOR_ACCOUNT;
  return new EngineUnusable(
    forAccount
      ? 'JetStream is not enabled for this account of NATS. Enable it in the configuration of the account.'
      : 'JetStream is not enabled in NATS. Start nats-server with -js, or with jetstream { store_dir: … } in its configuration.',
    { cause: error },
  );
}

/** Not there is an answer; everything else an error. */
function nothing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
