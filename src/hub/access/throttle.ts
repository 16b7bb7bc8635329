import { createHash } from 'node:crypto';
import { Attempts, FORGET_AFTER } from './attempts.js';
import { networkOf } from './network.js';
import { RecentMap } from './recent-map.js';
import { TooManyAttempts } from './too-many-attempts.js';

/** The most that an address waits for the guessing of others, in milliseconds from its first attempt that was refused. */
const PATIENCE = 30_000;

/** From how many addresses an account is remembered to have signed in. */
const ADDRESSES_MOST = 8;

/** Longer names are kept as a digest: whoever asks chooses how long they are. */
const NAME_MOST = 64;

/**
 * Slows down guessing: of one account from one address, of all accounts from one address, and of one account from all addresses
 * (OWASP Authentication Cheat Sheet, "Login Throttling"). Nobody is ever locked out:
 *
 * **The right password is let in within 30 s, from wherever, once the guessing from there has stopped; from another address that
 * has signed in before: at once.**
 *
 * - One account from one address: 5 failures are free; then each attempt waits 1, 2, 4 … 30 s from the last failure. Signing
 *   in clears them.
 * - One address: 20 are free; then likewise, up to 30 s. Signing in clears nothing: an account of one's own would buy guesses at
 *   those of others.
 * - One account: 20 are free; then likewise, up to 10 s. That does not hold up an address from which it has signed in before, and
 *   no other for more than 30 s: whoever has waited so long has its turn, even if others go on guessing from elsewhere. So many
 *   addresses have a guess in 30 s each, and no more.
 *
 * An attempt that is refused costs nothing and does not lengthen the pause. Failures are forgotten after 15 minutes without one.
 * A name that nobody has is treated exactly as one that somebody has. An IPv6 address counts as its /64. All of it is in memory,
 * bounded, and forgotten at the end of the process.
 *
 * Each attempt that was admitted ends with {@link failed}, {@link succeeded} or {@link abandoned}.
 */
export class SignInThrottle {
  readonly #now: () => number;
  readonly #pairs: Attempts;
  readonly #addresses: Attempts;
  readonly #accounts: Attempts;
  /** When an account was first asked for from an address in vain. */
  readonly #waitingSince: RecentMap<number>;
  /** From where an account has signed in, the newest last. */
  readonly #known: RecentMap<readonly string[]>;

  /**
   * @param now milliseconds, of a clock that never goes back
   * @param most how many accounts, addresses and pairs of them are remembered, each
   */
  constructor(now: () => number = () => performance.now(), most = 10_000) {
    this.#now = now;
    this.#pairs = new Attempts({ free: 5, longest: 30_000 }, most);
    this.#addresses = new Attempts({ free: 20, longest: 30_000 }, most);
    this.#accounts = new Attempts({ free: 20, longest: 10_000 }, most);
    this.#waitingSince = new RecentMap(most);
    this.#known = new RecentMap(most);
  }

  /**
   * Holds that it may be tried now, before the password is looked at.
   *
   * @param account its name, in the one form that names it: two spellings would have twice as many guesses
   * @throws TooManyAttempts
   */
  admit(account: string, address: string): void {
    const now = this.#now();
    const { name, network, pair } = keysOf(account, address);
    const here = this.#pairs.wait(pair, now);
    const forAddress = this.#addresses.wait(network, now);
    const forOthers = this.#known.get(name)?.includes(network) ? 0 : this.#accounts.wait(name, now);
    // Not for the address alone: it could ask for name after name, until those who wait are forgotten.
    const waited = here > 0 || forOthers > 0 ? this.#waited(pair, now) : 0;
    const wait = Math.max(here, forAddress, Math.min(forOthers, PATIENCE - waited));
    if (wait > 0) throw new TooManyAttempts('Too many attempts to sign in have failed.', Math.ceil(wait / 1000));
    this.#waitingSince.delete(pair);
    this.#pairs.begin(pair, now);
    this.#addresses.begin(network, now);
    this.#accounts.begin(name, now);
  }

  /** The password was wrong, or there is no such account. */
  failed(account: string, address: string): void {
    const now = this.#now();
    const { name, network, pair } = keysOf(account, address);
    this.#pairs.failed(pair, now);
    this.#addresses.failed(network, now);
    this.#accounts.failed(name, now);
  }

  succeeded(account: string, address: string): void {
    const now = this.#now();
    const { name, network, pair } = keysOf(account, address);
    this.#pairs.cleared(pair, now);
    this.#addresses.ended(network, now);
    this.#accounts.ended(name, now);
    const others = (this.#known.get(name) ?? []).filter((other) => other !== network);
    this.#known.set(name, [...others, network].slice(-ADDRESSES_MOST));
  }

  /** It was not found out whether the password is right, as when the server was too busy. */
  abandoned(account: string, address: string): void {
    const now = this.#now();
    const { name, network, pair } = keysOf(account, address);
    this.#pairs.ended(pair, now);
    this.#addresses.ended(network, now);
    this.#accounts.ended(name, now);
  }

  /** How long this pair has been waiting, from now on if it has not. */
  #waited(pair: string, now: number): number {
    const since = this.#waitingSince.get(pair);
    if (since !== undefined && now - since < FORGET_AFTER) return now - since;
    this.#waitingSince.set(pair, now);
    return 0;
  }
}

interface Keys {
  readonly name: string;
  readonly network: string;
  readonly pair: string;
}

function keysOf(account: string, address: string): Keys {
  const name = bounded(account);
  const network = bounded(networkOf(address));
  return { name, network, pair: JSON.stringify([name, network]) };
}

function bounded(text: string): string {
  return text.length > NAME_MOST ? createHash('sha256').update(text).digest('base64url') : text;
}
