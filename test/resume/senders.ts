import { Agent, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import type { Test } from 'tap';

/** A message that a sender was told is sent. */
export interface Acknowledged {
  readonly id: string;
  readonly to: number;
  readonly text: string;
}

const PAUSE = 20;

/**
 * Sends to these clients in turn, one message after the other on one kept-alive connection, until it is stopped. What was
 * not acknowledged is tried again: under an Idempotency-Key as the same message, which must arrive once whatever became of
 * the earlier tries; without one as a message with a text of its own, as nobody knows whether the first was stored.
 */
export class Sender {
  readonly acknowledged: Acknowledged[] = [];
  /** Texts of which it was never told what became of them. */
  readonly unknown = new Set<string>();
  /** Texts that the server did not take: it said so, or was not there. */
  readonly refused = new Set<string>();
  /** Why tries failed, and how often. */
  readonly failures = new Map<string, number>();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #ended: Promise<void>;
  #stopped = false;

  constructor(
    t: Test,
    readonly name: string,
    private readonly url: string,
    private readonly addressees: readonly number[],
    private readonly keyed: boolean,
  ) {
    this.#ended = this.#run();
    t.teardown(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const to = this.addressees[n % this.addressees.length] as number;
      for (let attempt = 0; !(await this.#try(to, n, attempt)) && !this.#stopped; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }

  /** @returns whether it was acknowledged */
  async #try(to: number, n: number, attempt: number): Promise<boolean> {
    const text = this.keyed ? `${this.name} ${n}` : `${this.name} ${n} try ${attempt}`;
    try {
      const { status, body } = await this.#post(to, text, this.keyed ? `${this.name}-${n}` : undefined);
      if (status === 201) {
        this.unknown.delete(text);
        this.refused.delete(text);
        this.acknowledged.push({ id: (JSON.parse(body) as { id: string }).id, to, text });
        return true;
      }
      // A 5xx says that it could not be made durable now, not that none of it was.
      this.#failed(text, String(status), status < 500);
    } catch (error) {
      const { code = 'no code' } = error as NodeJS.ErrnoException;
      this.#failed(text, code, code === 'ECONNREFUSED');
    }
    return false;
  }

  /** @param surely whether the server can have nothing of this try; that says nothing of those before it */
  #failed(text: string, why: string, surely: boolean): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
    if (surely && !this.unknown.has(text)) this.refused.add(text);
    if (surely) return;
    this.refused.delete(text);
    this.unknown.add(text);
  }

  #post(to: number, text: string, key: string | undefined): Promise<{ status: number; body: string }> {
    const headers: Record<string, string> = { 'content-type': 'text/plain', 'content-length': String(text.length) };
    if (key !== undefined) headers['idempotency-key'] = key;
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}/clients/${to}/messages`, { method: 'POST', headers, agent: this.#agent });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        textOf(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
      outgoing.end(text);
    });
  }
}
