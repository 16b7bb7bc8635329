import {
  clearScreenDown,
  type CompleterResult,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import { KeyGate } from './key-gate.js';
import type { Completer, Question, Screen } from './screen.js';

/** A screen on a terminal: readline edits, recalls and completes the line, and what comes in is put above it. */
export class TerminalScreen implements Screen {
  onInterrupt: () => void = () => undefined;
  readonly #gate: KeyGate;
  readonly #readline: Interface;
  #answer: ((line: string | undefined) => void) | undefined;
  #complete: Completer | undefined;
  /** What Up brings back; readline itself would remember every line. */
  #recalled: readonly string[] = [];
  #ended = false;

  constructor(
    input: ReadStream,
    private readonly output: WriteStream,
  ) {
    this.#gate = new KeyGate(input, {
      onInterrupt: () => this.onInterrupt(),
      isAtEnd: () => this.#readline.cursor === this.#readline.line.length,
    });
    this.#readline = createInterface({
      input: this.#gate,
      output,
      terminal: true,
      removeHistoryDuplicates: true,
      completer: (line: string, callback: CompleterCallback) => this.#offer(line, callback),
    });
    this.#readline
      .on('line', (line) => this.#settle(line))
      .on('SIGINT', () => this.#interrupt())
      .on('close', () => this.end());
    // Behind readline, which takes the same keys first.
    this.#gate.on('data', () => this.#countRows());
    process.once('SIGTERM', () => this.end()).once('SIGHUP', () => this.end());
  }

  ask({ prompt, complete, recall = false }: Question): Promise<string | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    this.#complete = complete;
    return new Promise((resolve) => {
      const keep = (history: string[]) => {
        if (recall) this.#recalled = [...history];
        else history.splice(0, history.length, ...this.#recalled);
      };
      this.#readline.once('history', keep);
      this.#answer = (line) => {
        this.#readline.off('history', keep);
        resolve(line);
      };
      this.#readline.setPrompt(prompt);
      this.#readline.prompt();
      this.#gate.open();
    });
  }

  print(text: string): void {
    if (!this.#answer) {
      this.output.write(`${text}\n`);
      return;
    }
    // The question and what is typed may take several rows. They are wiped off, and drawn anew below the text: readline
    // first goes up as many rows as the cursor was below the first, so it has to start as many rows down.
    const { rows } = this.#readline.getCursorPos();
    moveCursor(this.output, 0, -rows);
    cursorTo(this.output, 0);
    clearScreenDown(this.output);
    this.output.write(`${text}\n${'\n'.repeat(rows)}`);
    this.#readline.prompt(true);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#answer) this.output.write('\n');
    this.#settle(undefined);
    this.onInterrupt();
    this.#readline.close();
    this.#gate.close();
  }

  /**
   * Readline draws anew from where it believes the first row to be. It counts rows when keys come one by one, but not when
   * several come at once, as with a paste: then it would leave the old rows standing. What it counts with is no documented
   * property, but has been there in every version.
   */
  #countRows(): void {
    (this.#readline as Interface & { prevRows?: number }).prevRows = this.#readline.getCursorPos().rows;
  }

  #settle(line: string | undefined): void {
    const answer = this.#answer;
    this.#answer = undefined;
    this.#gate.shut();
    answer?.(line);
  }

  /** Ctrl-C: clears what is typed; where nothing is, calls the question off. */
  #interrupt(): void {
    if (this.#readline.line !== '') {
      this.#readline.write(null, { ctrl: true, name: 'e' });
      this.#readline.write(null, { ctrl: true, name: 'u' });
      return;
    }
    this.output.write('\n');
    this.#settle(undefined);
  }

  #offer(line: string, callback: CompleterCallback): void {
    const none: CompleterResult = [[], line];
    const offered = this.#complete?.(line) ?? Promise.resolve(none);
    offered.then(
      (result) => callback(null, result),
      // Without an answer from the server there is nothing to offer; the line stays as it is.
      () => callback(null, none),
    );
  }
}

type CompleterCallback = (error: null, result: CompleterResult) => void;
