import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { hostAndPort } from './target.js';

/** What a server answered. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = '\r\n\r\n';

/** One connection that is kept open, on which requests are made one behind the other: no more of HTTP than these servers answer with. */
export class Publisher {
  #text = '';
  /** Whoever waits for an answer, in the order of the requests. */
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection of a publisher was closed'));
    });
  }

  static async open(port: number): Promise<Publisher> {
    const socket = connect(hostAndPort(port));
    await once(socket, 'connect');
    return new Publisher(socket);
  }

  /** Sends a POST. @throws Error unless the status is 2xx */
  async post(path: string, body: string, type = 'text/plain'): Promise<Answer> {
    const length = Buffer.byteLength(body);
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.socket.write(
        `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n${body}`,
      );
    });
    if (answer.status < 200 || answer.status > 299) throw new Error(`POST ${path}: ${answer.status} ${answer.body}`);
    return answer;
  }

  close(): void {
    this.socket.resetAndDestroy();
  }

  #read(text: string): void {
    this.#text += text;
    for (;;) {
      const end = this.#text.indexOf(HEAD_END);
      if (end < 0) return;
      const head = this.#text.slice(0, end);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      const from = end + HEAD_END.length;
      if (this.#text.length < from + length) return;
      const answer = { status: Number(head.slice(9, 12)), body: this.#text.slice(from, from + length) };
      this.#text = this.#text.slice(from + length);
      this.#waiting.shift()?.resolve(answer);
    }
  }
}

/**
 * So many publishers, each with one request under way at any time, until told to stop.
 * @param path for the request of this number
 */
export class Publishing {
  sent = 0;
  #stopped = false;
  readonly #lanes: Promise<void>[];

  private constructor(
    private readonly publishers: readonly Publisher[],
    private readonly request: (n: number) => { readonly path: string; readonly body: string },
  ) {
    this.#lanes = publishers.map((publisher) => this.#lane(publisher));
  }

  /** @param ports taken in turn */
  static async start(
    ports: readonly [number, ...number[]],
    inFlight: number,
    request: (n: number) => { readonly path: string; readonly body: string },
  ): Promise<Publishing> {
    return new Publishing(
      await Promise.all(
        Array.from({ length: inFlight }, (_, n) => Publisher.open(ports[n % ports.length] ?? ports[0])),
      ),
      request,
    );
  }

  /** Resolves when what was under way is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    for (const publisher of this.publishers) publisher.close();
  }

  #next = 0;

  async #lane(publisher: Publisher): Promise<void> {
    while (!this.#stopped) {
      const { path, body } = this.request(this.#next++);
      await publisher.post(path, body);
      this.sent++;
    }
  }
}
