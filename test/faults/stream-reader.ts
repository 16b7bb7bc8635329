import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Target } from './checker.js';
import { Watched } from './watched.js';

/** Milliseconds between two connections, about the `retry` of a server that sends none. */
const PAUSE = { least: 50, most: 300 };

/** A stream carries a heartbeat at least. After this silence it counts as dead. Milliseconds. */
const SILENCE = 20_000;

export interface StreamReaderOptions {
  /** Path and query of the stream. */
  readonly path?: string;
  /** Milliseconds without a byte after which a connection counts as dead. */
  readonly silence?: number;
  /** Whether to lose this message: for a run that must find a loss. */
  readonly lose?: () => boolean;
}

/** Keeps one stream open, and resumes with its last id, as an EventSource behind a proxy of several nodes does. */
export abstract class StreamReader extends Watched {
  /** Whether the open connection has had its welcome. */
  isWelcome = false;
  index = 0;
  token = '';
  #request: ClientRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string | undefined;
  #stopped = false;

  /** @param nodes URLs of the nodes, which may change; the first connection goes to the one at `at` */
  constructor(
    private readonly nodes: readonly string[],
    private at: number,
    private readonly options: StreamReaderOptions = {},
  ) {
    super();
    this.#connect();
  }

  /** Closes the stream for good. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  /** Closes the stream until {@link comeBack}. */
  goAway(): void {
    this.stop();
    if (!this.isWelcome) return;
    this.isWelcome = false;
    this.onLost();
  }

  comeBack(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  protected abstract onMessage(message: StreamMessage, cursor: string | undefined): void;
  protected abstract onWelcome(welcome: Welcome): void;
  protected abstract onGap(gap: GapEvent): void;
  /** Any other event. */
  protected abstract onEvent(event: string, data: string): void;
  /** A connection that had its welcome ended. */
  protected onLost(): void {}

  #connect(): void {
    const headers = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId };
    const url = `${this.nodes[this.at % this.nodes.length]}${this.options.path ?? '/events'}`;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      outgoing.destroy();
      if (this.#request !== outgoing) return;
      if (this.isWelcome) this.onLost();
      this.isWelcome = false;
      this.changed();
      if (this.#stopped) return;
      // A proxy may lead to any of them.
      this.at = Math.floor(Math.random() * this.nodes.length);
      this.#timer = setTimeout(() => this.#connect(), PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least));
    };
    const timeout = this.options.silence ?? SILENCE;
    const outgoing = request(url, { headers, agent: false, timeout }, (response) => {
      response.on('end', end).on('close', end).on('error', end);
      if (response.statusCode === 200) this.#read(response, () => over);
      else end();
    });
    outgoing.on('error', end).on('timeout', end).on('close', end);
    outgoing.end();
    this.#request = outgoing;
  }

  #read(response: IncomingMessage, isOver: () => boolean): void {
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      // Of a connection that this reader has closed, a later one reads what is left.
      if (isOver() || this.#stopped) return;
      const blocks = (rest + text).split('\n\n');
      // What is not whole when the connection breaks counts for nothing.
      rest = blocks.pop() as string;
      for (const block of blocks) this.#take(block);
      this.changed();
    });
  }

  #take(block: string): void {
    let event = 'message';
    let id: string | undefined;
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('data: ')) data = line.slice(6);
      else if (line.startsWith('id: ')) id = line.slice(4);
      else if (line.startsWith('event: ')) event = line.slice(7);
    }
    this.#lastId = id ?? this.#lastId;
    if (event === 'message') {
      if (data !== '' && !this.options.lose?.()) this.onMessage(JSON.parse(data) as StreamMessage, id);
    } else if (event === 'welcome') {
      const welcome = JSON.parse(data) as Welcome;
      this.isWelcome = true;
      this.index ||= welcome.client.index;
      this.token ||= welcome.token;
      this.onWelcome(welcome);
    } else if (event === 'gap') this.onGap(JSON.parse(data) as GapEvent);
    else this.onEvent(event, data);
  }
}

export function targetOf(to: Address): Target {
  if ('everyone' in to) return 'everyone';
  return 'client' in to ? `client ${to.client}` : `room ${to.room}`;
}

export type Address = { readonly client: number } | { readonly room: string } | { readonly everyone: true };

export interface GapEvent {
  readonly after: string;
  readonly oldest: string | null;
  readonly to?: Address;
}

export interface StreamMessage {
  readonly id: string;
  readonly to: Address;
  readonly text: string;
  /** It has a place in the log before messages that this stream has had. */
  readonly late?: boolean;
}

export interface Welcome {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly resumed: boolean;
}
