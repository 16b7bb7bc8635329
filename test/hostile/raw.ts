import { connect, type Socket } from 'node:net';

/** What came of bytes on a connection of their own. */
export interface Outcome {
  readonly answers: readonly RawAnswer[];
  /** What came behind the last answer that could be made out; empty where nothing is wrong. */
  readonly rest: string;
}

export interface RawAnswer {
  readonly status: number;
  /** In lower case. */
  readonly head: string;
  readonly body: string;
}

export interface Spoken {
  /** Of the requests, in order, so that answers without a body are known; GET unless named. */
  readonly methods?: readonly string[];
  readonly port: number;
  /**
   * Ends the sending half behind the parts, which are not whole. Otherwise one more request follows, so that nobody waits for a
   * connection that is kept; its answer is left out.
   */
  readonly half?: boolean;
  /** How long to wait for the end, in milliseconds. */
  readonly patience?: number;
}

const LAST = 'GET /the-last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/**
 * Sends bytes as they are; resolves when the server has ended the connection. Of HTTP/1.1 what comes back is
 * taken apart as strictly as the standard has it.
 * @throws Error when the connection does not end in time
 */
export function speak(
  parts: readonly (string | Buffer)[],
  { port, patience = 10_000, half = false, methods = [] }: Spoken,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.setNoDelay(true);
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection hangs after ${JSON.stringify(String(parts[0]).slice(0, 200))}`));
    }, patience);
    socket.on('data', (chunk) => chunks.push(chunk));
    // Whoever is refused early may be reset while it still writes.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(late);
      const { answers, rest } = answersIn(Buffer.concat(chunks).toString('latin1'), methods);
      resolve({ rest, answers: answers.filter(({ body }) => !body.includes('"/the-last"')) });
    });
    void writeAll(socket, half ? parts : [...parts, LAST]).then(() => half && !socket.destroyed && socket.end());
  });
}

/** Part by part, each in a segment of its own. */
async function writeAll(socket: Socket, parts: readonly (string | Buffer)[]): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return;
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    await new Promise<void>((resolve) => socket.write(bytes, () => setImmediate(resolve)));
  }
}

/** RFC 9112, section 6.3. */
export function answersIn(text: string, methods: readonly string[]): Outcome {
  const answers: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const match = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(rest);
    if (!match || end < 0) return { answers, rest };
    const status = Number(match[1]);
    const head = rest.slice(0, end).toLowerCase();
    rest = rest.slice(end + 4);
    if (status < 200) continue;
    const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
    let body: string;
    if (methods[answers.length] === 'HEAD' || status === 204 || status === 304) body = '';
    else if (head.includes('\r\ntransfer-encoding: chunked')) {
      const whole = chunked(rest);
      body = whole.body;
      rest = whole.rest;
      answers.push({ status, head, body });
      continue;
    } else body = length === undefined ? rest : rest.slice(0, Number(length));
    rest = rest.slice(body.length);
    answers.push({ status, head, body });
  }
}

function chunked(text: string): { body: string; rest: string } {
  let body = '';
  let rest = text;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(rest);
    if (!size) return { body, rest };
    const length = parseInt(size[1] as string, 16);
    const begin = size[0].length;
    body += rest.slice(begin, begin + length);
    rest = rest.slice(begin + length + 2);
    if (length === 0) return { body, rest };
  }
}
