import { type InputError, ProblemError } from './errors.js';

/** The headers that matter here; a header that comes several times is an array to undici. */
export interface RefusalHeaders {
  readonly contentType: string | undefined;
  readonly retryAfter: string | undefined;
}

/**
 * Makes an error of a 4xx or 5xx answer. One that is not `application/problem+json` comes from something in between, such
 * as a proxy, and its body is for browsers: it is not looked at.
 * @param reason what the status means in a word or two, such as `Bad Gateway`, where that is known
 */
export function problemOf(
  status: number,
  reason: string | undefined,
  { contentType, retryAfter }: RefusalHeaders,
  body: string,
): ProblemError {
  const wait = parseRetryAfter(retryAfter, Date.now());
  const known = mediaType(contentType) === 'application/problem+json' ? parse(body) : undefined;
  const title = stringOr(known?.title, reason || 'Refused');
  return new ProblemError({
    status,
    code: stringOr(known?.code, `http-${status}`),
    title,
    detail: stringOr(known?.detail, known ? title : `Refused with ${status} ${title}, but not by InterChat itself.`),
    errors: Array.isArray(known?.errors) ? known.errors.filter(isInputError) : [],
    ...(wait === undefined ? {} : { retryAfter: wait }),
    ...(typeof known?.permission === 'string' ? { permission: known.permission } : {}),
  });
}

/**
 * Reads Retry-After, which is seconds or a date (RFC 9110, section 10.2.3).
 * @returns milliseconds from `now`, or undefined for what is neither
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** A media type without its parameters, in small letters. */
export function mediaType(contentType: string | undefined): string {
  return (contentType?.split(';')[0] ?? '').trim().toLowerCase();
}

function parse(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isInputError(value: unknown): value is InputError {
  return isRecord(value) && typeof value.path === 'string' && typeof value.message === 'string';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function stringOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}
