import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Test } from 'tap';
import type { Proxy } from './proxy.js';

/** One HTTP/2 connection over TLS, as a browser has it, with any number of requests on it. */
export class Multiplexed {
  private constructor(readonly session: ClientHttp2Session) {}

  static async connect(t: Test, { tlsUrl, ca }: Proxy): Promise<Multiplexed> {
    const session = connect(tlsUrl, { ca });
    t.teardown(() => session.destroy());
    await once(session, 'remoteSettings');
    return new Multiplexed(session);
  }

  /** Begins a request. */
  request(headers: Record<string, string>): Exchange {
    return new Exchange(this.session.request(headers, { endStream: (headers[':method'] ?? 'GET') === 'GET' }));
  }
}

/** A request and its answer, while both may still be under way. */
export class Exchange {
  headers: IncomingHttpHeaders & { ':status'?: number } = {};
  /** What came of the answer so far. */
  text = '';
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(readonly stream: ClientHttp2Stream) {
    stream.setEncoding('utf8');
    stream.on('response', (headers) => (this.headers = headers));
    stream.on('data', (part: string) => {
      this.text += part;
      this.#wake();
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The data of the events of this name (`message` for those without one) that are complete. */
  events(name: string): Record<string, unknown>[] {
    const blocks = this.text.split('\n\n').slice(0, -1);
    const named = blocks.filter((block) => (/^event: (.*)$/m.exec(block)?.[1] ?? 'message') === name);
    const lines = named.flatMap((block) => /^data: (.*)$/m.exec(block)?.[1] ?? []);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Resolves once this holds of what came so far. */
  async until(condition: (exchange: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.#ended) throw new Error(`the answer ended before: ${this.text.slice(-1000)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
