import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { NDJSON_TYPE } from './bodies.js';

/** How often, in milliseconds, it is looked for those that are late. */
export const LOOK_EVERY = 1000;

/**
 * Cuts off whoever sends a request too slowly. Node's own time-out for whole requests knows no exceptions, and a body that
 * is a stream of lines may take as long as it likes, so here only the head is left to Node.
 * @param limit milliseconds in which a request must have come in whole: what only trickles in is a way of holding connections
 */
export function registerTimeouts(app: FastifyInstance, limit: number): void {
  app.server.requestTimeout = 0;
  app.server.headersTimeout = limit;
  /** Requests whose bodies are on their way, in the order in which they began, and when they did. */
  const coming = new Map<IncomingMessage, number>();
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request;
    if (!raw.complete && hasBody(raw.headers) && !isStreamed(request)) coming.set(raw, performance.now());
    done();
  });
  app.addHook('preValidation', (request, _reply, done) => {
    coming.delete(request.raw);
    done();
  });
  // One timer for all. What was refused before its body was there, or broke off, is found here as well.
  const timer = setInterval(() => {
    const late = performance.now() - limit;
    for (const [raw, began] of coming) {
      if (raw.complete || raw.destroyed) coming.delete(raw);
      else if (began <= late) {
        coming.delete(raw);
        const error = Object.assign(new Error('The request took too long.'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
        app.server.emit('clientError', error, raw.socket);
      }
    }
  }, LOOK_EVERY);
  timer.unref();
  app.addHook('onClose', () => clearInterval(timer));
}

function hasBody(headers: { readonly [name: string]: unknown }): boolean {
  return 'transfer-encoding' in headers || (headers['content-length'] ?? '0') !== '0';
}

/** Whether the route reads the body itself: it has a time-out of its own. */
function isStreamed({ routeOptions, headers }: FastifyRequest): boolean {
  return routeOptions.config.linesBody === true && headers['content-type']?.split(';')[0]?.trim() === NDJSON_TYPE;
}
