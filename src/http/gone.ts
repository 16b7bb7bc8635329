import type { FastifyReply } from 'fastify';

/** Aborts when whoever asked is no longer there. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}
