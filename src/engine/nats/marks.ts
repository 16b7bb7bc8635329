import { Conflict, EngineUnavailable, type Json } from '../engine.js';
import type { Bucket } from './bucket.js';
import { SERIES } from './directory.js';
import type { HighWater } from './high-water.js';
import type { Link } from './link.js';
import type { LogPlaces, LogSegment } from './log-places.js';
import { isNotFound } from './log-description.js';
import type { Names } from './names.js';
import type { Publisher } from './publisher.js';

/** How far the streams had come at least: the last sequence of each, and the last number of each series. */
export interface Mark {
  /** The epoch of the log. */
  readonly epoch: string;
  readonly log: number;
  readonly directory: number;
  readonly keys: number;
  readonly series: Readonly<Record<string, number>>;
  /** Of the log; undefined where a version has written it that knew none. */
  readonly segments?: readonly LogSegment[];
}

/** For how many milliseconds a node that runs is waited for. */
const ANSWER = 1_000;

/** Under which a copy of the mark is kept in the bucket. */
const MARK = 'mark';

/** The least time between two marks, in milliseconds. What was stored after the last one is not missed if a start finds an older copy. */
export const MARK_EVERY = 1_000;

/**
 * Notes how far the streams have come in two places, a stream of its own and the bucket, so that a start notices a stream
 * that was lost. One node does it for all: the first of those alive.
 */
export class Marks {
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #noted: Pick<Mark, 'log' | 'directory' | 'keys'> = { log: -1, directory: -1, keys: -1 };

  constructor(
    private readonly link: Link,
    private readonly names: Names,
    private readonly publisher: Publisher,
    private readonly bucket: Bucket,
    private readonly highWater: HighWater,
    private readonly places: LogPlaces,
  ) {}

  /** Writes the first mark; then more while the streams go on. @param isMine whether it is for this node to do */
  async open(isMine: () => boolean): Promise<void> {
    this.link.nc.subscribe(this.names.known, {
      callback: (error, message) => {
        if (error) return;
        if (this.link.ended === null) message.respond(JSON.stringify(this.#mark()));
      },
    });
    await this.#note();
    const note = async () => {
      if (isMine()) await this.#note();
    };
    this.#timer = setInterval(
      () => void (this.#writing ??= note().finally(() => (this.#writing = undefined))),
      MARK_EVERY,
    );
    this.#timer.unref();
  }

  /** Writes the last mark. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#note();
  }

  async #note(): Promise<void> {
    const { link, bucket, names, highWater } = this;
    const { log, directory, keys } = this.#noted;
    const isNoted = highWater.of(names.log) <= log && bucket.position <= directory && highWater.of(names.keys) <= keys;
    if (isNoted || link.trouble !== null) return;
    try {
      await this.write();
    } catch (error) {
      // The next one says the same, and the health of the engine says why this one was not stored.
      if (!(error instanceof EngineUnavailable)) throw error;
    }
  }

  /** Notes how far the streams are now. @throws EngineUnavailable */
  async write(): Promise<void> {
    const { bucket, names } = this;
    const mark = this.#mark();
    // Neither is worth the reserve of a full store.
    const writes = await Promise.allSettled([
      this.publisher.publish(names.mark, Buffer.from(JSON.stringify(mark))),
      bucket.put(MARK, mark as unknown as Json, bucket.get(MARK)?.revision ?? null, false),
    ]);
    for (const write of writes) {
      // Another node has noted the same.
      if (write.status === 'rejected' && !(write.reason instanceof Conflict)) throw write.reason;
    }
    // Its own write is not worth another one.
    this.#noted = { ...mark, directory: bucket.position };
  }

  #mark(): Mark {
    const { bucket, names, highWater } = this;
    const series = [...bucket.all(SERIES)].map(([key, { value }]) => [key.slice(SERIES.length), Number(value)]);
    return {
      epoch: highWater.epoch,
      log: highWater.of(names.log),
      directory: bucket.position,
      keys: highWater.of(names.keys),
      series: Object.fromEntries(series) as Mark['series'],
      segments: this.places.segments,
    };
  }
}

/** What a node that runs knows; undefined where none answers. */
export async function askMark({ nc }: Link, names: Names): Promise<Mark | undefined> {
  try {
    return (await nc.request(names.known, '', { timeout: ANSWER })).json<Mark>();
  } catch {
    return undefined;
  }
}

/** The marks in the stream and in the bucket, where these exist. @throws JetStreamApiError */
export async function readMarks({ jsm }: Link, names: Names): Promise<Mark[]> {
  const read = async (stream: string, subject: string): Promise<Mark[]> => {
    try {
      const message = await jsm.streams.getMessage(stream, { last_by_subj: subject });
      return message ? [message.json<Mark>()] : [];
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  };
  const found = [read(names.marks, names.mark), read(names.bucketStream, names.keySubject(`${MARK}.>`))];
  return (await Promise.all(found)).flat();
}
