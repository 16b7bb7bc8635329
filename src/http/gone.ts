import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

/** Why: made once, as an error for each connection that ends costs more than all else that is done then. */
const GONE = new Error('Whoever asked is no longer there.');

/** What waits on a connection. One listener for all of it, as requests may be sent one behind the other. */
const waiting = new WeakMap<Socket, Set<AbortController>>();

/**
 * Aborts when whoever asked may no longer be there: the connection is closed, or the other side has ended its half of it, which looks
 * the same for as long as nothing is written. Somebody who only says no more is answered then, with what there is.
 */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const { socket } = raw.req;
  const others = waitingOn(socket);
  others.add(gone);
  if (socket.readableEnded) gone.abort(GONE);
  raw.once('close', () => {
    others.delete(gone);
    gone.abort(GONE);
  });
  return gone.signal;
}

function waitingOn(socket: Socket): Set<AbortController> {
  const known = waiting.get(socket);
  if (known) return known;
  const fresh = new Set<AbortController>();
  waiting.set(socket, fresh);
  socket.once('end', () => fresh.forEach((one) => one.abort(GONE)));
  return fresh;
}
