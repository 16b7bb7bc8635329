import type { StreamInfo } from '@nats-io/jetstream';
import type { Bucket } from './bucket.js';
import type { Feed } from './feed.js';
import type { Link } from './link.js';
import type { StreamState } from './stream-state.js';

/** How often the leaders are asked, in milliseconds. */
const BEAT_EVERY = 500;

/** Between two attempts to compare this node with the others, in milliseconds. */
const HASTE = 50;

/**
 * Asks the leaders of the log and of the directory again and again how far they are. So it is known whether they are there,
 * that another leads now, and up to where it is certain that nothing was missed: what was stored when the last answer but one
 * was given has come by now, if nothing happened in between by which it could have been lost.
 */
export class Pulse {
  #timer: NodeJS.Timeout | undefined;
  #beating = false;
  #closed = false;
  #doubts = 0;
  #before: { readonly last: number; readonly doubts: number } | undefined;
  #leaders: string | undefined;
  #failures = 0;

  constructor(
    private readonly link: Link,
    private readonly log: StreamState,
    private readonly directory: StreamState,
    private readonly keys: StreamState,
    private readonly feed: Feed,
    private readonly bucket: Bucket,
  ) {
    link.listen({ doubt: () => this.#doubted() });
  }

  /** Resolves after the first answers. @throws EngineUnavailable */
  async open(): Promise<void> {
    const [log] = await this.#ask();
    this.feed.confirm(this.log.placeIn(log));
    this.#timer = setTimeout(() => void this.#beat(), BEAT_EVERY).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #doubted(): void {
    this.#doubts++;
    if (this.#beating || !this.#timer || !this.link.isUnverified) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#beat(), 0).unref();
  }

  async #beat(): Promise<void> {
    this.#beating = true;
    const doubts = this.#doubts;
    const unverified = this.link.doubts;
    try {
      const [log, directory] = await this.#ask();
      this.link.silence = null;
      this.#failures = 0;
      await this.link.flush();
      if (this.link.isUnverified) {
        // By then the watchers of the bucket have seen what the other nodes have changed.
        await this.bucket.reached(directory.state.last_seq);
        this.link.verified(unverified);
      }
      if (doubts === this.#doubts) {
        if (this.#before?.doubts === doubts) this.feed.confirm(this.#before.last);
        this.#before = { last: this.log.placeIn(log), doubts };
      }
      this.bucket.confirm(directory.state.last_seq);
    } catch (error) {
      // What was asked on a connection that is no more says nothing of the one there is.
      if (doubts === this.#doubts) this.#failures++;
      // Once may be a machine that is busy, or a leader that has just changed.
      if (this.link.isConnected && this.#failures > 1) {
        this.link.silence = `JetStream does not answer: ${(error as Error).message}`;
      }
      this.link.doubt();
    }
    this.#beating = false;
    const wait = this.link.isUnverified ? HASTE : BEAT_EVERY;
    if (!this.#closed) this.#timer = setTimeout(() => void this.#beat(), wait).unref();
  }

  async #ask(): Promise<[StreamInfo, StreamInfo]> {
    const [log, directory] = await Promise.all([this.log.info(), this.directory.info(), this.keys.info()]);
    const leaders = [log, directory].map(({ cluster }) => cluster?.leader).join();
    if (this.#leaders !== undefined && leaders !== this.#leaders) this.link.doubt();
    this.#leaders = leaders;
    return [log, directory];
  }
}
