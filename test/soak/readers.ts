import { setTimeout as pause } from 'node:timers/promises';
import { type Client, connect } from '../../src/sdk/index.js';
import { gapOf } from '../faults/reader.js';
import { type GapEvent, type StreamMessage, StreamReader, targetOf, type Welcome } from '../faults/stream-reader.js';
import { ask } from '../support/http.js';
import type { Checker, Life } from './checker.js';

/** Heartbeats come every 2 s. Milliseconds. */
const SILENCE = 6_000;

/** Milliseconds until a question is asked again that had no answer, or 503. */
const PAUSE = 100;
const TIMEOUT = 5_000;

export interface Surroundings {
  readonly checker: Checker;
  /** Whether to lose what came: for a run that must find a loss. */
  readonly lose: () => boolean;
  /** URLs of the nodes that may be asked, which may change. */
  readonly nodes: () => readonly string[];
}

/** A reader that takes part in a soak. */
export interface SoakReader {
  readonly life: Life | undefined;
  readonly token: string;
  /** Whether it receives. */
  readonly isOnline: boolean;
  stop(): void | Promise<void>;
}

/**
 * Asks any node, again and again, until one answers with something else than "not now". Undefined once it `isOver`. It waits for
 * each answer as long as that takes: a request that was given up could be carried out after a later one.
 */
export async function askUntilAnswered(
  { nodes }: Pick<Surroundings, 'nodes'>,
  path: string,
  options: Parameters<typeof ask>[1],
  isOver: () => boolean,
): Promise<Awaited<ReturnType<typeof ask>> | undefined> {
  for (let at = 0; !isOver(); at++) {
    const all = nodes();
    const answer = await ask(`${all[at % all.length]}${path}`, options).catch(() => undefined);
    if (answer && answer.status < 500) return answer;
    await pause(PAUSE);
  }
  return undefined;
}

/** A stream as an EventSource has it. */
export class RawReader extends StreamReader implements SoakReader {
  life: Life | undefined;
  #isBusy = false;

  constructor(
    protected readonly surroundings: Surroundings,
    nodes: readonly string[],
    at: number,
    path = '/events',
  ) {
    super(nodes, at, { path, silence: SILENCE, lose: surroundings.lose });
  }

  get isOnline(): boolean {
    return this.isWelcome;
  }

  /** Enters a room, and waits until that is answered. Not while it enters or leaves another. */
  async enter(room: string): Promise<void> {
    await this.#move('PUT', room);
  }

  async exit(room: string): Promise<void> {
    await this.#move('DELETE', room);
  }

  async #move(method: 'PUT' | 'DELETE', room: string): Promise<void> {
    const { life, token } = this;
    if (!life || this.#isBusy) return;
    this.#isBusy = true;
    if (method === 'PUT') life.enters(room);
    else life.exits(room);
    const path = `/rooms/${room}/members/${life.index}`;
    const answer = await askUntilAnswered(this.surroundings, path, { method, token }, () => this.life !== life);
    this.#isBusy = false;
    if (!answer || this.life !== life) return;
    if (answer.status === 401 || answer.status === 410) this.gone(`${answer.status} to ${method} ${path}`);
    else if (method === 'PUT' && answer.status < 300) life.entered(room);
    else if (method === 'DELETE' && (answer.status < 300 || answer.status === 404)) life.exited(room);
    else this.surroundings.checker.violate('answer', `${answer.status} to ${method} ${path}: ${answer.text}`);
  }

  /** The server no longer knows it. Its stream finds out by itself. */
  protected gone(how: string): void {
    this.life?.gone(how);
    this.life = undefined;
  }

  protected override onMessage({ id, to, text, late = false }: StreamMessage, cursor = ''): void {
    this.life?.received({ id: Number(id), to: targetOf(to), text, late, place: Number.parseInt(cursor, 10) });
  }

  protected override onGap(event: GapEvent): void {
    this.life?.gap(gapOf(event));
  }

  protected override onWelcome({ client: { index }, resumed, token }: Welcome): void {
    if (this.life?.welcomed(index, resumed)) return;
    this.index = index;
    this.token = token;
    this.life = this.surroundings.checker.life(index);
    this.life.welcomed(index, false);
  }

  protected override onLost(): void {
    this.life?.lost();
  }

  protected override onEvent(event: string, data: string): void {
    if (event === 'bye' && (JSON.parse(data) as { reason: string }).reason === 'left') this.gone('bye left');
  }
}

/** A bot by the SDK. */
export class SdkReader implements SoakReader {
  life: Life | undefined;
  token = '';
  #client: Client | undefined;
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(
    private readonly surroundings: Surroundings,
    private readonly url: string,
  ) {
    this.#ended = this.#run();
  }

  get isOnline(): boolean {
    return this.#client?.state === 'online';
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#client?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        const client = await connect(this.url, { timeout: TIMEOUT });
        this.#client = client;
        if (this.#stopped) return await client.close();
        await this.#follow(client);
      } catch {
        await pause(PAUSE);
      }
    }
  }

  async #follow(client: Client): Promise<void> {
    const { checker, lose } = this.surroundings;
    const life = checker.life(client.index);
    this.life = life;
    this.token = client.token;
    life.welcomed(client.index, false);
    // A `welcome` is ahead of the messages that wait to be taken: repeats do not matter here, as the SDK gives none.
    client.on('welcome', (welcome) => life.welcomed(welcome.client.index, welcome.resumed));
    client.on('disconnected', () => life.lost());
    client.on('gap', (gap) => life.gap(gapOf(gap)));
    try {
      for await (const { id, to, text = '', ...rest } of client.messages()) {
        if (lose()) continue;
        const late = (rest as { late?: boolean }).late ?? false;
        life.received({ id: Number(id), to: targetOf(to), text, late, place: undefined });
      }
      if (!this.#stopped) life.gone('its stream ended without an error');
    } catch (error) {
      life.gone((error as Error).message);
    }
  }
}

interface PageAnswer {
  readonly messages: readonly StreamMessage[];
  readonly cursor: string;
  readonly gap: boolean;
}

/** A client without a stream, which asks for its mailbox. */
export class Poller implements SoakReader {
  life: Life | undefined;
  token = '';
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(private readonly surroundings: Surroundings) {
    this.#ended = this.#run();
  }

  /** It reads, and so is online for the checker, though not for LIST. */
  get isOnline(): boolean {
    return this.life !== undefined && this.life.onlineSince < Infinity;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const isOver = () => this.#stopped;
    while (!this.#stopped) {
      const json = { name: 'poller' };
      const made = await askUntilAnswered(this.surroundings, '/clients', { json }, isOver);
      if (made?.status !== 201) continue;
      const { client, token, cursor } = made.json as unknown as {
        client: { index: number };
        token: string;
        cursor: string;
      };
      this.token = token;
      await this.#follow(client.index, cursor);
    }
  }

  async #follow(index: number, from: string): Promise<void> {
    const { checker, nodes } = this.surroundings;
    const life = checker.life(index, true);
    this.life = life;
    life.welcomed(index, false);
    let after = from;
    for (let at = 0; !this.#stopped;) {
      const all = nodes();
      const url = `${all[at % all.length]}/clients/${index}/messages?after=${after}&wait=2&limit=100`;
      const asking = ask(url, { token: this.token }).catch(() => undefined);
      const answer = await Promise.race([asking, pause(TIMEOUT, undefined, { ref: false })]);
      if (answer?.status === 410 || answer?.status === 401) {
        life.gone(`${answer.status} to GET its messages`);
        return;
      }
      if (answer?.status !== 200) {
        if (life.onlineSince < Infinity) life.lost();
        at++;
        await pause(PAUSE);
        continue;
      }
      if (life.onlineSince === Infinity) life.welcomed(index, true);
      const { messages, cursor, gap } = answer.json as unknown as PageAnswer;
      this.#take(life, messages, { after, gap });
      after = cursor;
    }
  }

  #take(life: Life, messages: readonly StreamMessage[], { after, gap }: { after: string; gap: boolean }): void {
    const oldest = messages[0] ? Number(messages[0].id) : null;
    if (gap) life.gap({ after: Number.parseInt(after, 10), oldest, to: `client ${life.index}` });
    for (const { id, to, text, late = false } of messages) {
      if (this.surroundings.lose()) continue;
      life.received({ id: Number(id), to: targetOf(to), text, late, place: undefined });
    }
  }
}

interface ListedClient {
  readonly index: number;
  readonly name: string | null;
  readonly status: string;
  readonly rooms: readonly string[];
}

interface PresenceData {
  readonly change: string;
  readonly client: ListedClient;
}

/** Keeps a list of all clients as the README tells to: a stream with `presence=true`, then LIST, then each event's client in its place. */
export class PresenceReader extends RawReader {
  #list = new Map<number, ListedClient>();
  #sinceAsked: PresenceData[] | undefined;

  constructor(surroundings: Surroundings, nodes: readonly string[], at: number) {
    super(surroundings, nodes, at, '/events?presence=true');
  }

  /** Asks for the list again; what is told meanwhile is put into the answer, too. */
  async ask(): Promise<void> {
    if (!this.isWelcome || this.#sinceAsked) return;
    this.#sinceAsked = [];
    const answer = await askUntilAnswered(this.surroundings, '/clients?limit=1000', {}, () => !this.isWelcome);
    const told = this.#sinceAsked ?? [];
    this.#sinceAsked = undefined;
    if (answer?.status !== 200) return;
    this.#list = byIndex(answer.json.clients as ListedClient[]);
    for (const presence of told) this.#put(presence);
  }

  /** How its list differs from this one; its own arrival is not told to it. */
  differences(clients: readonly ListedClient[]): string[] {
    const there = byIndex(clients);
    const indexes = new Set([...there.keys(), ...this.#list.keys()]);
    return [...indexes].flatMap((index) => {
      const [mine, real] = [wordsOf(this.#list.get(index)), wordsOf(there.get(index))];
      return mine === real || index === this.index ? [] : [`client ${index}: ${mine} for ${real}`];
    });
  }

  protected override onWelcome(welcome: Welcome): void {
    super.onWelcome(welcome);
    this.#sinceAsked = undefined;
    void this.ask();
  }

  protected override onEvent(event: string, data: string): void {
    super.onEvent(event, data);
    if (event !== 'presence') return;
    const presence = JSON.parse(data) as PresenceData;
    this.#sinceAsked?.push(presence);
    this.#put(presence);
  }

  #put({ change, client }: PresenceData): void {
    if (change === 'left') this.#list.delete(client.index);
    else this.#list.set(client.index, client);
  }
}

function byIndex(clients: readonly ListedClient[]): Map<number, ListedClient> {
  return new Map(clients.map((client) => [client.index, client]));
}

function wordsOf(client: ListedClient | undefined): string {
  if (!client) return 'not there';
  return `${client.status} (${client.name}) in ${[...client.rooms].sort().join(' ') || 'no room'}`;
}
