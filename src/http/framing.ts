import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem.js';
import type { UnderWay } from './under-way.js';

/** So many requests of one connection may wait for their turn to be answered. */
const MOST_IN_LINE = 64;

/** Whoever sends so many all the same does not wait for what is said to them. */
const FAR_TOO_MANY = 4 * MOST_IN_LINE;

/**
 * Refuses what Node's parser lets through, although it leaves open where a request ends or for whom it is: a proxy in front
 * might read it otherwise (RFC 9112), and more at once than anybody waits for. The connection ends with it, and nothing that
 * follows on it is done.
 */
export function registerFraming(app: FastifyInstance, underWay: UnderWay): void {
  // Node would answer by itself, without a problem.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  /** Connections on which nothing is read any more. */
  const ending = new WeakSet<Socket>();
  app.addHook('onRequest', ({ raw }, reply, done) => {
    const { socket } = raw;
    // Reset meanwhile: nobody is there to be answered, nor has an address by which to be limited or refused.
    if (socket.remoteAddress === undefined) return void socket.destroy();
    // Not to be answered: it may have begun in the middle of another.
    if (ending.has(socket)) return void (underWay.inLine(socket) > FAR_TOO_MANY && socket.destroy());
    const problem = faultOf(raw) ?? (underWay.inLine(socket) > MOST_IN_LINE ? tooMany() : undefined);
    // Of what comes in together with a request that asks for another protocol, Node throws the rest away.
    if (problem !== undefined || raw.headers.upgrade !== undefined) {
      ending.add(socket);
      reply.header('connection', 'close');
    }
    if (problem !== undefined) throw problem;
    done();
  });
}

function faultOf({ url = '', method, httpVersion, headers, rawHeaders }: IncomingMessage): HttpProblem | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return invalid('The server speaks HTTP/1.1. Send that.');
  if (!isTarget(url, method)) return invalid('What is asked for is to be a path that begins with a slash.');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    return invalid('The only Transfer-Encoding is chunked, in HTTP/1.1. Send the body as it is.');
  }
  if (hasTwoHosts(rawHeaders)) return invalid('A request has one Host header. Send one.');
  const { expect } = headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    return new HttpProblem('expectation-failed', 'The only Expect there is is 100-continue. Leave it out.');
  }
  return undefined;
}

/** RFC 9112, section 3.2; the authority that CONNECT has is for proxies. */
function isTarget(url: string, method: string | undefined): boolean {
  return url.startsWith('/') || /^https?:\/\//i.test(url) || (url === '*' && method === 'OPTIONS');
}

function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

function tooMany(): HttpProblem {
  return new HttpProblem(
    'too-many-requests',
    `More than ${MOST_IN_LINE} requests wait for their answers on this connection. Wait for some, or open another.`,
  );
}

function invalid(detail: string): HttpProblem {
  return new HttpProblem('invalid-request', detail);
}
