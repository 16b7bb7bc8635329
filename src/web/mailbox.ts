import type { Message, MessagePage } from '../sdk/resources.js';
import { isLastPage } from './page-end.js';
import type { Api } from './api.js';

/** Above every id there is: the newest page is the one before it. */
export const END = 999_999_999_999_999;

/** What was sent to this client, read backwards. It is one history, whoever the messages are from. */
export class Mailbox {
  /** Whether there is nothing older. */
  ended = false;
  /** Whether there was, and is no longer kept. */
  #lost = false;
  #places: number[] = [];

  constructor(
    private readonly api: Api,
    private readonly index: () => number | undefined,
  ) {}

  /** How many were read. */
  get size(): number {
    return this.#places.length;
  }

  /** Whether there is something older than what was read. */
  get rest(): 'more' | 'none' | 'lost' {
    if (!this.ended) return 'more';
    return this.#lost ? 'lost' : 'none';
  }

  /** The newest. */
  async first(limit: number): Promise<readonly Message[]> {
    this.reset();
    return this.older(limit);
  }

  /** What is before what was read. @throws ProblemError, Unreachable */
  async older(limit: number): Promise<readonly Message[]> {
    const index = this.index();
    if (this.ended || index === undefined) return [];
    const path = `clients/${index}/messages?before=${this.#places[0] ?? END}&limit=${limit}`;
    const { messages, gap } = await this.api.call<MessagePage>({ what: 'Read my mailbox', path, asMe: true });
    if (isLastPage(messages, limit)) {
      this.ended = true;
      this.#lost = gap;
    }
    this.#places = [...messages.map(({ id }) => Number(id)), ...this.#places];
    return messages;
  }

  /** The place before the newest so many of what was read; 0 where there is nothing before them. */
  placeBefore(newest: number): number {
    return this.#places.at(-1 - newest) ?? 0;
  }

  /** Has what is before this place read again: what was read of it is not held any more. */
  rewind(place: number): void {
    this.reset();
    this.#places = [place];
  }

  reset(): void {
    this.ended = false;
    this.#lost = false;
    this.#places = [];
  }
}
