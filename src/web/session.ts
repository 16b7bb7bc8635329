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
  /** When the client was made: where the same number was made at another time, it is another client. */
  readonly since: string;
  /** Which of the rooms are private. */
  readonly privateRooms: readonly string[];
  /** Private rooms that one was in, and is no more: what still comes of them is not shown. */
  readonly gone: readonly string[];
}

/**
 * Keeps what makes a reload the same client, and a second tab another one: in sessionStorage, which a browser keeps for each
 * tab and forgets with it. Where it is not to be had, or full, things are kept until the page is left.
 *
 * What an account has is kept apart from what others have, and holds no secret: that is in a cookie.
 */
export class Session {
  readonly #memory = new Map<keyof Remembered, unknown>();

  #closed = false;

  constructor(private readonly prefix: string) {}

  /** Of a client that needs no account. */
  static ofClient(): Session {
    return new Session('interchat.');
  }

  static ofAccount(name: string): Session {
    return new Session(`interchat@${name}.`);
  }

  get<Name extends keyof Remembered>(name: Name): Remembered[Name] | undefined {
    if (!this.#memory.has(name)) this.#memory.set(name, this.#read(name));
    return this.#memory.get(name) as Remembered[Name] | undefined;
  }

  set<Name extends keyof Remembered>(name: Name, value: Remembered[Name] | undefined): void {
    this.#memory.set(name, value);
    if (this.#closed) return;
    try {
      if (value === undefined) sessionStorage.removeItem(this.prefix + name);
      else sessionStorage.setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      // Not to be kept: it lasts as long as the page.
    }
  }

  /** Keeps what there is for whoever returns: nothing is written any more. */
  close(): void {
    this.#closed = true;
  }

  /** Forgets all of it, for good. */
  clear(): void {
    this.close();
    this.#memory.clear();
    try {
      for (const name of Object.keys(sessionStorage)) {
        if (name.startsWith(this.prefix)) sessionStorage.removeItem(name);
      }
    } catch {
      // It was not kept.
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
