import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';

export interface RawStreamOptions {
  /** Path and query. */
  readonly path?: string;
  /** As a browser sends it that comes back. */
  readonly lastEventId?: string;
  /** Of each text only so many characters are kept. */
  readonly keep?: number;
}

/** What an event of InterChat may have in its data, as far as it matters here. */
interface Data {
  readonly client?: { readonly index: number };
  readonly token?: string;
  readonly resumed?: boolean;
  readonly text?: string;
  readonly reason?: string;
}

/** An EventSource that is a socket and little else, so that thousands of them fit into a test. It does not come back by itself. */
export class RawStream {
  readonly texts: string[] = [];
  /** Of its client; 0 until it is welcomed. */
  index = 0;
  token = '';
  resumed = false;
  lastEventId = '';
  /** In how many milliseconds to come back, as it was last told. */
  retry = 0;
  /** Why the server ended it. */
  bye: string | undefined;
  /** What is not an event: the head of the answer, or a problem. */
  head = '';
  #rest = '';
  #waiting: (() => void)[] = [];

  private constructor(
    private readonly socket: Socket,
    private readonly keep: number,
  ) {
    socket.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined).on('close', () => this.#wake());
  }

  /** Connects; resolves when it was welcomed. @throws Error when it was not */
  static async open(port: number, options: RawStreamOptions = {}): Promise<RawStream> {
    const stream = await RawStream.ask(port, options);
    await stream.until(({ index }) => index > 0);
    return stream;
  }

  /** The same, but resolves when it has asked. @throws Error when nobody listens */
  static async ask(
    port: number,
    { path = '/events', lastEventId, keep = Infinity }: RawStreamOptions = {},
  ): Promise<RawStream> {
    const socket = connectTo(port, '127.0.0.1');
    await once(socket, 'connect');
    const stream = new RawStream(socket, keep);
    const cursor = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${cursor}\r\n`);
    return stream;
  }

  get ended(): boolean {
    return this.socket.destroyed;
  }

  /** Takes nothing any more, and stays. */
  stall(): void {
    this.socket.pause();
  }

  /** Takes what came meanwhile. */
  resume(): void {
    this.socket.resume();
  }

  leave(): void {
    this.socket.destroy();
  }

  /** @throws Error when the stream ends before it is so */
  async until(condition: (stream: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.ended) throw new Error(`the stream of client ${this.index} ended: ${this.head.slice(0, 500)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when the connection is over. */
  async end(): Promise<void> {
    if (!this.ended) await once(this.socket, 'close');
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #read(text: string): void {
    this.#rest += text;
    // The answer has no chunks, so its bytes are the events, but for the head before the first of them.
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const block = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 2);
      this.#take(block);
    }
    if (this.head === '') this.head = text;
    this.#wake();
  }

  #take(block: string): void {
    this.retry = Number(/^retry: (\d+)$/m.exec(block)?.[1] ?? this.retry);
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) return;
    this.lastEventId = /^id: (.*)$/m.exec(block)?.[1] ?? this.lastEventId;
    const { client, token, resumed, text, reason } = JSON.parse(data) as Data;
    if (client) this.index = client.index;
    if (token !== undefined) this.token = token;
    if (resumed !== undefined) this.resumed = resumed;
    // Copied, as a part of a text has V8 keep all of it.
    if (text !== undefined)
      this.texts.push(text.length <= this.keep ? text : structuredClone(text.slice(0, this.keep)));
    if (reason !== undefined) this.bye = reason;
  }
}
