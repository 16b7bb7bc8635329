import { askedFor, backoff, isPassing } from '../sdk/backoff.js';
import { ProblemError, UnexpectedAnswer } from '../sdk/errors.js';
import type { Sent } from '../sdk/resources.js';
import { type Api, type Call, explain } from './api.js';
import type { Conversation, Pending } from './conversation.js';
import { clientOf, type ConversationKey, messagesPath, roomOf } from './conversation-key.js';
import { randomId } from './random-id.js';
import type { Outgoing } from './outgoing.js';
import type { Session } from './session.js';

/** For so long the server knows a repeat by its key (10 minutes), less what the way takes. Milliseconds. */
const KEY_LASTS = 9.5 * 60_000;

export interface OutboxListener {
  conversation(key: ConversationKey): Conversation;
  /** Who this client is now; undefined while that is not known. */
  me(): number | undefined;
  sent(message: Sent): void;
}

/**
 * What is on its way out. What is sent shows at once, and goes one after the other in each conversation, so that it arrives in
 * the order in which it was written. What did not get through is sent again under the same Idempotency-Key when the link is
 * back: never twice, and never lost, not by a reload either.
 */
export class Outbox {
  /** What is not acknowledged, oldest first, whether it is shown as pending or not. */
  #outgoing: Outgoing[] = [];
  readonly #attempts = new Map<string, number>();
  readonly #working = new Set<ConversationKey>();
  readonly #timers = new Map<ConversationKey, ReturnType<typeof setTimeout>>();
  #restored = false;
  #closed = false;

  constructor(
    private readonly api: Api,
    private readonly session: Session,
    private readonly listener: OutboxListener,
  ) {}

  send(to: ConversationKey, text: string): void {
    const sender = this.listener.me();
    if (sender === undefined) return;
    const outgoing: Outgoing = { key: randomId(), to, text, at: Date.now(), sender };
    this.#keep([...this.#outgoing, outgoing]);
    this.#show(outgoing);
    void this.#work(to);
  }

  /** The request that sending this text is. */
  call(to: ConversationKey, text: string, key?: string): Call {
    const headers: Record<string, string> = key === undefined ? {} : { 'Idempotency-Key': key };
    return { what: purposeOf(to), method: 'POST', path: messagesPath(to), text, headers, asMe: true };
  }

  /** The link is back: sends what waits. */
  resume(): void {
    if (!this.#restored) {
      this.#restored = true;
      this.#outgoing = [...(this.session.get('outbox') ?? []), ...this.#outgoing];
      for (const outgoing of this.session.get('outbox') ?? []) this.#show(outgoing);
    }
    for (const to of new Set(this.#outgoing.map((outgoing) => outgoing.to))) this.#retryPassing(to);
  }

  /** Sends this one again, because somebody wants it. */
  retry({ key, to }: Pending): void {
    this.#update(to, key, { failed: undefined, refused: undefined });
    // Who asks knows that it may have arrived: it counts as written by who one is now.
    this.#keep(
      this.#outgoing.map((one) =>
        one.key === key && !this.#keyHolds(one)
          ? { ...one, at: Date.now(), sender: this.listener.me() ?? one.sender }
          : one,
      ),
    );
    this.#retryPassing(to);
  }

  discard({ key, to }: Pending): void {
    this.#done(to, key);
    void this.#work(to);
  }

  /** Whoever wrote what waits is not known to this server: it goes out only when somebody says so, as the addressee may be another one. */
  disown(): void {
    this.#keep(this.#outgoing.map((one) => ({ ...one, sender: 0 })));
  }

  /** Nothing goes there any more, and nothing waits to. */
  drop(to: ConversationKey): void {
    clearTimeout(this.#timers.get(to));
    this.#keep(this.#outgoing.filter((one) => one.to !== to));
    this.listener.conversation(to).pending.value = [];
  }

  /** What waits is kept for whoever returns. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** Whether a repeat of this may arrive twice: its key means nothing any more. */
  mayArriveTwice({ key }: Pending): boolean {
    const outgoing = this.#outgoing.find((one) => one.key === key);
    return outgoing !== undefined && !this.#keyHolds(outgoing);
  }

  /** The stream has brought one's own message: a pending one that says the same is shown no more. It stays under way until it is answered. */
  seen(to: ConversationKey, text: string | undefined): void {
    const { pending } = this.listener.conversation(to);
    const first = pending.value.find((one) => one.text === text && one.failed === undefined);
    if (first) pending.value = pending.value.filter((one) => one !== first);
  }

  #retryPassing(to: ConversationKey): void {
    clearTimeout(this.#timers.get(to));
    const { pending } = this.listener.conversation(to);
    pending.value = pending.value.map((one) => {
      if (one.failed === undefined || one.refused) return one;
      return this.#keyHolds(one) ? { ...one, failed: undefined } : one;
    });
    void this.#work(to);
  }

  async #work(to: ConversationKey): Promise<void> {
    if (this.#closed || this.#working.has(to)) return;
    this.#working.add(to);
    try {
      for (let next = this.#next(to); next; next = this.#next(to)) if (!(await this.#attempt(next))) break;
    } finally {
      this.#working.delete(to);
    }
  }

  /** The first that is to be sent; none while one before it waits for the link. */
  #next(to: ConversationKey): Outgoing | undefined {
    const shown = new Map(this.listener.conversation(to).pending.value.map((one) => [one.key, one]));
    const next = this.#outgoing.find((one) => one.to === to && !shown.get(one.key)?.refused);
    if (!next || shown.get(next.key)?.failed !== undefined) return undefined;
    if (this.#keyHolds(next)) return next;
    this.#update(to, next.key, { failed: 'It may have arrived, or not: it was under way for too long to be sure.' });
    return undefined;
  }

  /** Whether to go on with the next. */
  async #attempt({ key, to, text }: Outgoing): Promise<boolean> {
    try {
      const sent = await this.api.call<Sent>(this.call(to, text, key));
      this.#done(to, key);
      this.listener.sent(sent);
      return true;
    } catch (error) {
      // Who is signed out signs in again, and then it goes.
      const signedOut = error instanceof ProblemError && error.status === 401;
      const passing = isPassing(error) || error instanceof UnexpectedAnswer || signedOut;
      if (!this.#outgoing.some((one) => one.key === key)) return true;
      if (this.#closed) return false;
      this.#update(to, key, { failed: explain(error), refused: !passing });
      if (!passing) return true;
      const attempts = (this.#attempts.get(key) ?? 0) + 1;
      this.#attempts.set(key, attempts);
      this.#timers.set(
        to,
        setTimeout(() => this.#retryPassing(to), backoff(attempts, askedFor(error))),
      );
      return false;
    }
  }

  #keyHolds({ at, sender }: Outgoing): boolean {
    return Date.now() - at < KEY_LASTS && sender === this.listener.me();
  }

  #done(to: ConversationKey, key: string): void {
    this.#attempts.delete(key);
    this.#keep(this.#outgoing.filter((one) => one.key !== key));
    const { pending } = this.listener.conversation(to);
    pending.value = pending.value.filter((one) => one.key !== key);
  }

  #show(outgoing: Outgoing): void {
    const { pending } = this.listener.conversation(outgoing.to);
    pending.value = [...pending.value, outgoing];
  }

  /** What is shown of one changes; it is shown again where it was not any more. */
  #update(
    to: ConversationKey,
    key: string,
    change: { failed?: string | undefined; refused?: boolean | undefined },
  ): void {
    const outgoing = this.#outgoing.find((one) => one.key === key);
    if (!outgoing) return;
    const { pending } = this.listener.conversation(to);
    if (!pending.value.some((one) => one.key === key)) this.#show(outgoing);
    pending.value = pending.value.map((one) => (one.key === key ? { ...one, ...change } : one));
  }

  #keep(outgoing: Outgoing[]): void {
    this.#outgoing = outgoing;
    this.session.set('outbox', outgoing.length === 0 ? undefined : outgoing);
  }
}

/** What sending there is for, in the words of the panel that shows it. */
function purposeOf(to: ConversationKey): string {
  const room = roomOf(to);
  if (room !== undefined) return `Send to the room ${room}`;
  const index = clientOf(to);
  return index === undefined ? 'Send to everyone' : `SEND to client ${index}`;
}
