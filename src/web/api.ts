import { signal } from '@preact/signals';
import { ProblemError, UnexpectedAnswer, Unreachable } from '../sdk/errors.js';
import { problemOf } from '../sdk/problem.js';
import type { Credential } from './credential.js';
import { type CurlRequest, curlOf } from './curl.js';
import { refusalFor } from './permissions.js';

/** For so long an answer is waited for, in milliseconds. */
const PATIENCE = 20_000;
/** As many actions as one looks back over. */
const KEPT = 100;

/** Something the page did, and the command that does the same. */
export interface Action {
  readonly number: number;
  readonly at: Date;
  /** What it was for, such as `Send to client 2`. */
  readonly what: string;
  readonly curl: string;
  /** The status of the answer; null while there is none, `failed` where none came. */
  readonly status: number | null | 'failed';
}

export interface Call {
  /** What it is for, in the words of the panel that shows it. */
  readonly what: string;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Relative to the page, such as `clients/2/messages`. */
  readonly path: string;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether to say who is asking. */
  readonly asMe?: boolean;
}

/** Asks the server, and keeps a record of it for those who want to see how it is done. */
export class Api {
  readonly actions = signal<readonly Action[]>([]);
  #number = 0;
  readonly #closed = new AbortController();

  /**
   * @param base where the page lies: the server may be reached under a path of somebody else's
   * @param credential by which one is who one is
   */
  constructor(
    private readonly base: URL,
    readonly credential: Credential,
  ) {}

  /** Whoever asked is no more: nothing is asked in their name from now on, and no answer comes. */
  close(): void {
    this.#closed.abort();
  }

  /** The answer to a call, as JSON; undefined for an empty one. @throws ProblemError, Unreachable, UnexpectedAnswer */
  async call<Answer>(call: Call): Promise<Answer> {
    if (this.#closed.signal.aborted) throw new Unreachable('This page has signed out.');
    this.credential.assertHolds();
    const settle = this.#record(call);
    const { url, method, headers, body } = this.#request(call);
    let response: Response;
    let text: string;
    const ending = new AbortController();
    const end = () => ending.abort();
    const timer = setTimeout(end, PATIENCE);
    this.#closed.signal.addEventListener('abort', end);
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body ?? null,
        cache: 'no-store',
        credentials: this.credential.credentials,
        signal: ending.signal,
      });
      text = await response.text();
    } catch (error) {
      settle('failed');
      throw new Unreachable('The server cannot be reached.', { cause: error });
    } finally {
      clearTimeout(timer);
      this.#closed.signal.removeEventListener('abort', end);
    }
    settle(response.status);
    // Nobody hears of it who has signed out meanwhile.
    if (this.#closed.signal.aborted) throw new Unreachable('This page has signed out.');
    if (response.status === 401) this.credential.refused();
    if (!response.ok) throw refusalOf(response, text);
    if (text === '') return undefined as Answer;
    try {
      return JSON.parse(text) as Answer;
    } catch {
      throw new UnexpectedAnswer('What answered is not InterChat.');
    }
  }

  /** The command that would do this call now. */
  curl(call: Call): string {
    const { url, method, headers, body } = this.#request(call);
    return this.curlOf({ url, method, headers, ...(body === undefined ? {} : { body }) });
  }

  /** A request as a command: where a cookie goes with it, which holds a secret, the command has a place for a token of one's own. */
  curlOf(request: CurlRequest): string {
    return curlOf({ ...request, signedIn: this.credential.credentials === 'same-origin' });
  }

  /** Shows nothing any more of what was done at this path, or below it. */
  forget(path: string): void {
    const url = this.url(path);
    this.actions.value = this.actions.value.filter(
      ({ curl }) => !curl.includes(`${url} `) && !curl.includes(`${url}/`) && !curl.endsWith(url),
    );
  }

  /** Keeps a record of something that is done elsewhere. @param settle told of the status of its answer */
  record(what: string, curl: string): (status: number | 'failed') => void {
    const number = this.#number++;
    const action: Action = { number, at: new Date(), what, curl, status: null };
    this.actions.value = [...this.actions.value, action].slice(-KEPT);
    return (status) => {
      this.actions.value = this.actions.value.map((one) => (one.number === number ? { ...one, status } : one));
    };
  }

  url(path: string): string {
    return new URL(path, this.base).href;
  }

  #record(call: Call): (status: number | 'failed') => void {
    return this.record(call.what, this.curl(call));
  }

  #request({ method = 'GET', path, json, text, headers = {}, asMe = false }: Call) {
    const all: Record<string, string> = { ...headers };
    const token = asMe ? this.credential.token() : undefined;
    if (token !== undefined) all['Authorization'] = `Bearer ${token}`;
    if (json !== undefined) all['Content-Type'] = 'application/json';
    if (text !== undefined) all['Content-Type'] = 'text/plain';
    return { url: this.url(path), method, headers: all, body: json === undefined ? text : JSON.stringify(json) };
  }
}

/** The error of an answer that is one. */
export function refusalOf({ status, statusText, headers }: Response, body: string): ProblemError {
  const said = {
    contentType: headers.get('content-type') ?? undefined,
    retryAfter: headers.get('retry-after') ?? undefined,
  };
  return problemOf(status, statusText, said, body);
}

/** What to tell people of an error. */
export function explain(error: unknown): string {
  if (error instanceof ProblemError && error.permission !== undefined) return refusalFor(error.permission);
  if (error instanceof ProblemError) {
    // What is wrong with which field says more than the sentence about all of it.
    const errors = error.errors.map(({ path, message }) => `The ${path} ${message}.`);
    return errors.length > 0 ? errors.join(' ') : error.message;
  }
  return error instanceof Error ? error.message : String(error);
}
