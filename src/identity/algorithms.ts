/** What a JWKS can check: signatures whose key may be public (RFC 7518, section 3.1; RFC 8037; RFC 9864). */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** What a shared secret can check, and how many bytes it needs for that (RFC 7518, section 3.2). */
export const SECRET_BYTES: ReadonlyMap<string, number> = new Map([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
]);

/** What stands for `jwt-algorithms` where it is not set. */
export const SECRET_ALGORITHMS_UNLESS_SET: readonly string[] = ['HS256'];
