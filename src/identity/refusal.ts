import { errors } from 'jose';
import { Unauthorized } from '../hub/errors.js';

const NEW_ONE = 'Get a new one from your identity provider.';
const ASK = 'Ask whoever runs the identity provider.';

/**
 * Says what is wrong with a token, and what to do. Nothing of what is in the token, nor of the text of `error`, is repeated.
 *
 * @param error what jose threw
 * @param algorithms those that are allowed
 */
export function refusal(error: unknown, algorithms: readonly string[]): Unauthorized {
  return new Unauthorized(explain(error, algorithms));
}

function explain(error: unknown, algorithms: readonly string[]): string {
  if (error instanceof errors.JWTExpired) return `The token has expired. ${NEW_ONE}`;
  if (error instanceof errors.JWTClaimValidationFailed) return explainClaim(error);
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `The token is signed with an algorithm that is not allowed here. Get one that is signed with ${algorithms.join(', ')}.`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return `The token's signature is not genuine. Send it as you got it, or get a new one from your identity provider.`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return `The token is signed with a key that the identity provider does not list, which may be too old or too new. ${NEW_ONE}`;
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return 'The token is no JWT in the compact form, HEADER.CLAIMS.SIGNATURE. Send it as you got it.';
  }
  if (error instanceof errors.JOSENotSupported) {
    return `The token asks for an extension of JWT that is not supported here (crit). ${ASK}`;
  }
  return `The token is signed with a key that cannot be used. ${ASK}`;
}

function explainClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token has no claim ${claim}, which is needed here. ${ASK}`;
  if (reason === 'invalid') return `The token's claim ${claim} is no time in seconds since 1970. ${ASK}`;
  switch (claim) {
    case 'nbf':
      return 'The token is not valid yet. Try again in a moment; if it stays so, the clocks differ: ask whoever runs this server.';
    case 'iss':
      return 'The token is of another issuer than the one that is accepted here. Get one from the identity provider of this server.';
    case 'aud':
      return 'The token is for another audience. Get one from your identity provider that is for this server.';
    default:
      return `The token's claim ${claim} is not accepted here. ${ASK}`;
  }
}
