import type { StreamInfo } from '@nats-io/jetstream';
import { EngineUnavailable } from '../engine.js';
import type { HighWater } from './high-water.js';
import { asked, type Link } from './link.js';
import { isNotFound } from './log-description.js';
import type { LogPlaces } from './log-places.js';

/** Whoever leads hears from the others each second. From whom it has heard nothing for so many nanoseconds is out of its reach. */
const OUT_OF_REACH = 4e9;

/** What the leader of a stream says of it. Those who ask at once share one request, but none that began before they asked. */
export class StreamState {
  #current: Promise<StreamInfo> | undefined;
  #next: Promise<StreamInfo> | undefined;
  /** A sequence. */
  #heard = 0;

  constructor(
    private readonly link: Link,
    readonly stream: string,
    /** Notices that the stream was lost; undefined where nothing is known of it yet. */
    private readonly highWater?: HighWater,
    /** Of the log's messages; undefined for another stream. */
    private readonly places?: LogPlaces,
  ) {}

  /** Asks even if it did not answer lately. @throws EngineUnavailable */
  async info(): Promise<StreamInfo> {
    return asked((this.#next ??= this.#begin()));
  }

  /** The place of the newest message there ever was: everything that was acknowledged has this place or one before. */
  async last(): Promise<number> {
    this.link.assertUp();
    return this.placeIn(await this.info());
  }

  /** The last place that an answer has told of: what was stored up to it was stored before now. */
  get heard(): number {
    return this.places?.toPlace(this.#heard) ?? this.#heard;
  }

  /** The place of the newest message in an answer. */
  placeIn({ state }: StreamInfo): number {
    return this.places?.toPlace(state.last_seq) ?? state.last_seq;
  }

  async #begin(): Promise<StreamInfo> {
    // One is under way at the most: while it is, all who come gather for the one after it.
    await this.#current?.catch(() => undefined);
    this.#current = this.#next;
    this.#next = undefined;
    const known = this.highWater?.of(this.stream) ?? 0;
    const info = await this.#ask();
    assertLed(info);
    this.highWater?.check(info, known);
    this.#heard = Math.max(this.#heard, info.state.last_seq);
    return info;
  }

  async #ask(): Promise<StreamInfo> {
    try {
      return await this.link.jsm.streams.info(this.stream);
    } catch (error) {
      if (isNotFound(error)) this.highWater?.missing(this.stream);
      throw error;
    }
  }
}

/**
 * While nobody leads, others answer, who may be behind; and who led before it was cut off from the others goes on for a while as
 * if it did, though they may have chosen another.
 * @throws EngineUnavailable
 */
function assertLed({ config: { name }, cluster }: StreamInfo): void {
  // A server on its own.
  if (!cluster) return;
  const { leader, replicas = [] } = cluster;
  if (!leader) throw new EngineUnavailable(`no NATS server leads ${name} at this moment`);
  const reached = replicas.filter(({ active = Infinity }) => active < OUT_OF_REACH).length;
  if (1 + reached <= replicas.length - reached) {
    throw new EngineUnavailable(`the NATS server that leads ${name} is cut off from most of the others`);
  }
}
