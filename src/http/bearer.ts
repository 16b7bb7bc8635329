import type { FastifyRequest } from 'fastify';
import { Unauthorized } from '../hub/errors.js';

/**
 * The token in `Authorization: Bearer TOKEN` (RFC 6750, section 2.1); undefined when there is no such header.
 * @throws Unauthorized for any other scheme
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  const match = /^Bearer +(\S+) *$/i.exec(authorization);
  if (!match)
    throw new Unauthorized('The Authorization header is to be: Bearer TOKEN, with the token from the welcome.');
  return match[1];
}
