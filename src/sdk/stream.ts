import { type ServerSentEvent, EventParser } from './event-parser.js';
import { UnexpectedAnswer, Unreachable } from './errors.js';
import type { Bye, Deleted, Gap, Invited, Message, Presence, ReadState, Welcome } from './resources.js';
import type { Transport } from './transport.js';

/** Who opens a stream, and from where. */
export interface StreamOptions {
  /** For a client that is new. */
  readonly name?: string | undefined;
  /** Rooms to enter at once. */
  readonly rooms?: readonly string[] | undefined;
  /** Whether to be told who comes and goes. */
  readonly presence?: boolean | undefined;
  readonly token?: string | undefined;
  readonly cursor?: string | undefined;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/** What a stream brings after its welcome. */
export type StreamEvent =
  | { readonly type: 'message'; readonly message: Message; readonly cursor: string }
  | { readonly type: 'gap'; readonly gap: Gap }
  | { readonly type: 'presence'; readonly presence: Presence }
  | { readonly type: 'read'; readonly read: ReadState }
  | { readonly type: 'deleted'; readonly deleted: Deleted; readonly cursor: string }
  | { readonly type: 'invited'; readonly invited: Invited }
  | { readonly type: 'bye'; readonly bye: Bye };

/** The largest body a server can be set to take, in UTF-16 units: no event has reason to be longer by much. */
const LARGEST_EVENT = 32 * 1024 * 1024;

/** After so many heartbeats that did not come the link is dead: a late one is not, nor is one that was lost on the way. */
const SILENT_HEARTBEATS = 2.5;

/** One connection to `GET /events`. */
export class Stream {
  private constructor(
    readonly welcome: Welcome,
    /** Whether it is that of a client that signs in: by a session, a key or a JWT, and not by a token from the server. */
    readonly isSignedIn: boolean,
    private readonly parser: EventParser,
    private readonly reader: EventReader,
  ) {}

  /**
   * Opens a stream, and waits for its welcome.
   * @throws ProblemError, Unreachable, UnexpectedAnswer; the signal's reason when it aborts
   */
  static async open(transport: Transport, options: StreamOptions): Promise<Stream> {
    const { name, rooms, presence, token, cursor, signal } = options;
    const limit = new AbortController();
    const stop = () => limit.abort(signal.reason);
    const tooLate = () => limit.abort(new Unreachable(`${transport.base.href} did not answer in time.`));
    const timer = setTimeout(tooLate, transport.timeout);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const done = () => signal.removeEventListener('abort', stop);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (cursor !== undefined) headers['last-event-id'] = cursor;
      const query = { name, rooms: rooms?.join() || undefined, presence: presence ? 'true' : undefined };
      const call = { method: 'GET', path: 'events', query, token, headers, repeatable: false } as const;
      const body = await transport.open({ ...call, signal: limit.signal }, 'text/event-stream');
      const parser = new EventParser(LARGEST_EVENT);
      const reader = new EventReader(body, parser, (error) => transport.explain(error, limit.signal), done);
      const first = await reader.next();
      // A server about to stop does not let anybody in: it says bye, and when to come back.
      if (first?.event === 'bye') throw new Unreachable('The server is stopping.', { retryAfter: parser.retry });
      if (!first) throw new Unreachable('The server closed the connection.');
      if (first.event !== 'welcome') throw new UnexpectedAnswer('The stream does not begin with a welcome.');
      const { welcome, isSignedIn } = readWelcome(first, token);
      reader.silence = welcome.heartbeat * SILENT_HEARTBEATS * 1000;
      return new Stream(welcome, isSignedIn, parser, reader);
    } catch (error) {
      limit.abort(error);
      done();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** How long the server wants to be left alone before the next stream is opened, in milliseconds. */
  get retry(): number {
    return this.parser.retry ?? 0;
  }

  /**
   * What comes, until the server ends the stream. Events of a kind that is not known here are passed over. Leaving the loop
   * closes the connection.
   * @throws Unreachable when the connection broke or nothing came for too long; UnexpectedAnswer
   */
  async *events(): AsyncGenerator<StreamEvent, void, undefined> {
    try {
      for (let event = await this.reader.next(); event; event = await this.reader.next()) {
        if (event.event === 'message') {
          yield { type: 'message', message: readJson<Message>(event), cursor: event.lastEventId };
        } else if (event.event === 'gap') {
          yield { type: 'gap', gap: readJson<Gap>(event) };
        } else if (event.event === 'presence') {
          yield { type: 'presence', presence: readJson<Presence>(event) };
        } else if (event.event === 'read') {
          yield { type: 'read', read: readJson<ReadState>(event) };
        } else if (event.event === 'deleted') {
          yield { type: 'deleted', deleted: readJson<Deleted>(event), cursor: event.lastEventId };
        } else if (event.event === 'invited') {
          yield { type: 'invited', invited: readJson<Invited>(event) };
        } else if (event.event === 'bye') {
          yield { type: 'bye', bye: readJson<Bye>(event) };
        }
      }
    } finally {
      this.reader.close();
    }
  }
}

type Body = Awaited<ReturnType<Transport['open']>>;

/** Takes events out of a body one by one, and watches that something keeps coming: an event or a heartbeat. */
class EventReader {
  /** After how many milliseconds without a byte the link is taken for dead; undefined for as long as it likes. */
  silence: number | undefined;

  readonly #chunks: AsyncIterator<Uint8Array>;
  #events: ServerSentEvent[] = [];
  #position = 0;

  constructor(
    private readonly body: Body,
    private readonly parser: EventParser,
    private readonly explain: (error: unknown) => unknown,
    private readonly onClose: () => void,
  ) {
    // Destroyed while nobody reads, it would otherwise take the process down.
    body.on('error', () => undefined);
    this.#chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  /** The next event; undefined at the end. */
  async next(): Promise<ServerSentEvent | undefined> {
    for (;;) {
      const event = this.#events[this.#position++];
      if (event) return event;
      const chunk = await this.#read();
      if (!chunk) return undefined;
      this.#events = this.parser.push(chunk);
      this.#position = 0;
    }
  }

  close(): void {
    this.onClose();
    this.body.destroy();
  }

  /** The clock runs only while somebody waits: with a reader who takes its time, the silence is our own. */
  async #read(): Promise<Uint8Array | undefined> {
    const { silence } = this;
    const dead = new Unreachable(`Nothing was heard from the server for ${(silence ?? 0) / 1000} s.`);
    const watchdog = silence === undefined ? undefined : setTimeout(() => this.body.destroy(dead), silence);
    try {
      const step = await this.#chunks.next();
      return step.done ? undefined : step.value;
    } catch (error) {
      throw this.explain(error);
    } finally {
      clearTimeout(watchdog);
    }
  }
}

/** @param given the credential that the stream was opened with, which is its token where the server has no other for it */
function readWelcome(event: ServerSentEvent, given: string | undefined): { welcome: Welcome; isSignedIn: boolean } {
  const said = readJson<Partial<Omit<Welcome, 'token'>> & { readonly token?: string | null }>(event);
  const { client, cursor, heartbeat } = said;
  const isSignedIn = said.token === null;
  const token = isSignedIn ? given : said.token;
  if (typeof client?.index !== 'number' || typeof token !== 'string' || typeof cursor !== 'string' || !heartbeat) {
    throw new UnexpectedAnswer('The welcome of the stream is not what it must be.');
  }
  return { welcome: { ...(said as Welcome), token }, isSignedIn };
}

/** The boundary to what the server says: its word is taken for the shape. */
function readJson<T extends object>({ event, data }: ServerSentEvent): T {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // The same as JSON that is no object.
  }
  throw new UnexpectedAnswer(`The server sent an event (${event}) that is not a JSON object.`);
}
