import { RecentMap } from './recent-map.js';

/** From when on failures have to wait, and for how long. */
export interface PauseRule {
  /** How many failures have no consequence. */
  readonly free: number;
  /** The longest pause, in milliseconds. The first is a second, and each is twice the one before. */
  readonly longest: number;
}

/** Milliseconds without a failure after which those before are forgotten. */
export const FORGET_AFTER = 15 * 60_000;

/**
 * Milliseconds after which an attempt whose outcome nobody told is taken to have none: longer than a password waits to be checked,
 * even on a machine that is busy.
 */
const PENDING_MOST = 2 * 60_000;

const FIRST_PAUSE = 1_000;

interface Count {
  failures: number;
  failedAt: number;
  pending: number;
  admittedAt: number;
}

/**
 * Counts what failed and what is under way, for each of many keys, and says how long the next attempt has to wait. What is under
 * way counts as failed until its outcome is known, or a thousand attempts at once would all pass before the first has failed.
 * It keeps so many keys at the most; of more, the one where nothing has happened for longest is forgotten.
 *
 * All times are in milliseconds, by one clock that never goes back.
 */
export class Attempts {
  readonly #rule: PauseRule;
  readonly #counts: RecentMap<Count>;

  constructor(rule: PauseRule, most: number) {
    this.#rule = rule;
    this.#counts = new RecentMap(most);
  }

  /** How long an attempt has to wait; 0 when it may be made now. Asking changes nothing. */
  wait(key: string, now: number): number {
    const { failures, failedAt, pending } = current(this.#counts.get(key), now);
    const { free, longest } = this.#rule;
    const beyond = failures + pending - free;
    if (beyond < 0) return 0;
    const pause = Math.min(FIRST_PAUSE * 2 ** beyond, longest);
    return pending > 0 ? pause : Math.max(failedAt + pause - now, 0);
  }

  begin(key: string, now: number): void {
    const count = current(this.#counts.get(key), now);
    this.#keep(key, { ...count, pending: count.pending + 1, admittedAt: now });
  }

  failed(key: string, now: number): void {
    const count = ended(current(this.#counts.get(key), now));
    this.#keep(key, { ...count, failures: count.failures + 1, failedAt: now });
  }

  /** It came to an end that is no failure. */
  ended(key: string, now: number): void {
    this.#keep(key, ended(current(this.#counts.get(key), now)));
  }

  /** It came to an end after which what failed before no longer counts. */
  cleared(key: string, now: number): void {
    this.#keep(key, { ...ended(current(this.#counts.get(key), now)), failures: 0 });
  }

  #keep(key: string, count: Count): void {
    if (count.failures === 0 && count.pending === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}

/** What of a count still counts. */
function current(count: Count | undefined, now: number): Count {
  const { failures = 0, failedAt = 0, pending = 0, admittedAt = 0 } = count ?? {};
  return {
    failures: now - failedAt < FORGET_AFTER ? failures : 0,
    failedAt,
    pending: now - admittedAt < PENDING_MOST ? pending : 0,
    admittedAt,
  };
}

/** An outcome that comes too late, or for what was forgotten, finds nothing under way. */
function ended(count: Count): Count {
  return { ...count, pending: Math.max(count.pending - 1, 0) };
}
