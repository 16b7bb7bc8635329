/** Whatever this client throws on account of the server or the way to it. */
export abstract class InterChatError extends Error {}

/** One thing that is wrong with the input: where, and why. */
export interface InputError {
  readonly path: string;
  readonly message: string;
}

/** What is known of a refusal. */
export interface Problem {
  readonly status: number;
  /** Tells problems apart, such as `no-such-client`; `http-502` for an answer that is not InterChat's. */
  readonly code: string;
  readonly title: string;
  /** What to do about it. */
  readonly detail?: string;
  readonly errors?: readonly InputError[];
  /** For how many milliseconds the server asks to be left alone (Retry-After). */
  readonly retryAfter?: number;
  /** What the credential would have to allow, such as `send:client/2`. */
  readonly permission?: string;
}

/** The server refused: an answer with a 4xx or 5xx status, as problem details (RFC 9457) have it. */
export class ProblemError extends InterChatError implements Problem {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string | undefined;
  readonly errors: readonly InputError[];
  readonly retryAfter: number | undefined;
  readonly permission: string | undefined;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.retryAfter = problem.retryAfter;
    this.permission = problem.permission;
  }
}

/** The server cannot be reached, does not answer in time, or the connection to it broke. `cause` is what was seen. */
export class Unreachable extends InterChatError {
  override readonly name = 'Unreachable';
  /** For how many milliseconds the server asked to be left alone, where it still could. */
  readonly retryAfter: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly retryAfter?: number | undefined } = {}) {
    super(message, options);
    this.retryAfter = options.retryAfter;
  }
}

/** What answers does not speak as InterChat does, or says more than a client should have to hold. */
export class UnexpectedAnswer extends InterChatError {
  override readonly name = 'UnexpectedAnswer';
}

/** The server ended the stream since the client is no longer there: it was told to leave, was removed, or expired. */
export class ClientGone extends InterChatError {
  override readonly name = 'ClientGone';

  constructor(
    readonly index: number,
    readonly reason: 'left' | 'removed' | 'expired',
  ) {
    super(`Client ${index} ${GONE[reason]}.`);
  }
}

const GONE = { left: 'has left', removed: 'was removed', expired: 'has expired' } as const;

/**
 * The server ended the stream since the credential that it was opened with is over: its session was ended, it ran out, or its
 * account or key was removed or kept out. Coming back takes another.
 */
export class CredentialOver extends InterChatError {
  override readonly name = 'CredentialOver';

  constructor(readonly reason: 'signed-out' | 'removed' | 'expired') {
    super(OVER[reason]);
  }
}

const OVER = {
  'signed-out': 'This session is over: it was signed out.',
  removed: 'Whoever this was is removed, or kept out for a time.',
  expired: 'The credential has run out.',
} as const;
