import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { HttpProblem, PROBLEM_TYPE, problemBody } from './problem.js';

/** Answers what is not even HTTP, or came too slowly, with a problem as well: the parser gave up before there was a request. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(error.code);
  const body = JSON.stringify(problemBody(problem, '/'));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // Whoever keeps sending what nobody reads would otherwise hold the connection.
  socket.destroySoon();
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
