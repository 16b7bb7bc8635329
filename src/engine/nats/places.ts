import type { ArchivedEntry } from '../archive.js';
import { EngineUnavailable } from '../engine.js';
import type { IdleStore } from './idle-store.js';
import { VOID } from './importing.js';
import { asked } from './link.js';
import { headersOf } from './publisher.js';
import { encodeHeaders } from './record.js';

/** How many are published before their answers are waited for. */
const AT_A_TIME = 4_000;

/** The most places that are filled with something empty, which takes some 30 seconds. */
const LARGEST_GAP = 1_000_000;

const EXPECTED = 'Nats-Expected-Last-Sequence';
const NOTHING = new Uint8Array();

/**
 * Stores entries at the places they have. JetStream gives each message the next sequence, so before an entry that is further on
 * something has to be stored for each place between. A gap of more than {@link LARGEST_GAP} places begins a new segment instead:
 * see LogPlaces. Each message says behind which sequence it belongs, and is refused anywhere else: so one that is lost takes none
 * of those after it to a wrong place.
 */
export class Places {
  #underWay: Promise<void>[] = [];
  #place: number;

  /** @param seq the sequence of the newest message there ever was */
  constructor(
    private readonly store: IdleStore,
    private seq: number,
  ) {
    this.#place = store.places.toPlace(seq);
  }

  /** Resolves when all are stored. @throws EngineUnavailable */
  async add(entries: readonly ArchivedEntry[]): Promise<void> {
    const { names } = this.store;
    for (const { seq, topic, body, appendedAt, ...rest } of entries) {
      await this.#goTo(seq - 1);
      const headers = encodeHeaders({ topic, body, ...rest }, appendedAt);
      await this.#publish(names.subject(topic), body, headers);
    }
    await this.#stored();
  }

  /** The next entry will be behind this place, if it is not already. @throws EngineUnavailable */
  async reach(place: number): Promise<void> {
    await this.#goTo(place);
    await this.#stored();
  }

  /** Removes what was stored where there is no entry. @throws EngineUnavailable */
  async clear(): Promise<void> {
    const { link, names } = this.store;
    // Purged, not deleted: servers of version 2.9 find no newest message any more once that of the stream was deleted.
    await asked(link.jsm.streams.purge(names.log, { filter: names.subject(VOID) }));
  }

  async #goTo(place: number): Promise<void> {
    const { bucket, names, places } = this.store;
    if (this.#place >= place) return;
    const subject = names.subject(VOID);
    if (place - this.#place > LARGEST_GAP) {
      await this.#stored();
      await places.begin(bucket, { fromSeq: this.seq + 1, fromPlace: place });
      this.#place = place - 1;
    }
    while (this.#place < place) await this.#publish(subject, NOTHING, headersOf({}));
  }

  async #publish(subject: string, body: Uint8Array, headers: ReturnType<typeof headersOf>): Promise<void> {
    headers.set(EXPECTED, String(this.seq));
    this.#place++;
    this.#underWay.push(this.#publishAt(++this.seq, subject, body, headers));
    if (this.#underWay.length >= AT_A_TIME) await this.#stored();
  }

  async #publishAt(
    expected: number,
    subject: string,
    body: Uint8Array,
    headers: ReturnType<typeof headersOf>,
  ): Promise<void> {
    const seq = await this.store.publisher.publish(subject, body, headers);
    if (seq !== expected) throw new EngineUnavailable(`NATS has stored as message ${seq} what is message ${expected}`);
  }

  async #stored(): Promise<void> {
    const underWay = this.#underWay;
    this.#underWay = [];
    await Promise.all(underWay);
  }
}
