import { randomUUID } from 'node:crypto';
import { isPassing } from '../../sdk/backoff.js';
import type { Client, Destination, Message, Sent } from '../../sdk/index.js';
import { keyOf } from './conversation.js';

/** A text that was to be sent, and its key: however often it is tried, it arrives once. */
export interface Draft {
  readonly to: Destination;
  readonly text: string;
  readonly idempotencyKey: string;
}

/** So many texts are remembered whose echo is not to be shown. */
const REMEMBERED = 100;

/** What is sent by hand, and what of it may not have arrived. */
export class Outbox {
  /** What failed and may go through the next time, oldest first. */
  readonly failed: Draft[] = [];
  readonly #shown: Pick<Draft, 'to' | 'text'>[] = [];

  constructor(private readonly client: Client) {}

  /**
   * @param isShown whether it stands on the screen as it was typed, so that what comes back of it need not be shown
   * @throws what {@link Client.sendTo} throws; if the next try may go better, it is then among the {@link failed}
   */
  async send(to: Destination, text: string, signal: AbortSignal, isShown = false): Promise<Sent> {
    // What is sent to another client does not come back.
    if (isShown && (!('client' in to) || to.client === this.client.index)) {
      this.#shown.push({ to, text });
      if (this.#shown.length > REMEMBERED) this.#shown.shift();
    }
    return this.#try({ to, text, idempotencyKey: randomUUID() }, signal);
  }

  /** Tries the oldest that failed once more, under the same key. @throws as {@link send} */
  retry(signal: AbortSignal): Promise<Sent> | undefined {
    const [draft] = this.failed;
    return draft && this.#try(draft, signal);
  }

  /** Whether this is the echo of what stands on the screen already. */
  isEcho({ from, to, text }: Message): boolean {
    if (from?.index !== this.client.index) return false;
    const at = this.#shown.findIndex((shown) => shown.text === text && keyOf(shown.to) === keyOf(to));
    return at >= 0 && this.#shown.splice(at, 1).length > 0;
  }

  async #try(draft: Draft, signal: AbortSignal): Promise<Sent> {
    const { to, text, idempotencyKey } = draft;
    const at = this.failed.indexOf(draft);
    try {
      const sent = await this.client.sendTo(to, text, { signal, idempotencyKey });
      if (at >= 0) this.failed.splice(at, 1);
      return sent;
    } catch (error) {
      const again = signal.aborted || isPassing(error);
      if (again && at < 0) this.failed.push(draft);
      if (!again && at >= 0) this.failed.splice(at, 1);
      throw error;
    }
  }
}
