import { connect, type Socket } from 'node:net';
import { hostAndPort } from './target.js';

/** All streams read into this one buffer: what is in it is looked at before the next read. */
const BUFFER = Buffer.allocUnsafe(256 * 1024);
const NEWLINE = 0x0a;
const COLON = 0x3a;
const EVENT_END = Buffer.from('\n\n');

/** How many events came in, of all streams together. */
export const received = { events: 0, bytes: 0 };

export interface StreamOptions {
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Given the text of everything that comes in, for as long as it returns true. Without it events are counted alone. */
  readonly onText?: (text: string) => boolean;
}

/**
 * A stream of Server-Sent Events that counts what comes in, and does nothing else, so that thousands of them fit into one
 * process beside the server that they measure. It reads no chunk sizes: the end of an event is found in either framing.
 */
export class Stream {
  events = 0;
  #last = 0;
  #beforeLast = 0;
  #onText: ((text: string) => boolean) | undefined;
  readonly #socket: Socket;

  private constructor(options: StreamOptions, onOpen: () => void, onEnd: (error: Error) => void) {
    this.#onText = options.onText;
    let open = false;
    this.#socket = connect({
      ...hostAndPort(options.port),
      noDelay: true,
      onread: {
        buffer: BUFFER,
        callback: (length) => {
          this.#read(BUFFER.subarray(0, length));
          if (!open) {
            open = true;
            onOpen();
          }
          return true;
        },
      },
    });
    const headers = Object.entries({ host: '127.0.0.1', accept: 'text/event-stream', ...options.headers });
    this.#socket.write(`GET ${options.path} HTTP/1.1\r\n${headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
    this.#socket.once('close', () => onEnd(new Error(`a stream ended: ${options.path}`)));
    this.#socket.on('error', () => undefined);
  }

  /** Resolves when the first bytes of the answer are there. @param onEnd called if it ends without having been left */
  static async open(options: StreamOptions, onEnd: (error: Error) => void): Promise<Stream> {
    return new Promise((resolve, reject) => {
      const stream = new Stream(
        options,
        () => resolve(stream),
        (error) => {
          reject(error);
          if (!stream.#left) onEnd(error);
        },
      );
    });
  }

  #left = false;

  /** Has the text of everything that comes in from now on looked at, too. */
  watch(onText: (text: string) => void): void {
    this.#onText = (text) => {
      onText(text);
      return true;
    };
  }

  /** Breaks the connection off, so that no port stays in TIME_WAIT. */
  leave(): void {
    this.#left = true;
    this.#socket.resetAndDestroy();
  }

  #read(bytes: Buffer): void {
    received.bytes += bytes.length;
    if (this.#onText && !this.#onText(bytes.toString('latin1'))) this.#onText = undefined;
    // An empty line across two reads.
    if (this.#last === NEWLINE && bytes[0] === NEWLINE && this.#beforeLast !== COLON) this.#count();
    for (let at = bytes.indexOf(EVENT_END); at >= 0; at = bytes.indexOf(EVENT_END, at + 2)) {
      // A comment, such as a heartbeat, is no event.
      const before = at > 0 ? bytes[at - 1] : this.#last;
      if (before !== COLON) this.#count();
    }
    this.#beforeLast = (bytes.length > 1 ? bytes.at(-2) : this.#last) ?? 0;
    this.#last = bytes.at(-1) ?? 0;
  }

  #count(): void {
    this.events++;
    received.events++;
  }
}
