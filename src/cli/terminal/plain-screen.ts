import { spawnSync } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { visible } from '../visible.js';
import { promptOf, type Question, type Screen } from './screen.js';

export interface PlainScreenOptions {
  /** Write each line that was read behind its question, as it would stand there had somebody typed it. */
  readonly echo: boolean;
}

/** A screen without control codes, for input from a file or a pipe: lines in, lines out. */
export class PlainScreen implements Screen {
  onInterrupt: () => void = () => undefined;
  onPage: Screen['onPage'] = () => undefined;
  readonly #lines: Interface;
  readonly #reading: AsyncIterator<string>;
  readonly #end: Promise<undefined>;
  #ended = false;
  #question: Question | undefined;
  #callOff: () => void = () => undefined;

  constructor(
    private readonly input: Readable & { readonly isTTY?: boolean },
    private readonly output: Writable,
    private readonly options: PlainScreenOptions,
  ) {
    this.#lines = createInterface({ input, crlfDelay: Infinity, terminal: false });
    // At once, since a line that comes before would be lost.
    this.#reading = this.#lines[Symbol.asyncIterator]();
    this.#end = new Promise((resolve) => (this.#callOff = () => resolve(undefined)));
    process.once('SIGINT', () => this.end()).once('SIGTERM', () => this.end());
  }

  async ask(question: Question): Promise<string | undefined> {
    if (this.#ended) return undefined;
    this.#question = question;
    // Before it is asked for: somebody may be quick.
    if (question.secret) this.#echo(false);
    this.output.write(promptOf(question));
    const step = await Promise.race([this.#reading.next(), this.#end]);
    this.#question = undefined;
    if (question.secret) this.#echo(true);
    if (step === undefined || step.done) {
      this.output.write('\n');
      return undefined;
    }
    // The line break that ended a secret was not shown either.
    if (question.secret) this.output.write('\n');
    else if (this.options.echo) this.output.write(`${visible(step.value)}\n`);
    return step.value;
  }

  /** A terminal shows by itself what is typed, as long as lines are taken and not keys. */
  #echo(isOn: boolean): void {
    if (!this.input.isTTY) return;
    spawnSync('stty', [isOn ? 'echo' : '-echo'], { stdio: ['inherit', 'ignore', 'ignore'] });
  }

  print(text: string): void {
    this.output.write(this.#question ? `\n${text}\n${promptOf(this.#question)}` : `${text}\n`);
  }

  refresh(): void {
    // A line that was written stays as it is.
  }

  ring(): void {
    this.output.write('\x07');
  }

  end(): void {
    this.#ended = true;
    this.#callOff();
    this.onInterrupt();
    this.#lines.close();
  }
}
