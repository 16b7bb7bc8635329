import { STATUS_CODES } from 'node:http';
import { Agent, type Dispatcher, request } from 'undici';
import { askedFor, backoff, isPassing, isRefusedForNow, sleep } from './backoff.js';
import { InterChatError, UnexpectedAnswer, Unreachable } from './errors.js';
import { mediaType, problemOf } from './problem.js';

export interface TransportOptions {
  /** For how many milliseconds to wait for an answer: 30,000 unless set. */
  readonly timeout?: number;
  /** How often a request is repeated that failed in passing (network, 5xx, 429): twice unless set. */
  readonly retries?: number;
  /** What carries the requests, for a proxy or a certificate of one's own: an undici dispatcher. */
  readonly dispatcher?: Dispatcher;
}

/** A request to the API. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Relative to the server's URL, without a slash in front. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Whether doing it twice is as good as doing it once. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds the server may take on top of the timeout, since it was asked to wait. */
  readonly extra?: number;
}

/** One for all: connections that are idle serve whoever asks next, and keep no process alive. */
const SHARED = new Agent();

/** A page of a thousand messages, each as large as a body may be by default. Bytes. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** Of a refusal nobody needs more than this. Bytes. */
const LARGEST_REFUSAL = 1024 * 1024;

/** The way to one server: requests, their time limits, their repetition, and what went wrong in the words of this client. */
export class Transport {
  /** The server's URL, with a slash at its end. */
  readonly base: URL;
  /** Milliseconds. */
  readonly timeout: number;
  readonly retries: number;
  readonly #dispatcher: Dispatcher;

  /** @throws TypeError for what is no http or https URL */
  constructor(url: string | URL, { timeout = 30_000, retries = 2, dispatcher = SHARED }: TransportOptions) {
    this.base = new URL(url);
    if (!['http:', 'https:'].includes(this.base.protocol)) {
      throw new TypeError(`The server's URL must begin with http:// or https://, not ${this.base.protocol}`);
    }
    if (!this.base.pathname.endsWith('/')) this.base.pathname += '/';
    this.base.search = '';
    this.base.hash = '';
    this.timeout = timeout;
    this.retries = retries;
    this.#dispatcher = dispatcher;
  }

  /**
   * Makes a request and answers with the JSON that comes back (undefined for 204). `T` is the contract's word: what comes
   * is not checked.
   * @throws ProblemError, Unreachable, UnexpectedAnswer; the signal's reason when it aborts
   */
  call<T>(call: Call): Promise<T> {
    return this.persist(call.repeatable, call.signal, () => this.#once<T>(call));
  }

  /**
   * Tries again what failed in passing, as often as {@link retries} says, with growing pauses.
   * @param repeatable whether doing it twice is as good as doing it once; if not, only what was surely not done is repeated
   */
  async persist<T>(repeatable: boolean, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        const again = isRefusedForNow(error) || (repeatable && isPassing(error));
        if (!again || failures >= this.retries || signal?.aborted) throw error;
        const delay = backoff(failures, askedFor(error));
        // Whoever set a time limit does not want to wait longer than that for another try.
        if (delay > this.timeout) throw error;
        await sleep(delay, signal);
      }
    }
  }

  /**
   * Opens a stream; its body comes as long as the server likes, until the signal aborts.
   * @throws ProblemError, Unreachable, UnexpectedAnswer; the signal's reason when it aborts
   */
  async open(
    call: Call & { readonly signal: AbortSignal },
    contentType: string,
  ): Promise<Dispatcher.ResponseData['body']> {
    try {
      const response = await this.#send(call, call.signal);
      if (response.statusCode !== 200) throw await this.#refusal(response);
      const got = mediaType(header(response, 'content-type'));
      if (got === contentType) return response.body;
      discard(response);
      throw new UnexpectedAnswer(
        `${this.base.href} answers, but not as an InterChat server (${got || 'no content type'}).`,
      );
    } catch (error) {
      throw this.explain(error, call.signal);
    }
  }

  /** An error in the words of this client; the signal's reason if that is why. */
  explain(error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted) return signal.reason;
    if (error instanceof InterChatError) return error;
    // undici's errors and those of sockets have a code; anything else is a mistake here and passes as it is.
    const code = codeOf(error);
    if (code === undefined) return error;
    return new Unreachable(`Cannot reach ${this.base.href}: ${REASONS[code] ?? (error as Error).message}.`, {
      cause: error,
    });
  }

  async #once<T>(call: Call): Promise<T> {
    const milliseconds = this.timeout + (call.extra ?? 0);
    const limit = new AbortController();
    const tooLate = () =>
      limit.abort(new Unreachable(`${this.base.href} did not answer within ${milliseconds / 1000} s.`));
    const stop = () => limit.abort(call.signal?.reason);
    const timer = setTimeout(tooLate, milliseconds);
    if (call.signal?.aborted) stop();
    call.signal?.addEventListener('abort', stop, { once: true });
    try {
      const response = await this.#send(call, limit.signal);
      if (response.statusCode >= 300) throw await this.#refusal(response);
      const text = await readText(response, LARGEST_ANSWER);
      if (text === '') return undefined as T;
      return JSON.parse(text) as T;
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw new UnexpectedAnswer(`${this.base.href} answers, but not as an InterChat server (no JSON).`);
      }
      throw this.explain(error, limit.signal);
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', stop);
    }
  }

  #send(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const url = new URL(call.path, this.base);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
    if (call.token !== undefined) headers.authorization = `Bearer ${call.token}`;
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    return request(url, {
      method: call.method,
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
      dispatcher: this.#dispatcher,
      // Both are counted here: undici's timers are coarse, and a stream may well be silent for a while.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async #refusal(response: Dispatcher.ResponseData): Promise<Error> {
    if (response.statusCode < 400) {
      discard(response);
      return new UnexpectedAnswer(`${this.base.href} answers with ${response.statusCode}; give the URL it stands for.`);
    }
    const headers = { contentType: header(response, 'content-type'), retryAfter: header(response, 'retry-after') };
    return problemOf(
      response.statusCode,
      STATUS_CODES[response.statusCode],
      headers,
      await readText(response, LARGEST_REFUSAL),
    );
  }
}

/** What people understand, by the code of an error. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_ABORTED: 'the connection broke',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be looked up now',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
};

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function header({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function readText(response: Dispatcher.ResponseData, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (size > limit) throw new UnexpectedAnswer(`The server's answer is larger than ${limit} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Lets go of a body that nobody reads. */
function discard(response: Dispatcher.ResponseData): void {
  response.body.on('error', () => undefined).destroy();
}
