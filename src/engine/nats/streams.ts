import {
  DiscardPolicy,
  type JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { nanos } from '@nats-io/transport-node';
import { EngineUnusable } from '../engine.js';
import type { Link } from './link.js';
import type { Names } from './names.js';

export interface StreamOptions {
  /** On how many servers everything is stored before it counts: 1, 3 or 5. */
  readonly replicas: number;
  /** For how many milliseconds a dedup key is remembered. */
  readonly dedupWindow: number;
  /** The place of the first entry, where it is not 1. Servers from 2.10 on. */
  readonly firstSeq?: number;
  /** The epoch of a log that is new. */
  readonly epoch?: string;
}

/** Between two attempts, in milliseconds. */
const TRY_AGAIN = 250;

/** Codes of the API of JetStream that no later try will change. */
const NO_CLUSTER = 10_074;
const TAKEN = 10_058;
const NOT_FOUND = 10_059;

/** What stands before the epoch in the description of the stream: there, so that it goes wherever the stream goes. */
const DESCRIPTION = 'The log of InterChat. Epoch ';

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
  const until = performance.now() + patience;
  for (;;) {
    try {
      const epoch = await ensureLog(link, names, options);
      await ensureBucket(link, names, options);
      return epoch;
    } catch (error) {
      const { code } = error as JetStreamApiError;
      if (error instanceof EngineUnusable) throw error;
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
  const { replicas, dedupWindow, firstSeq, epoch = crypto.randomUUID() } = options;
  const there = await jsm.streams.info(names.log).catch(nothing);
  if (!there) {
    const config: Partial<StreamConfig> & { name: string } = {
      name: names.log,
      description: DESCRIPTION + epoch,
      subjects: [names.subject('>')],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      // Refused rather than forgotten: what a full server cannot take is not acknowledged.
      discard: DiscardPolicy.New,
      num_replicas: replicas,
      duplicate_window: nanos(dedupWindow),
      allow_direct: true,
      republish: { src: names.subject('>'), dest: names.live('>') },
      ...(firstSeq === undefined ? {} : { first_seq: firstSeq }),
    };
    try {
      await jsm.streams.add(config);
    } catch (error) {
      // Another node was first, with an epoch of its own: that one counts, once it can be read.
      if ((error as JetStreamApiError).code !== TAKEN) throw error;
    }
    return ensureLog({ jsm } as Link, names, options);
  }
  const { description = '', num_replicas, duplicate_window } = there.config;
  if (!description.startsWith(DESCRIPTION)) {
    throw new EngineUnusable(
      `The stream ${names.log} in NATS is not a log of InterChat. Give another name at the end of --engine: nats://HOST/NAME.`,
    );
  }
  if (num_replicas < replicas || duplicate_window !== nanos(dedupWindow)) {
    await jsm.streams.update(names.log, {
      num_replicas: Math.max(num_replicas, replicas),
      duplicate_window: nanos(dedupWindow),
    });
  }
  return description.slice(DESCRIPTION.length);
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

/** Not there is an answer; everything else an error. */
function nothing(error: unknown): undefined {
  if ((error as JetStreamApiError).code !== NOT_FOUND) throw error;
}
