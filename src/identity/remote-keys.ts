import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { IdentityUnavailable } from './identity-unavailable.js';

/** Milliseconds after which the keys are fetched again, while those at hand still count. */
export const REFRESH_AFTER = 5 * 60_000;

/** Milliseconds that keys count at the most: one that was taken out of the JWKS is not accepted for longer. */
export const KEYS_LAST = 10 * 60_000;

/** The least milliseconds between two fetches for the sake of a key that is not among those at hand. */
export const COOLDOWN = 10_000;

/** Milliseconds for which nothing is fetched after it failed. */
export const FAILURE_PAUSE = 5_000;

/** The keys that an identity provider had at one moment. */
export interface KeySet {
  /** Finds the key that a token names (`kid`), or the only one that fits. */
  readonly find: JWTVerifyGetKey;
  /** When these keys were asked for, in milliseconds since 1970. */
  readonly askedAt: number;
}

/**
 * The keys of an identity provider, as its JWKS has them (RFC 7517, section 5).
 *
 * `createRemoteJWKSet` of jose keeps the pauses after a fetch that succeeded alone: while the provider is down, each token with
 * a `kid` of its own would make it fetch again. Here a failure has its pause too, and keys are renewed before they are too old,
 * so that a provider that is away for some minutes is not noticed.
 */
export class RemoteKeys {
  readonly #url: string;
  readonly #now: () => number;
  readonly #timeout: number;
  #keys: KeySet | undefined;
  #failure: { readonly at: number; readonly error: IdentityUnavailable } | undefined;
  #fetching: Promise<KeySet> | undefined;

  /**
   * @param now milliseconds since 1970
   * @param timeout milliseconds that the provider has for its answer
   */
  constructor(url: string | URL, now: () => number, timeout: number) {
    this.#url = String(url);
    this.#now = now;
    this.#timeout = timeout;
  }

  /** Those at hand, however old; undefined before the first fetch. */
  get atHand(): KeySet | undefined {
    return this.#keys;
  }

  /** Until when these keys count, in milliseconds since 1970. */
  static lastUntil(keys: KeySet): number {
    return keys.askedAt + KEYS_LAST;
  }

  /** Those that count now. @throws IdentityUnavailable when there are none, and none can be fetched */
  async current(): Promise<KeySet> {
    const keys = this.#keys;
    const now = this.#now();
    if (!keys || now >= RemoteKeys.lastUntil(keys)) return this.#fetch();
    // Nobody waits for it, and whoever comes once the keys are too old is told that it failed.
    if (now >= keys.askedAt + REFRESH_AFTER) this.#fetch().catch(() => undefined);
    return keys;
  }

  /**
   * Newer ones than these, among which a key may be that is not among these; undefined when these were fetched a moment ago.
   * @throws IdentityUnavailable when they cannot be fetched
   */
  async newerThan(keys: KeySet): Promise<KeySet | undefined> {
    if (this.#keys && this.#keys !== keys) return this.#keys;
    return this.#now() < keys.askedAt + COOLDOWN ? undefined : this.#fetch();
  }

  /** Fetches once for all who ask meanwhile, and not at all in the pause after a failure. */
  #fetch(): Promise<KeySet> {
    if (this.#failure && this.#now() < this.#failure.at + FAILURE_PAUSE) return Promise.reject(this.#failure.error);
    return (this.#fetching ??= this.#ask().finally(() => (this.#fetching = undefined)));
  }

  async #ask(): Promise<KeySet> {
    const askedAt = this.#now();
    try {
      const find = createLocalJWKSet(await download(this.#url, this.#timeout));
      this.#failure = undefined;
      return (this.#keys = { find, askedAt });
    } catch (error) {
      const unavailable = new IdentityUnavailable(reasonOf(error));
      this.#failure = { at: this.#now(), error: unavailable };
      throw unavailable;
    }
  }
}

/** The provider answered with another status than 200. A redirect counts as that: it would lead to where nobody configured. */
class UnexpectedStatus extends Error {
  constructor(readonly status: number) {
    super();
  }
}

/** What jose takes or refuses as a JWKS. */
async function download(url: string, timeout: number): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { accept: 'application/jwk-set+json, application/json' },
    signal: AbortSignal.timeout(timeout),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new UnexpectedStatus(response.status);
  }
  return (await response.json()) as JSONWebKeySet;
}

/** Nothing of the error's own text: it may have the address, with what is secret in it, or what the provider answered. */
function reasonOf(error: unknown): string {
  if (error instanceof UnexpectedStatus) return `it answers with status ${error.status}`;
  if (!(error instanceof Error)) return 'unknown error';
  if (error.name === 'TimeoutError') return 'it does not answer in time';
  const { code } = (error.cause ?? {}) as { readonly code?: unknown };
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(code)) return code;
  // fetch fails with a TypeError, whatever it was.
  return error instanceof TypeError ? 'it cannot be reached' : 'its answer is no JWKS';
}
