import { once } from 'node:events';
import { backoff, isPassing, sleep } from '../../sdk/backoff.js';
import type { Client, Message } from '../../sdk/index.js';
import { note } from '../output.js';
import { visible } from '../visible.js';
import { ProcessGroup } from './process-group.js';
import { variablesOf } from './variables.js';

export interface HandlerOptions {
  /** For the shell. */
  readonly command: string;
  /** How often it is tried before a message is given up; 0 = as often as it takes. */
  readonly tries: number;
  /** Give the command the message as JSON, rather than its text. */
  readonly json: boolean;
  /** What the command finds in its environment, but for what is said of the message. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/** What became of a message; `interrupted` if it comes again the next time. */
export type Outcome = 'handled' | 'given-up' | 'interrupted';

/** Runs a command for a message. */
export class Handler {
  #running: ProcessGroup | undefined;

  constructor(
    private readonly client: Client,
    private readonly options: HandlerOptions,
  ) {}

  /** Runs it until it ends with 0, as often as it may be tried. Never rejects. */
  async handle(message: Message): Promise<Outcome> {
    const { tries, signal } = this.options;
    for (let failures = 0; ;) {
      const code = await this.#run(message, failures + 1);
      if (code === 0) return 'handled';
      if (signal.aborted) return 'interrupted';
      const what = `The command for message ${visible(message.id ?? 'without a number')} ended with ${code}`;
      // While the server is away a command that needs it can but fail: that is no try.
      if (await this.#isServerThere()) failures++;
      if (signal.aborted) return 'interrupted';
      if (failures === tries && tries > 0) {
        note(`${what}: given up after ${tries === 1 ? 'one try' : `${tries} tries`}.`);
        return 'given-up';
      }
      const pause = backoff(failures);
      note(`${what}, trying again in ${Math.ceil(pause / 1000)} s.`);
      await this.#wait(pause);
      if (signal.aborted) return 'interrupted';
    }
  }

  /** Ends at once what was told to end. */
  kill(): void {
    this.#running?.kill('SIGKILL');
  }

  async #run(message: Message, attempt: number): Promise<number> {
    const { command, json, env, signal } = this.options;
    const input = json ? JSON.stringify(message) : (message.text ?? JSON.stringify(message.data));
    const variables = { ...variablesOf(message), INTERCHAT_TRY: String(attempt) };
    const running = new ProcessGroup(command, `${input}\n`, { ...env, ...variables });
    this.#running = running;
    let stopped: Promise<void> | undefined;
    const stop = () => {
      stopped = running.stop();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const code = await running.ended();
    signal.removeEventListener('abort', stop);
    await stopped;
    this.#running = undefined;
    return code;
  }

  /** Asked, too, since a lost connection may not have been noticed yet. */
  async #isServerThere(): Promise<boolean> {
    if (this.client.state !== 'online') return false;
    const { signal } = this.options;
    return this.client.get(this.client.index, { signal }).then(
      () => true,
      (error: unknown) => !isPassing(error),
    );
  }

  /** So many milliseconds, and until the server is there. */
  async #wait(milliseconds: number): Promise<void> {
    const { signal } = this.options;
    try {
      await sleep(milliseconds, signal);
      if (this.client.state === 'reconnecting') await once(this.client, 'welcome', { signal });
    } catch {
      // Whoever waits sees by the signal that it is over.
    }
  }
}
