import type { Message } from '../sdk/resources.js';
import type { ConversationKey } from './conversation-key.js';
import type { Outgoing } from './outgoing.js';

/** What this tab remembers. Each entry is written by itself, as the cursor changes with each message. */
interface Remembered {
  readonly token: string;
  readonly cursor: string;
  readonly index: number;
  readonly name: string;
  /** The rooms it is in, to enter them again should the client have left meanwhile. */
  readonly rooms: readonly string[];
  /** Who this tab was before: what those have sent is one's own. */
  readonly former: readonly number[];
  /** What was sent to single clients: no stream and no history brings it back to its sender. */
  readonly sent: readonly Message[];
  readonly drafts: Readonly<Partial<Record<ConversationKey, string>>>;
  readonly outbox: readonly Outgoing[];
  /** Up to which message each conversation with a single client was read: the server keeps one mark for the whole mailbox. */
  readonly marks: Readonly<Partial<Record<ConversationKey, string>>>;
}

/**
 * Keeps what makes a reload the same client, and a second tab another one: in sessionStorage, which a browser keeps for each
 * tab and forgets with it. Where it is not to be had, or full, things are kept until the page is left.
 */
export class Session {
  readonly #memory = new Map<keyof Remembered, unknown>();

  constructor(private readonly prefix = 'interchat.') {}

  get<Name extends keyof Remembered>(name: Name): Remembered[Name] | undefined {
    if (!this.#memory.has(name)) this.#memory.set(name, this.#read(name));
    return this.#memory.get(name) as Remembered[Name] | undefined;
  }

  set<Name extends keyof Remembered>(name: Name, value: Remembered[Name] | undefined): void {
    this.#memory.set(name, value);
    try {
      if (value === undefined) sessionStorage.removeItem(this.prefix + name);
      else sessionStorage.setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      // Not to be kept: it lasts as long as the page.
    }
  }

  #read(name: keyof Remembered): unknown {
    try {
      return JSON.parse(sessionStorage.getItem(this.prefix + name) ?? 'null') ?? undefined;
    } catch {
      return undefined;
    }
  }
}
