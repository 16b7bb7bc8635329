import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JsMsg,
  type MsgRequest,
  type StoredMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { EngineUnavailable } from '../engine.js';
import { asked, type Link, unavailable } from './link.js';
import { LogPlaces } from './log-places.js';

/** Which part of a stream to read: what is stored under `filter` behind `after`, up to and with `upTo`. */
export interface Part {
  readonly stream: string;
  /** A subject; may have wildcards. */
  readonly filter: string;
  readonly after: number;
  /** A place at which, as its leader said, there is something: the end is known by having met it. */
  readonly upTo: number;
  readonly headersOnly: boolean;
}

/** A message of a stream; `seq` is its place in the log, its sequence in another stream. */
export type ReadMessage = Pick<JsMsg, 'seq' | 'subject' | 'headers' | 'data'>;

/** The same, found alone. */
export type FoundMessage = Pick<StoredMsg, 'seq' | 'subject' | 'header' | 'data'>;

/** The places in all streams but the log. */
const SEQUENCES = new LogPlaces();

/** How many messages are asked for at a time. */
const WHOLE_AT_A_TIME = 100;
const HEADERS_AT_A_TIME = 1_000;

/** The least that JetStream lets one wait, in milliseconds. */
const PATIENCE = 1_000;

/** For how long a reader that is lost is kept by the server, in milliseconds. */
const FORGOTTEN_AFTER = 10_000;

/** How often one goes on after a failure, such as a server that ends meanwhile. */
const ATTEMPTS = 4;

/** How many are read one by one at a time. */
const SINGLY = 32;

/**
 * Reads from streams of JetStream. Only the leader of a stream knows all that was acknowledged: the other copies, which answer
 * direct gets and may serve consumers, can be a little behind, though what they have of a topic is always a beginning of it
 * without holes. So how far there is something to be read is asked of the leader, and then read from whichever copy until
 * that has been met.
 */
export class Reads {
  /** @param log the stream of the log, and the places of its messages: all methods take and give these for it */
  constructor(
    private readonly link: Link,
    private readonly log: string,
    private readonly places: LogPlaces,
  ) {}

  /** The newest message under this subject, by the leader; null when there is none. @throws EngineUnavailable */
  async newest(stream: string, subject: string): Promise<FoundMessage | null> {
    return placedAt(this.#placesOf(stream), await this.#newest(stream, subject));
  }

  /** The first message under this subject behind a place, by the leader; null when there is none. @throws EngineUnavailable */
  async next(stream: string, subject: string, after: number): Promise<FoundMessage | null> {
    this.link.assertUp();
    const places = this.#placesOf(stream);
    // The types of the client know it for direct gets only.
    const query = { seq: places.toSequence(after) + 1, next_by_subj: subject } as MsgRequest;
    return placedAt(places, await asked(this.link.jsm.streams.getMessage(stream, query)));
  }

  /** What there is at a place; null when nothing is, or is no more. @throws EngineUnavailable */
  async at(stream: string, place: number): Promise<FoundMessage | null> {
    this.link.assertUp();
    const places = this.#placesOf(stream);
    const seq = places.sequenceAt(place);
    if (seq === undefined) return null;
    const direct = await this.link.jsm.direct.getMessage(stream, { seq }).catch(() => null);
    return direct ? placedAt(places, direct) : this.atLeader(stream, place);
  }

  /** What there is at a place, by the leader. @throws EngineUnavailable */
  async atLeader(stream: string, place: number): Promise<FoundMessage | null> {
    this.link.assertUp();
    const places = this.#placesOf(stream);
    const seq = places.sequenceAt(place);
    return seq === undefined ? null : placedAt(places, await asked(this.link.jsm.streams.getMessage(stream, { seq })));
  }

  /** What there is at these places, in their order. @throws EngineUnavailable */
  async atEach(stream: string, seqs: readonly number[]): Promise<(FoundMessage | null)[]> {
    const found: (FoundMessage | null)[] = [];
    for (let from = 0; from < seqs.length; from += SINGLY) {
      found.push(...(await Promise.all(seqs.slice(from, from + SINGLY).map((seq) => this.at(stream, seq)))));
    }
    return found;
  }

  /** Reads a part, in order, some at a time. @throws EngineUnavailable */
  scan(part: Part): AsyncGenerator<readonly ReadMessage[], void, void> {
    const places = this.#placesOf(part.stream);
    return places.isIdentity ? this.#scan(part) : this.#scanSegments(part, places);
  }

  async *#scanSegments(part: Part, places: LogPlaces): AsyncGenerator<readonly ReadMessage[], void, void> {
    const [after, upTo] = [places.toSequence(part.after), places.toSequence(part.upTo)];
    for await (const messages of this.#scan({ ...part, after, upTo })) {
      yield messages.map(({ seq, subject, headers, data }) => ({ seq: places.toPlace(seq), subject, headers, data }));
    }
  }

  #placesOf(stream: string): LogPlaces {
    return stream === this.log ? this.places : SEQUENCES;
  }

  #newest(stream: string, subject: string): Promise<StoredMsg | null> {
    this.link.assertUp();
    return asked(this.link.jsm.streams.getMessage(stream, { last_by_subj: subject }));
  }

  /** The same between two sequences. */
  async *#scan(part: Part): AsyncGenerator<readonly JsMsg[], void, void> {
    let { after, upTo } = part;
    let failures = 0;
    while (after < upTo) {
      try {
        for await (const messages of this.#consume({ ...part, after, upTo })) {
          failures = 0;
          after = messages.at(-1)?.seq ?? after;
          yield messages;
        }
        if (after >= upTo) return;
        // What was to be met has gone meanwhile, or the copy that was asked is behind.
        const newest = await this.#newest(part.stream, part.filter);
        upTo = Math.min(upTo, newest?.seq ?? 0);
        if (++failures > ATTEMPTS) throw new EngineUnavailable('a copy of the log stays behind');
      } catch (error) {
        if (++failures > ATTEMPTS) throw error instanceof EngineUnavailable ? error : unavailable(error);
        this.link.assertUp();
      }
    }
  }

  /** Reads until the end is met or nothing comes any more. */
  async *#consume({ stream, filter, after, upTo, headersOnly }: Part): AsyncGenerator<readonly JsMsg[], void, void> {
    const { jsm, js } = this.link;
    this.link.assertUp();
    const info = await jsm.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: after + 1,
      filter_subject: filter,
      headers_only: headersOnly,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(FORGOTTEN_AFTER),
    });
    try {
      const consumer = js.consumers.getConsumerFromInfo(info);
      const most = headersOnly ? HEADERS_AT_A_TIME : WHOLE_AT_A_TIME;
      let position = after;
      let pending = info.num_pending;
      while (position < upTo) {
        const messages = await fetch(consumer, Math.max(1, Math.min(pending, most)));
        const last = messages.at(-1);
        if (!last) return;
        position = last.seq;
        pending = last.info.pending;
        yield messages;
      }
    } finally {
      jsm.consumers.delete(stream, info.name).catch(() => undefined);
    }
  }
}

/**
 * Copies of a stream can differ after a fault of NATS: no reader is ever given what was sent to another topic.
 * @throws EngineUnavailable when something else stands at the place than what was stored there
 */
export function assertStoredUnder(subject: string, found: FoundMessage | null | undefined): void {
  if (!found || found.subject === subject) return;
  throw new EngineUnavailable(
    'a copy of the log in NATS has another message at a place than the one that was stored there',
  );
}

/** The message with its place for its sequence. */
function placedAt(places: LogPlaces, found: StoredMsg | null): FoundMessage | null {
  if (!found || places.isIdentity) return found;
  const { seq, subject, header, data } = found;
  return { seq: places.toPlace(seq), subject, header, data };
}

async function fetch(consumer: Consumer, count: number): Promise<JsMsg[]> {
  const messages: JsMsg[] = [];
  const fetching = await consumer.fetch({ max_messages: count, expires: PATIENCE });
  // If the connection breaks meanwhile and the consumer is not there afterwards, the client waits for ever.
  const timer = setTimeout(() => fetching.stop(), 2 * PATIENCE);
  try {
    for await (const message of fetching) {
      messages.push(message);
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
  return messages;
}
