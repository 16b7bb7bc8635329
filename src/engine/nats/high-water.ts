import type { StreamInfo } from '@nats-io/jetstream';
import { EngineUnavailable } from '../engine.js';
import type { Link } from './link.js';
import { epochFrom } from './log-description.js';

/** What is known of a stream: it must never be older than this. */
interface HighWaterMark {
  /** The highest sequence that its leader has told or acknowledged. */
  last: number;
  /** How many messages this process had published when it learned that: the acknowledgement of a later one is above `last`. */
  published: number;
  /** What is wrong with the stream, and since when (performance.now). */
  fault: { readonly text: string; readonly since: number; told: boolean } | undefined;
}

/** A stream may seem older for this many milliseconds while its servers elect a leader; after that it is lost. */
const CONFIRMED_AFTER = 3_000;

/** What to do about a loss. */
export const ACCEPT_LOSS =
  'Bring back what is missing, or stop all nodes and start one with --accept-loss to go on without it.';

/**
 * Notices that a stream was lost, or replaced by an older copy of itself: JetStream says neither. A disk that was wiped, a
 * stream that was removed and made again, and a snapshot that was restored have one thing in common: the last sequence is
 * below one that this process knows. Nothing is read or acknowledged from such a stream, and it is never made anew here.
 */
export class HighWater {
  readonly #marks = new Map<string, HighWaterMark>();
  #published = 0;

  /**
   * @param epoch of the log that this process serves
   * @param log the stream of that log
   * @param onLost called once for each stream that is lost, with one line for the operator
   * @param onOtherEpoch called whenever the log in NATS has another epoch
   */
  constructor(
    private readonly link: Link,
    readonly epoch: string,
    private readonly log: string,
    private readonly onLost: (line: string) => void,
    private readonly onOtherEpoch: (epoch: string) => void,
  ) {}

  /** The highest sequence known of a stream. */
  of(stream: string): number {
    return this.#markOf(stream).last;
  }

  /**
   * Checks what the leader of a stream says of it.
   * @param known what {@link of} was when it was asked: acknowledgements may have overtaken the answer
   * @throws EngineUnavailable when it is not the stream that it was
   */
  check({ config: { name, description }, state }: StreamInfo, known: number): void {
    const mark = this.#markOf(name);
    const epoch = name === this.log ? epochFrom(description) : this.epoch;
    if (epoch !== this.epoch) {
      if (epoch !== undefined) this.onOtherEpoch(epoch);
      this.#refuse(mark, `The log in NATS (${name}) is not the one that this node serves.`);
    }
    if (state.last_seq < known) this.#refuse(mark, goesBack(name, state.last_seq, known));
    if (state.last_seq > mark.last) this.#raise(mark, state.last_seq);
    if (!mark.fault) return;
    mark.fault = undefined;
    this.#tell();
  }

  /** JetStream says that there is no such stream. */
  missing(stream: string): void {
    this.#fault(this.#markOf(stream), `The stream ${stream} is gone from NATS.`);
  }

  /** A message is published. @returns its number, for {@link acknowledged} */
  publish(): number {
    return ++this.#published;
  }

  /** A message was acknowledged. @returns whether the stream is the one that it was */
  acknowledged(stream: string, seq: number, number: number): boolean {
    const mark = this.#marks.get(stream);
    // Of what can be made anew without a loss nothing is known.
    if (!mark) return true;
    if (seq > mark.last) {
      // Until its leader says otherwise it may be another one.
      if (mark.fault) return false;
      this.#raise(mark, seq);
    } else if (number > mark.published) {
      this.#fault(mark, goesBack(stream, seq, mark.last));
      return false;
    }
    return true;
  }

  #markOf(stream: string): HighWaterMark {
    let mark = this.#marks.get(stream);
    if (!mark) this.#marks.set(stream, (mark = { last: 0, published: 0, fault: undefined }));
    return mark;
  }

  #raise(mark: HighWaterMark, last: number): void {
    mark.last = last;
    mark.published = this.#published;
  }

  #refuse(mark: HighWaterMark, text: string): never {
    this.#fault(mark, text);
    throw new EngineUnavailable(text);
  }

  #fault(mark: HighWaterMark, text: string): void {
    mark.fault = { text, since: mark.fault?.since ?? performance.now(), told: mark.fault?.told ?? false };
    this.#tell();
    if (mark.fault.told || performance.now() - mark.fault.since < CONFIRMED_AFTER) return;
    mark.fault.told = true;
    this.onLost(`${text} ${ACCEPT_LOSS}`);
  }

  #tell(): void {
    const faults = [...this.#marks.values()].flatMap(({ fault }) => (fault ? [fault.text] : []));
    this.link.loss = faults.length > 0 ? `${faults.join(' ')} ${ACCEPT_LOSS}` : null;
  }
}

function goesBack(stream: string, last: number, known: number): string {
  return `The stream ${stream} in NATS ends at ${last}, and ${known} was stored: a disk was lost, or an older copy was brought back.`;
}
