import type { ArchivedEntry } from '../archive.js';
import { EngineUnavailable } from '../engine.js';
import type { IdleStore } from './idle-store.js';
import { VOID } from './importing.js';
import { asked } from './link.js';
import { headersOf } from './publisher.js';
import { encodeHeaders } from './record.js';

/** How many are published before their answers are waited for. */
const AT_A_TIME = 4_000;

const EXPECTED = 'Nats-Expected-Last-Sequence';
const NOTHING = new Uint8Array();

/**
 * Stores entries at the places they have. JetStream gives each message the next sequence, so before an entry that is further on
 * something has to be stored for each place between; only a stream that is empty can be made to begin further on. Each
 * message says behind which place it belongs, and is refused anywhere else: so one that is lost takes none of those after it
 * to a wrong place.
 */
export class Places {
  #underWay: Promise<void>[] = [];
  #empty: boolean;

  /**
   * @param at the place of the newest message there ever was
   * @param empty whether nothing is there
   * @param begin has an empty stream begin at a place, where the servers can do that
   */
  constructor(
    private readonly store: IdleStore,
    private at: number,
    empty: boolean,
    private readonly begin: (seq: number) => Promise<void>,
  ) {
    this.#empty = empty;
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
    if (this.at < place && this.#empty) await this.#jump(place);
    const subject = this.store.names.subject(VOID);
    while (this.at < place) await this.#publish(subject, NOTHING, headersOf({}));
  }

  async #jump(place: number): Promise<void> {
    await this.begin(place + 1);
    this.at = (await this.store.state.info()).state.last_seq;
    if (this.at > place) throw new EngineUnavailable(`NATS is at place ${this.at} instead of ${place}`);
  }

  async #publish(subject: string, body: Uint8Array, headers: ReturnType<typeof headersOf>): Promise<void> {
    headers.set(EXPECTED, String(this.at));
    this.#empty = false;
    this.#underWay.push(this.#publishAt(++this.at, subject, body, headers));
    if (this.#underWay.length >= AT_A_TIME) await this.#stored();
  }

  async #publishAt(
    place: number,
    subject: string,
    body: Uint8Array,
    headers: ReturnType<typeof headersOf>,
  ): Promise<void> {
    const seq = await this.store.publisher.publish(subject, body, headers);
    if (seq !== place) throw new EngineUnavailable(`NATS has stored at place ${seq} what belongs to ${place}`);
  }

  async #stored(): Promise<void> {
    const underWay = this.#underWay;
    this.#underWay = [];
    await Promise.all(underWay);
  }
}
