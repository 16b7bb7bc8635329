import { createHash } from 'node:crypto';
import type { Engine, Entry, Seq } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { Clients, type ClientInfo } from './clients.js';
import { Credentials } from './credentials.js';
import {
  ClientGone,
  Draining,
  Forbidden,
  IdempotencyKeyReused,
  InvalidRequest,
  NoSuchMessage,
  Unauthorized,
} from './errors.js';
import { Feeds } from './feeds.js';
import { type MailboxPage, type MailboxQuery, readMailbox } from './mailbox.js';
import { type Content, encodeEnvelope, messageJson, type Sender } from './message.js';
import { type Sink, Subscription } from './subscription.js';
import { mailboxOf } from './topics.js';

/** Why a stream ends: the reason in its last event. */
export type CloseReason = 'shutdown' | 'left' | 'slow-consumer' | 'expired';

/** An open connection on which a client receives. */
export interface Stream extends Sink {
  /** Says goodbye and ends. Must not throw. */
  close(reason: CloseReason): void;
}

export interface HubOptions {
  readonly secret: string | Buffer;
  /** For how many milliseconds a client may be away. */
  readonly grace: number;
  /** Streams a client may have open at once. */
  readonly maxStreams?: number;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError?: (error: unknown) => void;
  readonly now?: () => number;
}

/** Who somebody claims to be, as presented: nothing of it has been checked. */
export interface Claim {
  readonly token?: string;
  /** In order of precedence; a place alone (digits) serves where a token says who. */
  readonly cursors: readonly string[];
}

/** A client that is about to open a stream, and from where. */
export interface Identity {
  readonly index: ClientIndex;
  readonly position: Seq;
  /** Whether it is a client that was there before. */
  readonly resumed: boolean;
}

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

export interface SendOptions {
  /** Who sends; null for whoever did not say. */
  readonly from: ClientIndex | null;
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

const MAX_STREAMS = 16;
const START = 0 as Seq;
const DIGITS = /^\d{1,15}$/;

/** The switchboard: who is connected, what is sent to whom, and what each stream gets. It knows nothing of HTTP. */
export class Hub {
  readonly credentials: Credentials;
  readonly clients: Clients;
  readonly #engine: Engine;
  readonly #feeds: Feeds;
  readonly #streams = new Map<ClientIndex, Set<Stream>>();
  /** What answers whoever waits for a message without a stream, by client. */
  readonly #waiting = new Map<ClientIndex, Set<() => void>>();
  #draining = false;
  readonly #now: () => number;

  private constructor(engine: Engine, clients: Clients, options: HubOptions) {
    this.#engine = engine;
    this.#feeds = new Feeds(engine.log);
    this.#now = options.now ?? Date.now;
    this.clients = clients;
    this.credentials = new Credentials(options.secret, engine.log.epoch);
  }

  /** @param engine stays the caller's: it is to be closed after the hub */
  static async open(engine: Engine, options: HubOptions): Promise<Hub> {
    const onError = options.onError ?? (() => undefined);
    const clients = await Clients.open(engine, {
      grace: options.grace,
      maxStreams: options.maxStreams ?? MAX_STREAMS,
      now: options.now ?? Date.now,
      onError,
      onLeft: (index) => {
        hub.#closeStreams(index, 'left');
        hub.#answerWaiting(index);
        engine.log.drop(mailboxOf(index)).catch(onError);
      },
    });
    const hub = new Hub(engine, clients, options);
    return hub;
  }

  /** Null while messages can be taken and delivered; otherwise why not. */
  health(): string | null {
    return this.draining ? 'the server is stopping' : this.#engine.health();
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** How many streams are open in this process. */
  get streams(): number {
    let streams = 0;
    for (const set of this.#streams.values()) streams += set.size;
    return streams;
  }

  /**
   * Finds out who wants to open a stream: whoever its token proves, else whoever its cursor does, else somebody new.
   * @throws Unauthorized, ClientGone for a token that is no good; a cursor that is no good makes a new client
   */
  async identify(claim: Claim, name: string | null): Promise<Identity> {
    if (this.draining) throw new Draining();
    if (claim.token !== undefined) {
      const index = await this.authenticate(claim.token);
      return { index, position: await this.#positionOf(claim.cursors, index), resumed: true };
    }
    const cursor = claim.cursors[0] === undefined ? undefined : this.credentials.verifyCursor(claim.cursors[0]);
    if (cursor && this.clients.isStaying(cursor.index)) {
      return { index: cursor.index, position: await this.#clamp(cursor.seq), resumed: true };
    }
    const { client, position } = await this.join(name);
    return { index: client.index, position, resumed: false };
  }

  /** Makes a client that has no stream yet. */
  async join(name: string | null): Promise<{ client: ClientInfo; position: Seq }> {
    if (this.draining) throw new Draining();
    // Before there is somebody to send to: what is sent to it the moment it can be listed is behind this place.
    const position = await this.#engine.log.last();
    return { client: await this.clients.join(name), position };
  }

  /** Whose token it is. @throws Unauthorized, ClientGone */
  async authenticate(token: string): Promise<ClientIndex> {
    const index = this.credentials.verifyToken(token);
    if (index === undefined) {
      throw new Unauthorized(
        'This token is not genuine, or of another server. Connect without one to get a new client and its token.',
      );
    }
    if (!this.clients.isStaying(index)) throw new ClientGone(index);
    return index;
  }

  /** Lets the client itself pass and nobody else. @throws Unauthorized, Forbidden, ClientGone, NoSuchClient */
  async authorize(token: string | undefined, index: ClientIndex): Promise<void> {
    if (token === undefined) {
      throw new Unauthorized(`Only client ${index} itself may do this. Send its token: Authorization: Bearer TOKEN.`);
    }
    const bearer = await this.authenticate(token);
    await this.clients.assertThere(index);
    if (bearer !== index)
      throw new Forbidden(`This token is client ${bearer}'s. Only client ${index} itself may do this.`);
    this.clients.seen(index);
  }

  /**
   * Opens a stream of this client: counts it, has it welcomed, then keeps it supplied until the signal says that it is gone.
   * Resolves when all that was kept for it has been given to it.
   * @param welcome makes the stream; called with its client as it then is
   * @throws NoSuchClient, ClientGone, TooManyStreams, EngineUnavailable
   */
  async openStream(identity: Identity, signal: AbortSignal, welcome: (client: ClientInfo) => Stream): Promise<void> {
    const { index } = identity;
    const socket = await this.clients.streamOpened(index);
    const closed = () => this.clients.streamClosed(index, socket);
    if (signal.aborted) return closed();
    signal.addEventListener('abort', closed, { once: true });
    const client = await this.clients.get(index);
    if (signal.aborted) return;
    const stream = welcome(client);
    if (this.draining) return stream.close('shutdown');
    if (!this.clients.isStaying(index)) return stream.close('left');
    this.#remember(index, stream);
    signal.addEventListener('abort', () => this.#forget(index, stream), { once: true });
    await Subscription.start(this.#engine.log, this.#feeds, mailboxOf(index), identity.position, stream, signal);
  }

  /**
   * Sends a message to a client; resolves when it is durable.
   * @throws NoSuchClient, ClientGone, InvalidRequest, IdempotencyKeyReused, EngineUnavailable
   */
  async send(to: ClientIndex, content: Content, { from, ttl, idempotencyKey }: SendOptions): Promise<Sent> {
    await this.clients.assertThere(to);
    const sentAt = this.#now();
    const expiresAt = ttl === undefined || ttl === 0 ? undefined : sentAt + ttl * 1000;
    const sender = from === null ? null : this.#sender(from);
    const json = encodeEnvelope({ from: sender, to: { client: to }, ...content, sentAt, expiresAt });
    const topic = mailboxOf(to);
    const body = Buffer.from(json);
    const reach = this.clients.isOnline(to) ? 1 : 0;
    if (ttl === 0) {
      await this.#engine.log.relay(topic, body);
      return { seq: null, json: messageJson(null, json), reach, replayed: false };
    }
    const request = idempotencyKey === undefined ? undefined : fingerprint(to, content, ttl);
    const dedup =
      request === undefined
        ? undefined
        : {
            key: `${from ?? ''} ${idempotencyKey}`,
            note: JSON.stringify({ request, json, reach } satisfies Receipt),
          };
    const [appended] = await this.#engine.log.append([{ topic, body, expiresAt, dedup }]);
    if (!appended) throw new Error('the engine answered for no entry');
    const { seq, duplicate } = appended;
    if (!duplicate) return { seq, json: messageJson(seq, json), reach, replayed: false };

    const first = JSON.parse(duplicate.note) as Receipt;
    if (first.request !== request) throw new IdempotencyKeyReused();
    return { seq, json: messageJson(seq, first.json), reach: first.reach, replayed: true };
  }

  /**
   * Reads a client's mailbox without a stream. Waiting ends early when the server stops.
   * @param gone aborts when nobody waits for the answer any more
   * @throws ClientGone when it leaves meanwhile, EngineUnavailable
   */
  async readMailbox(index: ClientIndex, query: MailboxQuery, gone: AbortSignal): Promise<MailboxPage> {
    // Not AbortSignal.any: a signal that lives as long as the server would remember each request.
    const over = new AbortController();
    const end = () => over.abort();
    gone.addEventListener('abort', end, { once: true });
    if (gone.aborted || this.draining) end();
    const waiting = this.#waiting.get(index) ?? new Set();
    this.#waiting.set(index, waiting.add(end));
    const waited = this.clients.waits(index);
    try {
      const page = await readMailbox(this.#engine.log, this.#feeds, mailboxOf(index), query, over.signal);
      await this.clients.assertThere(index);
      return page;
    } finally {
      waited();
      if (waiting.delete(end) && waiting.size === 0) this.#waiting.delete(index);
    }
  }

  /**
   * One message of a mailbox, for its addressee or its sender.
   * @throws Unauthorized, Forbidden, NoSuchMessage, ClientGone, NoSuchClient
   */
  async readMessage(index: ClientIndex, seq: Seq, token: string | undefined): Promise<Entry> {
    if (token === undefined) {
      throw new Unauthorized(
        'Only its sender and its addressee may read a message. Send: Authorization: Bearer TOKEN.',
      );
    }
    const bearer = await this.authenticate(token);
    await this.clients.assertThere(index);
    const [entry] = await this.#engine.log.read(mailboxOf(index), { after: (seq - 1) as Seq, limit: 1 });
    const mine = bearer === index || (entry && entry.seq === seq && senderOf(entry) === bearer);
    if (!mine) throw new Forbidden(`This token is client ${bearer}'s, who neither sent this message nor got it.`);
    if (!entry || entry.seq !== seq) throw new NoSuchMessage();
    return entry;
  }

  /** Where a mailbox is to be read from: the place of an id, or of the client's own cursor. @throws InvalidRequest */
  async placeOf(text: string, index: ClientIndex, path: string): Promise<Seq> {
    if (DIGITS.test(text)) return Number(text) as Seq;
    const cursor = this.credentials.verifyCursor(text);
    if (!cursor) throw new InvalidRequest(path, 'is neither the id of a message nor a cursor of this server');
    if (cursor.index !== index) throw new Forbidden(`This cursor is client ${cursor.index}'s, not client ${index}'s.`);
    return this.#clamp(cursor.seq);
  }

  /** Takes nobody new in, answers those who wait, and closes all streams. */
  drain(): void {
    if (this.draining) return;
    this.clients.suspend();
    this.#draining = true;
    for (const index of [...this.#streams.keys()]) this.#closeStreams(index, 'shutdown');
    for (const index of [...this.#waiting.keys()]) this.#answerWaiting(index);
  }

  close(): void {
    this.drain();
    this.clients.close();
  }

  #sender(index: ClientIndex): Sender {
    this.clients.seen(index);
    return { index, name: this.clients.nameOf(index) };
  }

  /** From where a client that its token proved wants to read. With no usable cursor: all that is kept, so nothing is missed. */
  async #positionOf(cursors: readonly string[], index: ClientIndex): Promise<Seq> {
    for (const text of cursors) {
      if (DIGITS.test(text)) return this.#clamp(Number(text) as Seq);
      const cursor = this.credentials.verifyCursor(text);
      if (cursor?.index === index) return this.#clamp(cursor.seq);
    }
    return START;
  }

  /** Nobody has read further than there is: such a place would hide what is yet to come. */
  async #clamp(seq: Seq): Promise<Seq> {
    return Math.min(seq, await this.#engine.log.last()) as Seq;
  }

  #remember(index: ClientIndex, stream: Stream): void {
    const streams = this.#streams.get(index);
    if (streams) streams.add(stream);
    else this.#streams.set(index, new Set([stream]));
  }

  #forget(index: ClientIndex, stream: Stream): void {
    const streams = this.#streams.get(index);
    if (streams?.delete(stream) && streams.size === 0) this.#streams.delete(index);
  }

  #answerWaiting(index: ClientIndex): void {
    for (const end of [...(this.#waiting.get(index) ?? [])]) end();
  }

  #closeStreams(index: ClientIndex, reason: CloseReason): void {
    for (const stream of [...(this.#streams.get(index) ?? [])]) stream.close(reason);
  }
}

function senderOf(entry: Entry): number | undefined {
  const { from } = JSON.parse(Buffer.from(entry.body).toString()) as { from: Sender | null };
  return from?.index;
}

/** Tells whether a repeat asks for the same as the first. */
function fingerprint(to: ClientIndex, { text, data }: Content, ttl: number | undefined): string {
  return createHash('sha256')
    .update(JSON.stringify([to, text, data, ttl]))
    .digest('base64url');
}
