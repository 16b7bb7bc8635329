import { Agent, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import type { Target } from '../faults/checker.js';
import { Watched } from '../faults/watched.js';
import type { Book } from './checker.js';

/** Milliseconds after which a request without an answer is given up: later than a node gives up itself. */
const TIMEOUT = 10_000;

/** Milliseconds between a try that failed and the next: of one message, and of many. */
const PAUSE = 100;
const BULK_PAUSE = 1_000;

/** Lines of one request in bulk. */
const LINES = 20;

export interface SenderOptions {
  /** URLs of the nodes, which may change. */
  readonly nodes: () => readonly string[];
  /** What to send to next. */
  readonly target: () => Target;
  /** Milliseconds from one request to the next. */
  readonly pace: number;
  /** With keys each message is tried until it is answered; without, at most once. */
  readonly keyed: boolean;
  /** Whether it sends lines of NDJSON. */
  readonly bulk: boolean;
  /** Characters of a text at the most. */
  readonly longest: number;
  readonly random: () => number;
}

interface Line {
  readonly n: number;
  readonly to: Target;
  readonly text: string;
}

/** Sends at a steady pace, through one node and through another one where that fails. */
export class SoakSender extends Watched {
  /** By status or code: how many requests or lines failed. */
  readonly failures = new Map<string, number>();
  /** What the last refusal said. */
  detail = '';
  /** When the message that was acknowledged last was sent for the first time, in the time of `performance.now`. */
  caughtUp = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #ended: Promise<void>;
  #at = 0;
  #stopped = false;

  constructor(
    private readonly book: Book,
    private readonly options: SenderOptions,
  ) {
    super();
    this.#ended = this.#run();
  }

  /** Resolves when what is under way is answered, or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    const { pace, bulk, keyed, random } = this.options;
    let due = performance.now() + pace * random();
    while (!this.#stopped) {
      await pause(due - performance.now());
      // What could not be sent in its time is not made up for in a burst.
      due = Math.max(due + pace, performance.now());
      const began = performance.now();
      let lines = Array.from({ length: bulk ? LINES : 1 }, () => this.#line());
      for (;;) {
        lines = bulk ? await this.#sendLines(lines) : await this.#sendOne(lines);
        if (lines.length === 0) break;
        // Through another node: a proxy would do the same.
        this.#at++;
        if (!keyed) break;
        await pause(bulk ? BULK_PAUSE : PAUSE);
      }
      for (const { n } of lines) this.book.gaveUp(n);
      if (lines.length > 0) continue;
      this.caughtUp = began;
      this.changed();
    }
  }

  #line(): Line {
    const { target, longest, random } = this.options;
    const to = target();
    return { to, ...this.book.begin(to, random() < 1 / 60 ? Math.floor(random() * longest) : 0) };
  }

  /** @returns what is to be tried again */
  async #sendOne(lines: readonly Line[]): Promise<Line[]> {
    const [line] = lines as [Line];
    const { n, to, text } = line;
    const path = to === 'everyone' ? '/messages' : `/${to.replace(' ', 's/')}/messages`;
    const key: Record<string, string> = this.options.keyed ? { 'idempotency-key': this.book.tag(n) } : {};
    try {
      const { status, body } = await this.#post(path, { 'content-type': 'text/plain', ...key }, text);
      if (status === 201) this.book.acknowledged(n, Number((JSON.parse(body) as { id: string }).id));
      else return this.#refused(line, status, body);
      return [];
    } catch (error) {
      this.#failed(codeOf(error));
      return [line];
    }
  }

  async #sendLines(lines: readonly Line[]): Promise<Line[]> {
    const body = lines.map(({ n, to, text }) => {
      const key = this.options.keyed ? { idempotencyKey: this.book.tag(n) } : {};
      return `${JSON.stringify({ to: addressOf(to), text, ...key })}\n`;
    });
    let answered = '';
    try {
      const { status, body: refusal } = await this.#post(
        '/messages',
        { 'content-type': 'application/x-ndjson' },
        body.join(''),
        (piece) => {
          answered += piece;
        },
      );
      if (status !== 200) this.detail = refusal;
      if (status !== 200) this.#failed(String(status));
    } catch (error) {
      this.#failed(codeOf(error));
    }
    // A line without its end may be a part of one, and a refusal of all of them has none.
    const results = answered.split('\n').slice(0, -1);
    return lines.flatMap((line, at) => {
      const result = results[at] === undefined ? undefined : (JSON.parse(results[at]) as Result);
      if (result?.id === undefined)
        return result?.status === undefined ? [line] : this.#refused(line, result.status, results[at]);
      this.book.acknowledged(line.n, Number(result.id));
      return [];
    });
  }

  /** @returns what is to be tried again: nothing where its client or room is gone */
  #refused(line: Line, status: number, detail = ''): Line[] {
    this.detail = detail;
    this.#failed(String(status));
    if (status !== 404 && status !== 410) return [line];
    this.book.gaveUp(line.n);
    return [];
  }

  #failed(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
    this.changed();
  }

  #post(
    path: string,
    headers: Record<string, string>,
    body: string,
    onPiece?: (piece: string) => void,
  ): Promise<{ status: number; body: string }> {
    const nodes = this.options.nodes();
    const url = `${nodes[this.#at % nodes.length]}${path}`;
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', headers, agent: this.#agent, timeout: TIMEOUT });
      outgoing.on('error', reject);
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
      outgoing.on('response', (response) => {
        const status = response.statusCode ?? 0;
        if (!onPiece || status !== 200) {
          textOf(response).then((answer) => resolve({ status, body: answer }), reject);
          return;
        }
        response.setEncoding('utf8').on('data', onPiece);
        response.on('error', reject).on('end', () => resolve({ status, body: '' }));
      });
      outgoing.end(body);
    });
  }
}

interface Result {
  readonly id?: string;
  readonly status?: number;
}

function addressOf(to: Target): object {
  const [kind, name = ''] = to.split(' ');
  if (kind === 'everyone') return { everyone: true };
  return kind === 'client' ? { client: Number(name) } : { room: name };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}
