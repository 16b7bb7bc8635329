import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { ask } from '../support/http.js';
import type { Gap, Life, Received, Target } from './checker.js';
import { Watched } from './watched.js';
import { unpadded } from './padding.js';

/** Milliseconds between two connections, about as long as the servers ask for when nothing was said. */
const PAUSE = { least: 50, most: 300 };

/** A stream says something at every heartbeat. One that says nothing for so long is dead. Milliseconds. */
const SILENCE = 20_000;

/** A client that keeps one stream open, and comes back with its last id as an EventSource behind a proxy of several nodes does. */
export class Reader extends Watched implements Life {
  readonly received: Received[] = [];
  readonly texts = new Set<string>();
  readonly welcomes: { index: number; resumed: boolean }[] = [];
  readonly gaps: Gap[] = [];
  index = 0;
  token = '';
  targets: readonly Target[] = [];
  /** Whether a welcome has come on the connection there is. */
  isWelcome = false;
  #request: ClientRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string | undefined;
  #stopped = false;

  /** @param nodes where the nodes are; it begins with the one at `at` */
  constructor(
    private readonly nodes: readonly string[],
    private at: number,
  ) {
    super();
    this.#connect();
  }

  /** Has it enter a room, through this node. */
  async enter(url: string, room: number): Promise<void> {
    const path = `/rooms/${room}/members/${this.index}`;
    const { status, text } = await ask(`${url}${path}`, { method: 'PUT', token: this.token });
    if (status !== 201) throw new Error(`client ${this.index} did not enter: ${text}`);
    this.targets = [`client ${this.index}`, `room ${room}`];
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  #connect(): void {
    const headers = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId };
    const url = `${this.nodes[this.at % this.nodes.length]}/events`;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      outgoing.destroy();
      this.isWelcome = false;
      this.changed();
      if (this.#stopped) return;
      // A proxy may lead to any of them.
      this.at = Math.floor(Math.random() * this.nodes.length);
      this.#timer = setTimeout(() => this.#connect(), PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least));
    };
    const outgoing = request(url, { headers, agent: false, timeout: SILENCE }, (response) => {
      response.on('end', end).on('close', end).on('error', end);
      if (response.statusCode === 200) this.#read(response);
      else end();
    });
    outgoing.on('error', end).on('timeout', end).on('close', end);
    outgoing.end();
    this.#request = outgoing;
  }

  #read(response: IncomingMessage): void {
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
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
    if (event === 'message' && data !== '') this.#message(JSON.parse(data) as Message, id);
    else if (event === 'welcome') this.#welcome(JSON.parse(data) as Welcome);
    else if (event === 'gap') this.#gap(JSON.parse(data) as GapEvent);
  }

  #message({ id, to, text: sent }: Message, cursor = ''): void {
    const text = unpadded(sent);
    this.received.push({ id: Number(id), place: Number.parseInt(cursor, 10), to: targetOf(to), text });
    this.texts.add(text);
  }

  #gap({ after, oldest, to }: GapEvent): void {
    this.gaps.push({
      after: Number(after),
      oldest: oldest === null ? null : Number(oldest),
      to: to ? targetOf(to) : null,
    });
  }

  #welcome({ client: { index }, token, resumed }: Welcome): void {
    this.welcomes.push({ index, resumed });
    this.isWelcome = true;
    this.index ||= index;
    this.token ||= token;
  }
}

function targetOf(to: Address): Target {
  return 'client' in to ? `client ${to.client}` : `room ${to.room}`;
}

type Address = { readonly client: number } | { readonly room: string };

interface GapEvent {
  readonly after: string;
  readonly oldest: string | null;
  readonly to?: Address;
}

interface Message {
  readonly id: string;
  readonly to: Address;
  readonly text: string;
}

interface Welcome {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly resumed: boolean;
}
