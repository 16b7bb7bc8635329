import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EngineDamaged, EngineUnavailable } from '../engine/engine.js';
import { HubError, InvalidRequest, PermissionMissing } from '../hub/errors.js';
import { AnswerRefused } from './answer-memory.js';
import { withoutCredentials } from './redaction.js';

/** What is wrong with one part of what was sent. */
export interface InputError {
  /** The name of the field or parameter, with dots between levels; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** An error as RFC 9457 has it; `code` is what programs may rely on, `detail` says to people what to do. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly errors?: readonly InputError[];
  /** The permission that is missing. */
  readonly permission?: string;
}

/** Everything that can be wrong with a request before the hub has seen it. */
export class HttpProblem extends Error {
  readonly status: number;

  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly extra: {
      readonly errors?: readonly InputError[];
      readonly permission?: string;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(detail);
    this.status = STATUS_OF[code];
  }
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Seconds after which something that is unavailable for the moment may be tried again. */
const RETRY_AFTER = '1';

/** Every code there is, and the status it comes with. */
const STATUS_OF = {
  'invalid-request': 400,
  unauthorized: 401,
  forbidden: 403,
  banned: 403,
  'no-such-client': 404,
  'no-such-room': 404,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  'request-timeout': 408,
  'name-taken': 409,
  'room-exists': 409,
  'client-gone': 410,
  'too-large': 413,
  'unsupported-media-type': 415,
  'expectation-failed': 417,
  'idempotency-key-reused': 422,
  'too-many-rooms': 422,
  'too-many-requests': 429,
  'headers-too-large': 431,
  'internal-error': 500,
  unavailable: 503,
} as const;

export type ProblemCode = keyof typeof STATUS_OF;

export const PROBLEM_CODES = Object.keys(STATUS_OF) as [ProblemCode, ...ProblemCode[]];

const TITLES: Readonly<Partial<Record<ProblemCode, string>>> = {
  'invalid-request': 'The request is not valid',
  'no-such-client': 'No such client',
  'no-such-room': 'No such room',
  'too-many-rooms': 'Too many rooms',
  'idempotency-key-reused': 'The Idempotency-Key was used before',
  'client-gone': 'The client has left',
  'name-taken': 'The name is taken',
  'room-exists': 'There is such a room already',
  banned: 'Kept out for a time',
  'too-large': 'Too large',
  unavailable: 'Unavailable for the moment',
  'internal-error': 'Something went wrong in the server',
};

/** Whether an error belongs into the log for each request. What is refused on purpose, and damage, is logged where it is found, once. */
export function isToBeLogged(error: unknown, problem: HttpProblem): boolean {
  return problem.status >= 500 && !(error instanceof HttpProblem || error instanceof EngineDamaged);
}

/** The one place where errors become answers: of the hub, of the engine, of Fastify and of this layer. */
export function toHttpProblem(error: unknown, maxBody: number): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof HubError) {
    const errors = error instanceof InvalidRequest ? [{ path: error.path, message: error.reason }] : undefined;
    const permission = error instanceof PermissionMissing ? error.permission : undefined;
    const headers = 'retryAfter' in error ? { 'retry-after': String(error.retryAfter) } : undefined;
    return new HttpProblem(error.code, error.message, { errors, permission, headers });
  }
  if (error instanceof EngineDamaged) return new HttpProblem('unavailable', sentence(error.message));
  if (error instanceof EngineUnavailable) {
    return new HttpProblem(
      'unavailable',
      `${sentence(error.message)} Nothing is lost that was acknowledged; try again in a moment.`,
    );
  }
  if (error instanceof AnswerRefused) {
    return error.shortage === 'address'
      ? new HttpProblem(
          'too-many-requests',
          'The answers to your address hold as much memory as they may. Take some of them, ask for less (limit), and try again in a moment.',
          { headers: { 'retry-after': RETRY_AFTER } },
        )
      : new HttpProblem('unavailable', 'There is no memory for so large an answer now. Try again in a moment.');
  }
  return fromFastify(error as Partial<FastifyError>, maxBody);
}

function fromFastify(error: Partial<FastifyError>, maxBody: number): HttpProblem {
  // Its message would repeat the path with its query.
  if (error.code === 'FST_ERR_BAD_URL') {
    return new HttpProblem(
      'invalid-request',
      'The path is not a valid URL: a % that stands for itself is written %25.',
    );
  }
  const detail = sentence(error.message ?? '');
  if (error.statusCode === 413) {
    return new HttpProblem('too-large', `The body is larger than ${maxBody} bytes, the most this server takes.`);
  }
  if (error.statusCode === 415) return unsupportedMediaType('the one sent');
  if (error.statusCode === 429) return new HttpProblem('too-many-requests', detail);
  if (error.statusCode === 503) return new HttpProblem('unavailable', 'The server is stopping. Try again in a moment.');
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new HttpProblem('invalid-request', detail);
  }
  return new HttpProblem(
    'internal-error',
    'This is a fault of the server, which has logged it. Nothing was acknowledged.',
  );
}

export function unsupportedMediaType(what: string, accepted = 'application/json'): HttpProblem {
  return new HttpProblem('unsupported-media-type', `This route does not take ${what}. Send ${accepted}, in UTF-8.`);
}

export function notAcceptable(offered: readonly string[]): HttpProblem {
  return new HttpProblem(
    'not-acceptable',
    `This can be had as ${offered.join(' or ')} only. Change the Accept header.`,
  );
}

export function notFound(): HttpProblem {
  return new HttpProblem('not-found', 'There is nothing at this path. GET /docs shows what there is.');
}

/** What a problem of this status looks like, for the document. */
export function problemExample(status: number, detail: string, instance: string): Problem {
  const fits = (one: ProblemCode) => STATUS_OF[one] === status;
  const own = instance.startsWith('/rooms') && status === 404 ? 'no-such-room' : undefined;
  const code = own ?? PROBLEM_CODES.find(fits) ?? 'internal-error';
  return problemBody(new HttpProblem(code, detail), instance);
}

export function problemBody({ status, code, message, extra }: HttpProblem, instance: string): Problem {
  return {
    type: `urn:interchat:problem:${code}`,
    title: TITLES[code] ?? STATUS_CODES[status] ?? code,
    status,
    detail: withoutCredentials(message),
    instance,
    code,
    errors: extra.errors?.map(({ path, message }) => ({ path: withoutCredentials(path), message })),
    permission: extra.permission,
  };
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: HttpProblem): FastifyReply {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="interchat"');
  if (problem.status === 503 || problem.status === 429) {
    if (!reply.hasHeader('retry-after')) reply.header('retry-after', RETRY_AFTER);
  }
  return reply
    .code(problem.status)
    .headers(problem.extra.headers ?? {})
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemBody(problem, pathOf(request.raw.url))));
}

/** The path without the query, which may hold a token; nor is there one that was put into the path itself. */
export function pathOf(url = '/'): string {
  const end = url.search(/[?#]/);
  return withoutCredentials(end < 0 ? url : url.slice(0, end));
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
