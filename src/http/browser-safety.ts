import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.js';

/**
 * Keeps pages of other origins from using the server through their visitors' browsers, before a request does anything:
 *
 * - A request whose Origin is neither the server's own nor allowed is refused. A browser says it with every request that
 *   could act, and with every EventSource.
 * - On a loopback address a Host that names anything but this machine is refused: a page whose name was made to resolve to
 *   127.0.0.1 (DNS rebinding) has an Origin that looks like the server's own, but cannot help naming itself.
 *
 * @param corsOrigins origins that may use the server, as browsers write them; their hosts are names of this server too
 */
export function registerBrowserSafety(app: FastifyInstance, corsOrigins: readonly string[]): void {
  const origins = new Set(corsOrigins);
  const hosts = new Set(corsOrigins.map((origin) => new URL(origin).host));
  const machine = hostname().toLowerCase();

  app.addHook('onRequest', (request, _reply, done) => {
    const { origin, host } = request.headers;
    // RFC 9112, section 3.2. HTTP/1.0 needs none, and browsers do not speak it.
    if (host === undefined && request.raw.httpVersion !== '1.0') {
      throw new HttpProblem('invalid-request', 'A request needs a Host header. Send one.');
    }
    if (origin !== undefined && !origins.has(origin) && !isOwn(origin, host)) {
      throw new HttpProblem(
        'forbidden',
        'Pages of this origin may not use the server. Its operator can allow it: --cors-origins or INTERCHAT_CORS_ORIGINS.',
      );
    }
    if (
      isLoopback(request.socket.localAddress) &&
      !hosts.has(host?.toLowerCase() ?? '') &&
      !namesThisMachine(request, machine)
    ) {
      throw new HttpProblem(
        'forbidden',
        'This Host does not name the machine the server runs on. A name it is to be reached by can be allowed: --cors-origins.',
      );
    }
    done();
  });
}

const PLAIN_LOOPBACK = /^(?:localhost|127\.0\.0\.1)(?::\d{1,5})?$/;

/** Whether a page of this origin is one of this server's own. */
export function isOwn(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.host === host?.toLowerCase();
}

function namesThisMachine(request: FastifyRequest, machine: string): boolean {
  const { host } = request.headers;
  if (host === undefined || host === '') return true;
  // What nearly all say, without the work of taking it apart.
  if (PLAIN_LOOPBACK.test(host)) return true;
  if (!URL.canParse(`http://${host}`)) return false;
  const name = new URL(`http://${host}`).hostname;
  return name === 'localhost' || name.endsWith('.localhost') || name === machine || isLoopback(name);
}

/** Whether this is an address of the loopback interface (RFC 5735, RFC 4291), also where it is mapped into IPv6. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const bare = address.replace(/^\[|\]$/g, '').replace(/^::ffff:/i, '');
  return bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}
