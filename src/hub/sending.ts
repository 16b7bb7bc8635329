import { createHash } from 'node:crypto';
import { EngineUnavailable, type Log, type NewEntry, type Seq, type Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import type { Clients } from './clients.js';
import { HubError, IdempotencyKeyReused, NoSuchRoom } from './errors.js';
import { type Content, encodeEnvelope, messageJson, type Sender } from './message.js';
import type { RoomId } from './room-id.js';
import { type Address, EVERYONE, mailboxOf, roomTopic } from './topics.js';

/** What was sent, as it was stored. */
export interface Sent {
  /** Its place in the log; null when it was not stored (ttl 0). */
  readonly seq: Seq | null;
  /** The message as JSON. */
  readonly json: string;
  /** How many of those addressed are online. */
  readonly reach: number;
  /** Whether nothing was sent, since the same had been sent under this key before: the rest is as it was then. */
  readonly replayed: boolean;
}

/** A message to be sent. */
export interface Outgoing extends Content {
  readonly to: Address;
  /** In seconds; 0 reaches only streams that are open now, and is not stored. */
  readonly ttl?: number;
  /** A repeat under the same key, by the same sender, sends nothing again. All who did not say who they are are one sender. */
  readonly idempotencyKey?: string;
}

/** What is kept beside a message that was sent under a key, to answer a repeat as the first was answered. */
interface Receipt {
  readonly request: string;
  readonly json: string;
  readonly reach: number;
}

/** A message that may be sent, as it goes to the log. */
interface Prepared {
  readonly entry: NewEntry;
  readonly json: string;
  readonly reach: number;
  /** See {@link fingerprint}; undefined where it has no key. */
  readonly request: string | undefined;
  readonly kept: boolean;
}

/** Takes messages, checks to whom they go, and has them stored. */
export class Sending {
  constructor(
    private readonly log: Log,
    private readonly clients: Clients,
    private readonly now: () => number,
  ) {}

  /**
   * Sends a message; resolves when it is durable.
   * @param from who sends; null for whoever did not say
   * @throws NoSuchClient, ClientGone, NoSuchRoom, InvalidRequest, IdempotencyKeyReused, EngineUnavailable
   */
  async send(from: ClientIndex | null, outgoing: Outgoing): Promise<Sent> {
    const target = this.#targetOf(from, outgoing.to);
    await this.#assertThere(target);
    const prepared = this.#prepare(this.#senderOf(from), outgoing, target);
    if (!prepared.kept) return this.#relay(prepared);
    const [appended] = await this.log.append([prepared.entry]);
    if (!appended) throw new Error('the engine answered for no entry');
    return answer(prepared, appended);
  }

  /**
   * Sends many, in their order, with one append. Resolves when all of them have their place in line, so that what is sent
   * afterwards comes behind them; `outcomes` when each is durable or refused: what was sent, or why not, in the order given.
   * @param check throws a HubError for an address that the sender may not send to
   */
  async sendAll(
    from: ClientIndex | null,
    batch: readonly Outgoing[],
    check: (to: Address) => void,
  ): Promise<{ readonly outcomes: Promise<(Sent | Error)[]> }> {
    const sender = this.#senderOf(from);
    const accepted: (Prepared | Error)[] = [];
    for (const outgoing of batch) {
      try {
        check(outgoing.to);
        const target = this.#targetOf(from, outgoing.to);
        if (!this.#isThere(target)) await this.#assertThere(target);
        accepted.push(this.#prepare(sender, outgoing, target));
      } catch (error) {
        if (!(error instanceof HubError || error instanceof EngineUnavailable)) throw error;
        accepted.push(error);
      }
    }
    return { outcomes: this.#submit(accepted) };
  }

  async #submit(accepted: readonly (Prepared | Error)[]): Promise<(Sent | Error)[]> {
    const kept = accepted.filter((one) => !(one instanceof Error) && one.kept) as Prepared[];
    const appending = this.log.append(kept.map(({ entry }) => entry)).then(
      (appended) => appended,
      (error: unknown) => {
        if (error instanceof EngineUnavailable) return error;
        throw error;
      },
    );
    const relayed = accepted.map((one) => (one instanceof Error || one.kept ? undefined : this.#relay(one)));
    const appended = await appending;
    let at = 0;
    const outcomes: (Sent | Error)[] = [];
    for (const [i, one] of accepted.entries()) {
      if (one instanceof Error) outcomes.push(one);
      else if (!one.kept) outcomes.push(await (relayed[i] as Promise<Sent>));
      else if (appended instanceof Error) outcomes.push(appended);
      else outcomes.push(outcomeOf(() => answer(one, appended[at++] as Appended)));
    }
    return outcomes;
  }

  async #relay({ entry, json, reach }: Prepared): Promise<Sent> {
    await this.log.relay(entry.topic, entry.body);
    return { seq: null, json: messageJson(null, json), reach, replayed: false };
  }

  #prepare(from: Sender | null, { to, ttl, idempotencyKey, text, data }: Outgoing, target: Target): Prepared {
    const sentAt = this.now();
    const kept = ttl !== 0;
    const expiresAt = ttl === undefined || !kept ? undefined : sentAt + ttl * 1000;
    const json = encodeEnvelope({ from, to, text, data, sentAt, expiresAt });
    const reach = this.#reachOf(target);
    const request = idempotencyKey === undefined || !kept ? undefined : fingerprint(to, { text, data }, ttl);
    const dedup =
      request === undefined
        ? undefined
        : {
            key: `${from?.index ?? ''} ${idempotencyKey}`,
            note: JSON.stringify({ request, json, reach } satisfies Receipt),
          };
    return { entry: { topic: topicOf(target), body: Buffer.from(json), expiresAt, dedup }, json, reach, request, kept };
  }

  #senderOf(index: ClientIndex | null): Sender | null {
    if (index === null) return null;
    this.clients.seen(index);
    return { index, name: this.clients.nameOf(index) };
  }

  /** What the sender means by this address: the same name may be another room to somebody else. */
  #targetOf(from: ClientIndex | null, to: Address): Target {
    return 'room' in to ? { id: this.clients.roomNamed(to.room, from), name: to.room } : to;
  }

  #isThere(to: Target): boolean {
    if ('client' in to) return this.clients.has(to.client);
    return 'id' in to ? this.clients.rooms.has(to.id) : true;
  }

  async #assertThere(to: Target): Promise<void> {
    if ('client' in to) return this.clients.assertThere(to.client);
    if ('id' in to && !(await this.clients.rooms.exists(to.id))) throw new NoSuchRoom(to.name);
  }

  #reachOf(to: Target): number {
    if ('client' in to) return this.clients.isOnline(to.client) ? 1 : 0;
    return 'id' in to ? (this.clients.rooms.get(to.id)?.online ?? 0) : this.clients.online;
  }
}

/** An address, with the room that is meant by its name. */
type Target = Exclude<Address, { room: string }> | { readonly id: RoomId; readonly name: string };

/** Where in the log the messages to it are. */
function topicOf(to: Target): Topic {
  if ('client' in to) return mailboxOf(to.client);
  return 'id' in to ? roomTopic(to.id) : EVERYONE;
}

type Appended = Awaited<ReturnType<Log['append']>>[number];

/** @throws IdempotencyKeyReused */
function answer({ json, reach, request }: Prepared, { seq, duplicate }: Appended): Sent {
  if (!duplicate) return { seq, json: messageJson(seq, json), reach, replayed: false };
  const first = JSON.parse(duplicate.note) as Receipt;
  if (first.request !== request) throw new IdempotencyKeyReused();
  return { seq, json: messageJson(seq, first.json), reach: first.reach, replayed: true };
}

function outcomeOf(answer: () => Sent): Sent | Error {
  try {
    return answer();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
}

/** Tells whether a repeat asks for the same as the first. */
function fingerprint(to: Address, { text, data }: Content, ttl: number | undefined): string {
  const target = 'client' in to ? to.client : to;
  return createHash('sha256')
    .update(JSON.stringify([target, text, data, ttl]))
    .digest('base64url');
}
