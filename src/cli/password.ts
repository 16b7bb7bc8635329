import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { type Key, KeyDecoder } from './terminal/key.js';
import { LineEditor } from './terminal/line-editor.js';

/** So often a new password may be typed twice differently. */
const TRIES = 3;

/**
 * Asks for secrets, and for what goes with them: on a terminal, where nothing of a secret is shown; else a line of standard
 * input each. What is asked is said on standard error. To be closed.
 */
export class SecretPrompt {
  readonly #source: Source;

  constructor() {
    this.#source = process.stdin.isTTY ? new Terminal(process.stdin) : new Pipe();
  }

  /** Whether somebody sits there. */
  get isByHand(): boolean {
    return this.#source instanceof Terminal;
  }

  /** @throws CommandError where nobody answers */
  async ask(prompt: string): Promise<string> {
    return this.#ask(prompt, true);
  }

  /** What may be seen. @throws CommandError where nobody answers */
  async askOpenly(prompt: string): Promise<string> {
    return this.#ask(prompt, false);
  }

  /** A new password, on a terminal twice. @throws CommandError */
  async askNew(prompt = 'New password: '): Promise<string> {
    for (let tries = 0; tries < TRIES; tries++) {
      const password = await this.ask(prompt);
      if (!this.isByHand || (await this.ask('The same again: ')) === password) return password;
      process.stderr.write('The two are not the same.\n');
    }
    throw new CommandError('No password was set.', ExitCode.failed);
  }

  close(): void {
    this.#source.close();
  }

  async #ask(prompt: string, isSecret: boolean): Promise<string> {
    const answer = await this.#source.line(prompt, isSecret);
    if (answer) return answer;
    if (answer === undefined && this.isByHand) throw new CommandError('Nothing was done.', ExitCode.failed);
    throw new UsageError(`${prompt.replace(/: $/, '')} is missing${this.isByHand ? '' : ' on standard input'}.`);
  }
}

interface Source {
  /** The line that is entered; undefined at the end of input, or when it was called off. */
  line(prompt: string, isSecret: boolean): Promise<string | undefined>;
  close(): void;
}

class Pipe implements Source {
  readonly #lines = createInterface({ input: process.stdin, crlfDelay: Infinity, terminal: false });
  readonly #reading = this.#lines[Symbol.asyncIterator]();

  async line(): Promise<string | undefined> {
    const step = await this.#reading.next();
    return step.done ? undefined : step.value;
  }

  close(): void {
    this.#lines.close();
  }
}

/** Each key comes at once and is shown by nobody, so that a secret need not be hidden: only what may be seen is written. */
class Terminal implements Source {
  readonly #decoder = new KeyDecoder();
  #waiting: Key[] = [];
  #wake: () => void = () => undefined;
  #ended = false;
  readonly #take = (bytes: Buffer) => {
    this.#waiting.push(...this.#decoder.decode(bytes));
    this.#wake();
  };
  readonly #end = () => {
    this.#ended = true;
    this.#wake();
  };
  readonly #restore = () => this.input.setRawMode(false);

  constructor(private readonly input: ReadStream) {
    input.setRawMode(true).on('data', this.#take).once('end', this.#end);
    process.once('exit', this.#restore);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, this.#end);
  }

  async line(prompt: string, isSecret: boolean): Promise<string | undefined> {
    const editor = new LineEditor(undefined);
    process.stderr.write(prompt);
    for (;;) {
      const key = await this.#next();
      const request = key === undefined || isCtrlC(key) ? 'interrupt' : editor.press(key);
      if (!isSecret) process.stderr.write(`\r\x1b[K${prompt}${editor.text}`);
      if (request !== 'enter' && request !== 'interrupt' && request !== 'end') continue;
      process.stderr.write('\r\n');
      return request === 'enter' ? editor.text : undefined;
    }
  }

  close(): void {
    this.input.off('data', this.#take).off('end', this.#end).pause();
    process.off('exit', this.#restore);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#end);
    this.#restore();
  }

  async #next(): Promise<Key | undefined> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#waiting.shift();
  }
}

/** Whatever is typed already. */
function isCtrlC(key: Key): boolean {
  return key.type === 'press' && key.name === 'ctrl-c';
}
