import { Agent, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import type { Acknowledged, Target } from './checker.js';
import { Watched } from './watched.js';
import { padded } from './padding.js';

/** Milliseconds after which a request that was not answered is given up: later than a node gives up itself. */
const TIMEOUT = 10_000;

/** Milliseconds between a try that failed and the next. */
const PAUSE = 50;

/**
 * Sends at a steady pace through one node, and through the next where one fails. With keys it tries each message until it is
 * acknowledged; without, it goes on to the next one, as nobody knows what became of the other.
 */
export class Sender extends Watched {
  readonly acknowledged: Acknowledged[] = [];
  /** Texts of which it was not told what became of them. */
  readonly unknown = new Set<string>();
  /** Why tries failed, and how often. */
  readonly failures = new Map<string, number>();
  /** When the message that was acknowledged last was sent for the first time (performance.now). */
  caughtUp = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #ended: Promise<void>;
  #stopped = false;

  /** @param pace milliseconds from one message to the next */
  constructor(
    private readonly name: string,
    private readonly nodes: readonly string[],
    private at: number,
    private readonly targets: readonly Target[],
    private readonly pace: number,
    private readonly keyed: boolean,
  ) {
    super();
    this.#ended = this.#run();
  }

  /** Resolves when what is under way is acknowledged, or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    let due = performance.now() + this.pace * Math.random();
    for (let n = 0; !this.#stopped; n++) {
      await pause(due - performance.now());
      // What could not be sent in its time is not made up for in a burst.
      due = Math.max(due + this.pace, performance.now());
      const to = this.targets[n % this.targets.length] as Target;
      const began = performance.now();
      while (!(await this.#try(to, `${this.name}-${n}`, began))) {
        // Another time through another node: that is what a proxy would do.
        this.at++;
        await pause(PAUSE);
        if (!this.keyed) break;
      }
    }
  }

  async #try(to: Target, text: string, began: number): Promise<boolean> {
    this.unknown.add(text);
    try {
      const { status, body } = await this.#post(to, text);
      if (status === 201) {
        this.unknown.delete(text);
        this.acknowledged.push({ id: Number((JSON.parse(body) as { id: string }).id), to, text });
        this.caughtUp = began;
        this.changed();
        return true;
      }
      this.#failed(String(status));
    } catch (error) {
      this.#failed((error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
    return false;
  }

  #failed(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
    this.changed();
  }

  #post(to: Target, text: string): Promise<{ status: number; body: string }> {
    const [kind, name] = to.split(' ');
    const url = `${this.nodes[this.at % this.nodes.length]}/${kind}s/${name}/messages`;
    const headers = { 'content-type': 'text/plain', ...(this.keyed ? { 'idempotency-key': text } : {}) };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', headers, agent: this.#agent, timeout: TIMEOUT });
      outgoing.on('error', reject);
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
      outgoing.on('response', (response) => {
        textOf(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
      outgoing.end(padded(text));
    });
  }
}
