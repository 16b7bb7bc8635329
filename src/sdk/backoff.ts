import { ProblemError, Unreachable } from './errors.js';

/** The first delay is at most this long, each further one at most twice the one before. Milliseconds. */
const FIRST = 1_000;
const LONGEST = 30_000;

/** Longer than this nobody is made to wait on a server's word. Milliseconds; a timer takes no more than 2^31. */
const PATIENCE = 3_600_000;

/**
 * How long to wait before trying again, in milliseconds: full jitter, which spreads many clients that lost the same server
 * best (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), on top of what the server asked for.
 *
 * @param failures how often it has been tried since it last worked
 * @param least what the server asked for, in milliseconds
 */
export function backoff(failures: number, least = 0, random: () => number = Math.random): number {
  return Math.min(least, PATIENCE) + Math.round(random() * Math.min(LONGEST, FIRST * 2 ** Math.min(failures, 16)));
}

/** For how many milliseconds the server asked to be left alone with this refusal; 0 when it did not. */
export function askedFor(error: unknown): number {
  return error instanceof ProblemError || error instanceof Unreachable ? (error.retryAfter ?? 0) : 0;
}

/** Whether the server, asked again later, may well do what it has surely not done now. */
export function isRefusedForNow(error: unknown): boolean {
  return error instanceof ProblemError && (error.status === 429 || error.status === 503);
}

/** Whether this may pass by itself. What was asked for may have been done all the same. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof Unreachable || isRefusedForNow(error) || (error instanceof ProblemError && error.status >= 500)
  );
}

/**
 * Resolves after so many milliseconds.
 * @throws the signal's reason, as soon as it aborts
 */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
