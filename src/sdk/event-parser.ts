import { UnexpectedAnswer } from './errors.js';

/** An event of a stream. */
export interface ServerSentEvent {
  /** `message` where the server named none. */
  readonly event: string;
  readonly data: string;
  /** The last id there was, on this event or before it; empty where there was none. */
  readonly lastEventId: string;
}

/**
 * Takes the bytes of a `text/event-stream` apart, however they are cut into chunks (WHATWG HTML, section 9.2.6).
 *
 * Differs from the text in one thing: a line, or an event, of more than `limit` UTF-16 units is refused, since whoever sends
 * bytes without a line end could otherwise have all the memory there is.
 */
export class EventParser {
  /** How long the server wants to be left alone before a reconnection, in milliseconds; undefined until it says so. */
  retry: number | undefined;

  readonly #decoder = new TextDecoder(); // strips one byte order mark, as the text wants
  #line = '';
  #afterCarriageReturn = false;

  #event = '';
  #data: string[] = [];
  #dataLength = 0;
  #lastEventId = '';

  constructor(private readonly limit: number) {}

  /**
   * The events that are complete with this chunk. What is left at the end of the stream is an incomplete event, to be
   * thrown away.
   * @throws UnexpectedAnswer for a line or an event that is too long
   */
  push(chunk: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    let text = this.#decoder.decode(chunk, { stream: true });
    if (text === '') return events;
    if (this.#afterCarriageReturn && text.startsWith('\n')) text = text.slice(1);
    this.#afterCarriageReturn = text === '' ? false : text.endsWith('\r');

    let start = 0;
    const lineEnd = /\r\n|\n|\r/g;
    for (let match = lineEnd.exec(text); match; match = lineEnd.exec(text)) {
      const line = this.#line + text.slice(start, match.index);
      this.#line = '';
      start = lineEnd.lastIndex;
      this.#assertShort(line.length);
      if (line === '') this.#dispatch(events);
      else this.#field(line);
    }
    this.#line += text.slice(start);
    this.#assertShort(this.#line.length);
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    switch (name) {
      case 'event':
        this.#event = value;
        return;
      case 'data':
        this.#dataLength += value.length + 1;
        this.#assertShort(this.#dataLength);
        this.#data.push(value);
        return;
      case 'id':
        if (!value.includes('\0')) this.#lastEventId = value;
        return;
      case 'retry':
        if (/^[0-9]+$/.test(value)) this.retry = Number(value);
        return;
    }
  }

  #dispatch(events: ServerSentEvent[]): void {
    if (this.#data.length > 0) {
      events.push({
        event: this.#event === '' ? 'message' : this.#event,
        data: this.#data.join('\n'),
        lastEventId: this.#lastEventId,
      });
    }
    this.#event = '';
    this.#data = [];
    this.#dataLength = 0;
  }

  #assertShort(length: number): void {
    if (length > this.limit)
      throw new UnexpectedAnswer(`The server sent an event of more than ${this.limit} characters.`);
  }
}
