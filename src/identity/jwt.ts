import { createHash } from 'node:crypto';
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type ProtectedHeaderParameters,
} from 'jose';
import type { ForeignIdentity, IdentityProvider } from '../hub/access/authenticator.js';
import { isClientName } from '../hub/client-name.js';
import { Unauthorized } from '../hub/errors.js';
import { ASYMMETRIC_ALGORITHMS, SECRET_BYTES } from './algorithms.js';
import { IdentityUnavailable } from './identity-unavailable.js';
import { refusal } from './refusal.js';
import { type KeySet, RemoteKeys } from './remote-keys.js';

/** Whose tokens are accepted, and what is read from them. Either `jwks` or `secret` is there. */
export interface JwtSettings {
  /** Where the identity provider publishes its keys. */
  readonly jwks?: string | URL;
  /** What it shares with this server instead; its UTF-8 is the key. Never print or log it. */
  readonly secret?: string;
  /** What the claim `iss` has to be, to the letter. */
  readonly issuer: string;
  /** What the claim `aud` has to be or to contain, to the letter. */
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Seconds by which the clocks may differ. */
  readonly skew: number;
  readonly nameClaim: string;
  readonly permissionsClaim: string;
}

/** No HTTP header is longer; what is longer is not even looked at. */
const TOKEN_MOST = 16_384;

/** Characters of a subject at the most (OpenID Connect Core 1.0, section 2). */
const SUBJECT_MOST = 255;

/** The last moment a Date can have, in milliseconds since 1970. */
const TIME_MOST = 8.64e15;

/** How many tokens are remembered as genuine, and for how many milliseconds at the most. */
const REMEMBERED_MOST = 1_000;
const REMEMBERED_FOR = 60_000;

/** Kinds of tokens that say who somebody is; others of the same issuer, such as `logout+jwt`, do not (RFC 8725, section 3.11). */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'at+jwt'];

interface Remembered {
  readonly identity: ForeignIdentity;
  readonly until: number;
  /** What it was checked with: with newer keys it is checked again. */
  readonly keys: KeySet | undefined;
}

/**
 * Checks JSON Web Tokens (RFC 7519) of one identity provider, as RFC 8725 advises: only algorithms that fit the kind of key
 * that is configured, only keys from where is configured (whatever `jwk`, `jku` and `x5u` of the token say), and always issuer,
 * audience, subject and end.
 */
export class JwtVerifier implements IdentityProvider {
  readonly #settings: JwtSettings;
  readonly #now: () => number;
  readonly #keys: RemoteKeys | Uint8Array;
  /** By the digest of the token, the one used longest ago first. */
  readonly #remembered = new Map<string, Remembered>();

  /**
   * @param options `now` in milliseconds since 1970; `timeout`, the milliseconds that the provider has to tell its keys
   * @throws RangeError for settings under which anybody, or nobody, could be let in
   */
  constructor(settings: JwtSettings, options: { readonly now?: () => number; readonly timeout?: number } = {}) {
    const { now = Date.now, timeout = 5_000 } = options;
    this.#settings = settings;
    this.#now = now;
    this.#keys = keysOf(settings, now, timeout);
  }

  /**
   * Who the bearer of this token is.
   *
   * @throws Unauthorized when it proves nothing, or nothing any more; the message says why, and never has the token
   * @throws IdentityUnavailable when that cannot be said for the moment
   */
  async verify(token: string): Promise<ForeignIdentity> {
    if (token.length > TOKEN_MOST) {
      throw new Unauthorized(`The token is longer than ${TOKEN_MOST} characters. Get a shorter one.`);
    }
    const digest = createHash('sha256').update(token).digest('base64');
    const remembered = this.#recall(digest);
    if (remembered) return remembered;

    const { payload, keys } = await this.#check(token);
    const identity = this.#read(payload);
    this.#remember(digest, identity, keys);
    return identity;
  }

  async #check(token: string): Promise<{ readonly payload: JWTPayload; readonly keys: KeySet | undefined }> {
    try {
      const header = headerOf(token);
      checkType(header);
      const source = this.#keys;
      if (source instanceof Uint8Array) return { payload: await this.#verifyWith(token, source), keys: undefined };

      const keys = await source.current();
      try {
        return { payload: await this.#verifyWith(token, keys.find), keys };
      } catch (error) {
        const newer = mayHaveNewKey(header, error) ? await source.newerThan(keys) : undefined;
        if (!newer) throw error;
        return { payload: await this.#verifyWith(token, newer.find), keys: newer };
      }
    } catch (error) {
      if (error instanceof Unauthorized || error instanceof IdentityUnavailable) throw error;
      throw refusal(error, this.#settings.algorithms);
    }
  }

  async #verifyWith(token: string, key: JWTVerifyGetKey | Uint8Array): Promise<JWTPayload> {
    const { issuer, audience, algorithms, skew } = this.#settings;
    const options = {
      issuer,
      audience,
      algorithms: [...algorithms],
      clockTolerance: skew,
      currentDate: new Date(this.#now()),
      requiredClaims: ['sub', 'exp'],
    };
    if (key instanceof Uint8Array) return (await jwtVerify(token, key, options)).payload;
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // A token need not name its key. Where several fit, one of them has to.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      let failure: unknown = new errors.JWKSNoMatchingKey();
      for await (const candidate of error) {
        try {
          return (await jwtVerify(token, candidate, options)).payload;
        } catch (error) {
          if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
          failure = error;
        }
      }
      throw failure;
    }
  }

  #read(payload: JWTPayload): ForeignIdentity {
    const { issuer, skew, nameClaim, permissionsClaim } = this.#settings;
    // It may be any JSON: jose checks that it is there.
    const sub: unknown = payload.sub;
    if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_MOST) {
      throw new Unauthorized(
        `The token's claim sub is no text of 1 to ${SUBJECT_MOST} characters. Ask whoever runs the identity provider.`,
      );
    }
    const expiresAt = ((payload.exp ?? 0) + skew) * 1000;
    if (expiresAt > TIME_MOST) {
      throw new Unauthorized(
        `The token's claim exp is no time in seconds since 1970. Ask whoever runs the identity provider.`,
      );
    }
    const name = claim(payload, nameClaim);
    return {
      subject: JSON.stringify([issuer, sub]),
      name: typeof name === 'string' && isClientName(name) ? name : null,
      may: permissions(claim(payload, permissionsClaim), permissionsClaim),
      expiresAt,
    };
  }

  #recall(digest: string): ForeignIdentity | undefined {
    const remembered = this.#remembered.get(digest);
    if (!remembered) return undefined;
    this.#remembered.delete(digest);
    const keys = this.#keys instanceof RemoteKeys ? this.#keys.atHand : undefined;
    if (remembered.keys !== keys || this.#now() >= remembered.until) return undefined;
    this.#remembered.set(digest, remembered);
    return remembered.identity;
  }

  #remember(digest: string, identity: ForeignIdentity, keys: KeySet | undefined): void {
    const keysLast = keys ? RemoteKeys.lastUntil(keys) : Infinity;
    const until = Math.min(this.#now() + REMEMBERED_FOR, identity.expiresAt, keysLast);
    this.#remembered.set(digest, { identity, until, keys });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED_MOST && oldest !== undefined) this.#remembered.delete(oldest);
  }
}

/** One kind of key, and only algorithms for it: a public key must never be taken for a secret (RFC 8725, section 2.1). */
function keysOf(
  { jwks, secret, algorithms }: JwtSettings,
  now: () => number,
  timeout: number,
): RemoteKeys | Uint8Array {
  if ((jwks === undefined) === (secret === undefined)) throw new RangeError('Either a JWKS or a secret is needed.');
  if (algorithms.length === 0) throw new RangeError('At least one algorithm is needed.');
  if (jwks !== undefined) {
    if (algorithms.every((name) => ASYMMETRIC_ALGORITHMS.includes(name))) return new RemoteKeys(jwks, now, timeout);
    throw new RangeError('A JWKS takes asymmetric algorithms alone.');
  }
  const key = new TextEncoder().encode(secret);
  if (algorithms.every((name) => key.length >= (SECRET_BYTES.get(name) ?? Infinity))) return key;
  throw new RangeError('A secret takes HS256, HS384 and HS512 alone, and has to be as long as their digests.');
}

function headerOf(token: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(token);
  } catch {
    // Of jose it is a TypeError, as if it were the caller's fault.
    throw new errors.JWSInvalid();
  }
}

function checkType({ typ }: ProtectedHeaderParameters): void {
  const type: unknown = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  if (!TYPES.includes(type)) {
    throw new Unauthorized('The token is of a kind that does not say who you are (typ). Send an access token.');
  }
}

/** Whether the provider may meanwhile have a key with which this token would be genuine. */
function mayHaveNewKey({ kid }: ProtectedHeaderParameters, error: unknown): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  return error instanceof errors.JWSSignatureVerificationFailed && kid === undefined;
}

function claim(payload: JWTPayload, name: string): unknown {
  return Object.hasOwn(payload, name) ? payload[name] : undefined;
}

/** A claim that cannot be read must not count as none: that would leave its bearer what all others may. */
function permissions(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value.split(' ').filter((item) => item !== '');
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw new Unauthorized(
    `The token's claim ${name} is neither a list of texts nor a text. Ask whoever runs the identity provider.`,
  );
}
