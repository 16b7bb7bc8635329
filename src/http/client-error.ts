import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { HttpProblem, PROBLEM_TYPE, problemBody } from './problem.js';
import type { SecurityHeaders } from './security-headers.js';

const LAST = Symbol('answer to the last request');
const REFUSED = Symbol('refused');

interface Connection extends Socket {
  [LAST]?: ServerResponse;
  [REFUSED]?: true;
}

/** Has {@link clientErrorHandler} know what was asked before on a connection, and whether it is answered. */
export function registerClientErrors(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw: { socket } }, { raw }, done) => {
    (socket as Connection)[LAST] = raw;
    done();
  });
}

/**
 * Answers what is not even HTTP, or came too slowly, with a problem as well: the parser gave up before there was a request, or
 * within its body. What was asked before on the connection is answered before, and nothing gets into an answer that has begun.
 * @param security what every answer has; no hook puts it on these
 */
export function clientErrorHandler(security: SecurityHeaders) {
  return (error: NodeJS.ErrnoException, socket: Connection) => answerClientError(error, socket, security);
}

function answerClientError(error: NodeJS.ErrnoException, socket: Connection, security: SecurityHeaders): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  // The parser complains of everything that follows, too.
  if (socket[REFUSED]) return;
  socket[REFUSED] = true;
  const { [LAST]: last } = socket;
  const answer = answerOf(problemOf(error.code), security);
  if (last === undefined) end(socket, answer);
  else if (last.headersSent && !last.writableEnded) socket.destroy();
  else if (last.req.complete) behind(last, () => end(socket, answer));
  else if (last.headersSent) behind(last, () => socket.destroySoon());
  else last.writeHead(answer.status, answer.headers).end(answer.body);
}

/** Does it once this answer is out. */
function behind(answer: ServerResponse, then: () => void): void {
  // Node lets go of the socket only when it says 'finish', and then ends the connection if that answer was the last.
  if (answer.writableFinished && !answer.socket) then();
  else answer.once('finish', then);
}

function end(socket: Socket, { status, headers, body }: RawAnswer): void {
  if (!socket.writable) return;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  // Whoever keeps sending what nobody reads would otherwise hold the connection.
  socket.destroySoon();
}

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string;
}

function answerOf(problem: HttpProblem, security: SecurityHeaders): RawAnswer {
  const body = JSON.stringify(problemBody(problem, '/'));
  const length = Buffer.byteLength(body);
  const headers = { ...security, 'content-type': PROBLEM_TYPE, 'content-length': length, connection: 'close' };
  return { status: problem.status, headers, body };
}

function problemOf(code: string | undefined): HttpProblem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpProblem('headers-too-large', 'The headers are larger than 16 KiB. Send fewer, or shorter ones.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpProblem(
        'request-timeout',
        'The request did not come in whole within the time it has. Send it again.',
      );
    default:
      return new HttpProblem('invalid-request', 'This is not a valid HTTP/1.1 request.');
  }
}
