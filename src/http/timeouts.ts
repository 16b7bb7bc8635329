import type { FastifyInstance, FastifyRequest } from 'fastify';
import { NDJSON_TYPE } from './bodies.js';

/** Milliseconds in which a request must have come in whole; what only trickles in is a way of holding connections. */
const REQUEST_TIMEOUT = 30_000;

/**
 * Cuts off whoever sends a request too slowly. Node's own time-out for whole requests knows no exceptions, and a body that
 * is a stream of lines may take as long as it likes, so here only the head is left to Node.
 */
export function registerTimeouts(app: FastifyInstance): void {
  app.server.requestTimeout = 0;
  app.server.headersTimeout = REQUEST_TIMEOUT;
  app.addHook('onRequest', async (request) => {
    const { raw } = request;
    if (raw.complete || !hasBody(raw.headers) || isStreamed(request)) return;
    const late = () => {
      const error = Object.assign(new Error('The request took too long.'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      app.server.emit('clientError', error, raw.socket);
    };
    const timer = setTimeout(late, REQUEST_TIMEOUT);
    const done = () => clearTimeout(timer);
    raw.once('end', done).once('close', done);
  });
}

function hasBody(headers: { readonly [name: string]: unknown }): boolean {
  return 'transfer-encoding' in headers || (headers['content-length'] ?? '0') !== '0';
}

/** Whether the route reads the body itself: it has a time-out of its own. */
function isStreamed({ routeOptions, headers }: FastifyRequest): boolean {
  return routeOptions.config.linesBody === true && headers['content-type']?.split(';')[0]?.trim() === NDJSON_TYPE;
}
