import type { FastifyReply, FastifyRequest } from 'fastify';
import { notAcceptable } from './problem.js';

/**
 * Which of the types offered the Accept header prefers (RFC 9110, section 12.5.1); the first when it has no preference.
 * @throws HttpProblem 406 when it takes none of them
 */
export function negotiate<Type extends string>(request: FastifyRequest, offered: readonly Type[]): Type {
  const { accept } = request.headers;
  // What nearly everybody sends needs no parsing.
  const exactly =
    offered.find((one) => one === accept) ?? (accept === undefined || accept === '*/*' ? offered[0] : undefined);
  if (exactly !== undefined) return exactly;
  const chosen = request.accepts().type([...offered]);
  const type = Array.isArray(chosen) ? chosen[0] : chosen;
  const found = offered.find((one) => one === type);
  if (found === undefined) throw notAcceptable(offered);
  return found;
}

/** Tells caches that what is answered depends on Accept, beside what it depends on already. */
export function varyByAccept(reply: object): void {
  const answer = reply as FastifyReply;
  const before = answer.getHeader('vary');
  answer.header('vary', before === undefined ? 'Accept' : `${String(before)}, Accept`);
}
