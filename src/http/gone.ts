import type { FastifyReply } from 'fastify';

/** Why: made once, as an error for each connection that ends costs more than all else that is done then. */
const GONE = new Error('Whoever asked is no longer there.');

/** Aborts when whoever asked is no longer there. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(GONE));
  return gone.signal;
}
