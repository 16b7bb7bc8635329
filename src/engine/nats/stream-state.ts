import type { StreamInfo } from '@nats-io/jetstream';
import { asked, type Link } from './link.js';

/** What the leader of a stream says of it. Those who ask at once share one request, but none that began before they asked. */
export class StreamState {
  #current: Promise<StreamInfo> | undefined;
  #next: Promise<StreamInfo> | undefined;

  constructor(
    private readonly link: Link,
    readonly stream: string,
  ) {}

  /** Asks even if it did not answer lately. @throws EngineUnavailable */
  async info(): Promise<StreamInfo> {
    return asked((this.#next ??= this.#begin()));
  }

  /** The place of the newest message there ever was: everything that was acknowledged has this place or one before. */
  async last(): Promise<number> {
    this.link.assertUp();
    return (await this.info()).state.last_seq;
  }

  async #begin(): Promise<StreamInfo> {
    // One is under way at the most: while it is, all who come gather for the one after it.
    await this.#current?.catch(() => undefined);
    this.#current = this.#next;
    this.#next = undefined;
    return this.link.jsm.streams.info(this.stream);
  }
}
