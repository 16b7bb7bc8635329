import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Test } from 'tap';

/** An event as it stood in the stream. */
export interface StreamEvent {
  /** `message` where the stream had no event field. */
  readonly event: string;
  readonly id: string | undefined;
  readonly retry: number | undefined;
  /** Parsed, as every event of InterChat has JSON. */
  readonly data: Record<string, unknown>;
}

/**
 * Reads a stream of Server-Sent Events without any convenience: no reconnecting, no deduplication, nothing forgiven. Written
 * anew rather than taken from the SDK, so that the two check each other.
 */
export class EventReader {
  /** Everything that came, in order. */
  readonly events: StreamEvent[] = [];
  /** Comment lines, such as heartbeats. */
  comments = 0;
  ended = false;
  #rest = '';
  #taken = 0;
  #waiting: (() => void)[] = [];

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#read(text));
    const end = () => {
      this.ended = true;
      this.#wake();
    };
    response.on('end', end).on('close', end).on('error', end);
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  /** Connects; resolves when the head of the answer is there. */
  static open(t: Test, url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { headers, agent: false }, (response) => resolve(new EventReader(response)));
      outgoing.on('error', reject);
      outgoing.end();
      t.teardown(() => outgoing.destroy());
    });
  }

  /** The next event that nobody has taken yet. */
  async next(): Promise<StreamEvent> {
    for (;;) {
      const event = this.events[this.#taken];
      if (event) {
        this.#taken++;
        return event;
      }
      if (this.ended) throw new Error('the stream ended before the event that was waited for');
      await this.#change();
    }
  }

  /** Takes events up to and with the first of this name. */
  async take(name: string): Promise<StreamEvent> {
    for (;;) {
      const event = await this.next();
      if (event.event === name) return event;
    }
  }

  /** Resolves once this holds of what came so far. */
  async until(condition: (reader: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.ended) {
        throw new Error(`the stream ended before the condition held; last: ${JSON.stringify(this.events.at(-1))}`);
      }
      await this.#change();
    }
  }

  async end(): Promise<void> {
    while (!this.ended) await this.#change();
  }

  /** Breaks the connection. */
  close(): void {
    this.response.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #read(text: string): void {
    this.#rest += text;
    for (;;) {
      const end = this.#rest.indexOf('\n\n');
      if (end < 0) break;
      this.#block(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 2);
    }
    this.#wake();
  }

  #block(block: string): void {
    let event = 'message';
    let id: string | undefined;
    let retry: number | undefined;
    let data: string | undefined;
    for (const line of block.split('\n')) {
      const match = /^(event|id|retry|data): (.*)$/.exec(line);
      if (line.startsWith(':')) this.comments++;
      else if (!match || match[2] === undefined) throw new Error(`not a line of this stream: ${JSON.stringify(line)}`);
      else if (match[1] === 'event') event = match[2];
      else if (match[1] === 'id') id = match[2];
      else if (match[1] === 'retry') retry = Number(match[2]);
      else if (data !== undefined) throw new Error('an event had two data lines');
      else data = match[2];
    }
    if (data === undefined) return;
    this.events.push({ event, id, retry, data: JSON.parse(data) as Record<string, unknown> });
  }
}
