import { signal } from '@preact/signals';
import { backoff, sleep } from '../sdk/backoff.js';
import { ProblemError } from '../sdk/errors.js';
import { EventParser, type ServerSentEvent } from '../sdk/event-parser.js';
import type { Welcome } from '../sdk/resources.js';
import { type Api, explain, refusalOf } from './api.js';

/** More than this no event has: the bodies the server takes are smaller. UTF-16 units. */
export const LONGEST_EVENT = 64 * 1024 * 1024;
/** Without a sign of life for so many heartbeats the link is taken for dead. */
const HEARTBEATS = 2.5;
/**
 * For so long the welcome is waited for, in milliseconds; after some attempts that were in vain for longer, should the way be a
 * slow one. Not for long at first: a browser tries connections that it has open already, which may have died with the stream.
 */
const PATIENCE = 4_000;
const LONG_PATIENCE = 20_000;
const IMPATIENT_ATTEMPTS = 4;

export type LinkState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** @param until when it is tried again, in milliseconds since 1970 */
  | { readonly kind: 'waiting'; readonly until: number; readonly why: string }
  /** This client has left, by its own word or an administrator's: there is nothing to connect to. */
  | { readonly kind: 'left'; readonly removed?: boolean }
  /** The server does not let this client in, and will not by itself. */
  | { readonly kind: 'refused'; readonly why: string };

/** Who to connect as. */
export interface Identity {
  readonly token: string | undefined;
  readonly cursor: string | undefined;
  /** For a client that is yet to be made. */
  readonly name: string | undefined;
  readonly rooms: readonly string[];
  /** The account that the browser is signed in with: then there is no token. */
  readonly account: string | undefined;
  /** Whether to be told who comes and goes, which not everybody may be. */
  readonly presence: boolean;
}

export interface LinkListener {
  /** @throws what asking for it may throw */
  identity(): Promise<Identity>;
  /**
   * The next attempt is to be as a new client: this one has left, or, where it is `unknown`, is of another log than the
   * server's, which was set up anew; or its `name` is somebody's own now.
   */
  identityLost(why: 'gone' | 'unknown' | 'name'): void;
  /** Whoever has no credential, or a session that is over, has to show who it is. */
  turnedAway(why: string): void;
  /** Complete events, in the order in which they came together, and their bytes as text. */
  events(events: readonly ServerSentEvent[], raw: string): void;
}

/**
 * Holds a stream for as long as the page is open, and comes back by itself: with growing pauses, at once when the network is
 * back, and also when nothing says that the connection is dead but the silence.
 *
 * An EventSource would reconnect by itself, but shows neither the bytes that came nor the heartbeats, and has to carry the
 * token in its URL, where it ends up in logs.
 */
export class Link {
  readonly state = signal<LinkState>({ kind: 'connecting' });
  #connection: AbortController | undefined;
  #pause: AbortController | undefined;
  #closed = false;

  constructor(
    private readonly api: Api,
    private readonly listener: LinkListener,
  ) {}

  open(): void {
    this.#closed = false;
    this.state.value = { kind: 'connecting' };
    void this.#run();
    addEventListener('online', this.#now);
    document.addEventListener('visibilitychange', this.#seen);
    addEventListener('pageshow', this.#shown);
  }

  /** Ends the stream for good, until it is opened again. */
  close(): void {
    this.#closed = true;
    removeEventListener('online', this.#now);
    document.removeEventListener('visibilitychange', this.#seen);
    removeEventListener('pageshow', this.#shown);
    this.#connection?.abort();
    this.#pause?.abort();
  }

  /** Tries again now instead of after the pause. */
  retry(): void {
    this.#pause?.abort();
  }

  readonly #now = () => this.retry();

  readonly #seen = () => {
    if (document.visibilityState === 'visible') this.retry();
  };

  /** A page that comes back out of the browser's cache has lost its connections, and may not have been told. */
  readonly #shown = (event: PageTransitionEvent) => {
    if (!event.persisted) return;
    this.#connection?.abort();
    this.retry();
  };

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      const end = await this.#connect(failures < IMPATIENT_ATTEMPTS ? PATIENCE : LONG_PATIENCE);
      if (this.#closed) return;
      if (end.kind === 'left' || end.kind === 'refused') {
        this.state.value = end;
        return this.close();
      }
      if (end.kind === 'over') {
        this.close();
        return this.listener.turnedAway(end.why);
      }
      if (end.kind === 'lost') {
        this.listener.identityLost(end.why);
        failures = 0;
        continue;
      }
      if (end.welcomed) failures = 0;
      const pause = backoff(failures++, end.least);
      this.state.value = { kind: 'waiting', until: Date.now() + pause, why: end.why };
      this.#pause = new AbortController();
      // Called off where there is reason to try at once.
      await sleep(pause, this.#pause.signal).catch(() => undefined);
      if (!this.#closed) this.state.value = { kind: 'connecting' };
    }
  }

  /** Holds one connection until it ends. @param patience for its welcome, in milliseconds */
  async #connect(patience: number): Promise<End> {
    let identity: Identity;
    try {
      identity = await this.listener.identity();
    } catch (error) {
      if (error instanceof ProblemError) return this.#refused(error, true);
      return { kind: 'broken', welcomed: false, why: explain(error) };
    }
    if (this.#closed) return { kind: 'broken', welcomed: false, why: '' };
    const connection = (this.#connection = new AbortController());
    const settle = this.api.record(
      purposeOf(identity),
      this.api.curlOf({ method: 'GET', ...this.#request(identity), endless: true }),
    );
    const watchdog = new Watchdog(patience, () => connection.abort());
    const parser = new EventParser(LONGEST_EVENT);
    let answered = false;
    let welcomed = false;
    let bye: string | undefined;
    try {
      const { url, headers } = this.#request(identity);
      this.api.credential.assertHolds();
      const { credentials } = this.api.credential;
      const response = await fetch(url, { headers, credentials, cache: 'no-store', signal: connection.signal });
      answered = true;
      settle(response.status);
      if (!response.ok) return this.#refused(refusalOf(response, await response.text()), isKnown(identity));
      if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) {
        return { kind: 'broken', welcomed, why: 'What answers is not InterChat.' };
      }
      const raw = new CompleteEvents();
      for await (const chunk of chunksOf(response.body)) {
        watchdog.alive();
        const events = parser.push(chunk);
        for (const { event, data } of events) {
          if (event === 'welcome') {
            watchdog.every((JSON.parse(data) as Welcome).heartbeat * HEARTBEATS * 1000);
            welcomed = true;
            this.state.value = { kind: 'live' };
          }
          if (event === 'bye') bye = (JSON.parse(data) as { reason: string }).reason;
        }
        const text = raw.push(chunk);
        if (text !== '') this.listener.events(events, text);
      }
    } catch (error) {
      if (!answered) settle('failed');
      else if (!(error instanceof TypeError) && !connection.signal.aborted) console.error(error);
    } finally {
      watchdog.stop();
      connection.abort();
    }
    if (bye === 'signed-out') return { kind: 'over', why: 'You were signed out.' };
    if (bye === 'left') return { kind: 'left' };
    // Whoever keeps order does not want it back at once. What became of an account, the server tells who asks again.
    if (bye === 'removed' && identity.account === undefined) return { kind: 'left', removed: true };
    if (bye === 'expired') return { kind: 'lost', why: 'gone' };
    return { kind: 'broken', welcomed, why: whyBroken(bye, answered), least: parser.retry };
  }

  #request(identity: Identity) {
    const { token, cursor, name, rooms, presence } = identity;
    const query = new URLSearchParams(presence ? { presence: 'true' } : {});
    const headers: Record<string, string> = {};
    if (!isKnown(identity)) {
      if (name !== undefined) query.set('name', name);
      if (rooms.length > 0) query.set('rooms', rooms.join());
    } else {
      if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
      if (cursor !== undefined) headers['Last-Event-ID'] = cursor;
    }
    const search = query.toString();
    return { url: this.api.url(search === '' ? 'events' : `events?${search}`), headers };
  }

  /** @param known whether it is somebody that is refused, or one who is yet to be made */
  #refused(problem: ProblemError, known: boolean): End {
    const { status, code } = problem;
    if (status === 401 && this.api.credential.token() === undefined) {
      if (known) return { kind: 'over', why: 'Your session is over.' };
      // Or it is something else, such as a proxy, that refuses.
      this.listener.turnedAway('');
    }
    // Who has no identity yet has none to lose.
    if (known && status === 401) return { kind: 'lost', why: 'unknown' };
    if (known && status === 410) return { kind: 'lost', why: 'gone' };
    if (code === 'name-taken') return { kind: 'lost', why: 'name' };
    if (code === 'forbidden' || code === 'banned') return { kind: 'refused', why: explain(problem) };
    return { kind: 'broken', welcomed: false, why: problem.message, least: problem.retryAfter };
  }
}

/** How a connection came to its end. `least`: what the server asks to be left alone for, in milliseconds. */
type End =
  | { readonly kind: 'left'; readonly removed?: boolean }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'over'; readonly why: string }
  | { readonly kind: 'lost'; readonly why: 'gone' | 'unknown' | 'name' }
  | { readonly kind: 'broken'; readonly welcomed: boolean; readonly why: string; readonly least?: number | undefined };

/** Whether the server knows whom it is that connects. */
function isKnown({ token, account }: Identity): boolean {
  return token !== undefined || account !== undefined;
}

function purposeOf({ token, account }: Identity): string {
  if (account !== undefined) return `Connect as ${account}`;
  return token === undefined ? 'Connect as a new client' : 'Connect again as the same client';
}

function whyBroken(bye: string | undefined, answered: boolean): string {
  if (bye === 'shutdown') return 'The server is restarting.';
  if (bye === 'slow-consumer') return 'This page did not keep up.';
  return answered ? 'The connection broke.' : 'The server cannot be reached.';
}

/** Calls when it has not heard anything for too long. */
class Watchdog {
  #heard = performance.now();
  #timer: ReturnType<typeof setInterval>;

  constructor(
    private patience: number,
    silent: () => void,
  ) {
    // A machine that slept wakes up to a timer that is due: what came meanwhile is to be read first.
    let warned = false;
    this.#timer = setInterval(() => {
      const isSilent = performance.now() - this.#heard > this.patience;
      if (isSilent && warned) silent();
      warned = isSilent;
    }, 1000);
  }

  every(milliseconds: number): void {
    this.patience = Math.max(milliseconds, 1000);
  }

  alive(): void {
    this.#heard = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Cuts the text of a stream behind events that are complete, as the server of this page writes them: with `\n` alone. */
class CompleteEvents {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(chunk: Uint8Array): string {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf('\n\n') + 2;
    this.#rest = end < 2 ? text : text.slice(end);
    return end < 2 ? '' : text.slice(0, end);
  }
}

/** The chunks of a body. Not every browser can iterate over one. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
