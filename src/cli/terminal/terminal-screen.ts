import type { ReadStream, WriteStream } from 'node:tty';
import { candidateLines, type Completion, commonRest } from './completion.js';
import { type Key, KeyDecoder } from './key.js';
import { LineEditor, type Request } from './line-editor.js';
import { PromptArea } from './prompt-area.js';
import { Recall } from './recall.js';
import { promptOf, type Question, type Screen } from './screen.js';

/** Pasted text comes between marks, so that a line break in it is no Enter. */
const MARK_PASTES = '\x1b[?2004h';
const MARK_NO_PASTES = '\x1b[?2004l';
/** Asks where the cursor stands (DSR 6, ECMA-48, 8.3.35). */
const ASK_POSITION = '\x1b[6n';
/** It is asked when the window has kept its size for so many milliseconds: somebody who draws it makes it change all the time. */
const SETTLED = 60;
/** For so many milliseconds a terminal may think about that; some never answer. */
const ANSWER_PATIENCE = 300;
/** So often it is asked again when the answer does not fit: tmux tells of another size a quarter of a second late. */
const ASKED_AGAIN = 6;
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

/** Of a secret not even the length is to be seen. */
const HIDDEN = { text: '', cursor: 0 };

/** A question that is open, and the line that is typed for it. */
interface Open {
  readonly question: Question;
  readonly editor: LineEditor;
  readonly answer: (line: string | undefined) => void;
}

/**
 * A screen on a terminal: somebody types at the bottom, and what comes in is put above. Keys typed while no question is open
 * wait for the next one.
 */
export class TerminalScreen implements Screen {
  onInterrupt: () => void = () => undefined;
  onPage: (direction: 'back' | 'forth') => void = () => undefined;
  readonly #decoder = new KeyDecoder();
  readonly #area = new PromptArea();
  readonly #recall = new Recall();
  #waiting: Key[] = [];
  #open: Open | undefined;
  #ended = false;
  #isCompleting = false;
  /** After a change of the window nothing is drawn until it is known where the cursor stands; what comes in waits. */
  #resizing: { timer: NodeJS.Timeout; isAsked: boolean; asked: number; above: string } | undefined;
  readonly #take = (bytes: Buffer) => this.#keys(this.#decoder.decode(bytes));
  readonly #resize = () => {
    if (this.#open) this.#settleSize(0);
  };
  readonly #resume = () => this.#enter();
  readonly #restore = () => this.#leave();
  readonly #stop = () => this.end();

  constructor(
    private readonly input: ReadStream,
    private readonly output: WriteStream,
  ) {
    this.#enter();
    input.on('data', this.#take).once('end', this.#stop);
    output.on('resize', this.#resize);
    process.on('SIGCONT', this.#resume).once('exit', this.#restore);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, this.#stop);
  }

  ask(question: Question): Promise<string | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((answer) => {
      this.#recall.rewind();
      this.#open = { question, editor: new LineEditor(question.recall ? this.#recall : undefined), answer };
      this.refresh();
      this.#work();
    });
  }

  print(text: string): void {
    const lines = `${text.replaceAll('\n', '\r\n')}\r\n`;
    if (this.#resizing) this.#resizing.above += lines;
    else this.output.write(this.#open ? this.#draw(this.#open, lines) : lines);
  }

  refresh(): void {
    if (this.#open && !this.#resizing) this.output.write(this.#draw(this.#open));
  }

  ring(): void {
    this.output.write('\x07');
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#goOn(undefined);
    this.#settle(undefined);
    this.onInterrupt();
    this.input.off('data', this.#take).off('end', this.#stop).pause();
    this.output.off('resize', this.#resize);
    process.off('SIGCONT', this.#resume).off('exit', this.#restore);
    this.#leave();
  }

  /** Takes the terminal over: each key comes at once, and is not shown by itself. */
  #enter(): void {
    // A process that was stopped does not know that the shell has changed the mode meanwhile.
    this.input.setRawMode(false).setRawMode(true);
    this.output.write(MARK_PASTES);
    this.refresh();
  }

  /** Gives the terminal back as it was. */
  #leave(): void {
    this.output.write(MARK_NO_PASTES);
    this.input.setRawMode(false);
  }

  /** Waits until the window keeps its size. @param asked how often that was thought already */
  #settleSize(asked: number): void {
    const { timer, above = '' } = this.#resizing ?? {};
    clearTimeout(timer);
    this.#resizing = { timer: setTimeout(() => this.#askPosition(), SETTLED), isAsked: false, asked, above };
  }

  /** Only the terminal knows what has become of the rows that were too long for it. */
  #askPosition(): void {
    if (!this.#resizing) return;
    this.#resizing.isAsked = true;
    this.#resizing.timer = setTimeout(() => this.#goOn(undefined), ANSWER_PATIENCE);
    this.output.write(ASK_POSITION);
  }

  /** Draws again. @param column where the cursor stands; undefined when there is no answer */
  #goOn(column: number | undefined): void {
    if (!this.#resizing) return;
    const { timer, asked, above } = this.#resizing;
    const fits = column === undefined || this.#area.fits(this.output.columns, column);
    if (!fits && asked < ASKED_AGAIN) return this.#settleSize(asked + 1);
    clearTimeout(timer);
    this.#resizing = undefined;
    this.#area.resize(this.output.columns, column);
    if (this.#open) this.output.write(this.#draw(this.#open, above));
    if (!this.#ended) this.#work();
  }

  #draw({ question, editor }: Open, above = ''): string {
    const { searchPrompt } = editor;
    const { text, cursor } = question.secret ? HIDDEN : editor;
    const label = searchPrompt ?? promptOf(question);
    // A terminal that does not know its size says 0.
    const size = { columns: this.output.columns || 80, rows: this.output.rows || 24 };
    return this.#area.draw({ label, text, cursor }, size, above);
  }

  #keys(keys: readonly Key[]): void {
    for (const key of keys) {
      if (key.type !== 'position') this.#waiting.push(key);
      else if (this.#resizing?.isAsked) this.#goOn(key.column);
    }
    if (this.#open) this.#work();
    else this.#heed();
  }

  /** Obeys the keys that wait, until one ends the question; the line is drawn once for all of them. */
  #work(): void {
    const open = this.#open;
    // Tab has to be answered before what is typed behind it.
    if (!open || this.#isCompleting || this.#resizing || this.#waiting.length === 0) return;
    const keys = this.#waiting;
    this.#waiting = [];
    for (const [index, key] of keys.entries()) {
      const request = open.editor.press(key);
      if (request === undefined) continue;
      this.#waiting = keys.slice(index + 1);
      this.#grant(request, open);
      // What comes with an Enter may be meant to stop what it began.
      if (this.#open !== open) return void setImmediate(() => this.#heed());
      return this.#work();
    }
    this.refresh();
  }

  /** While no question is open, Ctrl-C gives up what is waited for, and all that was typed ahead of it. */
  #heed(): void {
    if (this.#open) return;
    const interrupt = this.#waiting.findLastIndex((key) => key.type === 'press' && key.name === 'ctrl-c');
    if (interrupt < 0) return;
    this.#waiting = this.#waiting.slice(interrupt + 1);
    this.onInterrupt();
  }

  #grant(request: Request, open: Open): void {
    switch (request) {
      case 'enter': {
        const { text } = open.editor;
        if (open.question.recall && text.trim() !== '') this.#recall.add(text);
        return this.#settle(text);
      }
      case 'interrupt':
        return this.#settle(undefined);
      case 'end':
        return this.end();
      case 'complete':
        return void this.#complete(open);
      case 'clear-screen':
        this.output.write(`${this.#area.erase()}${CLEAR_SCREEN}${this.#draw(open)}`);
        return;
      case 'older':
        return this.onPage('back');
      case 'newer':
        return this.onPage('forth');
      case 'suspend':
        return this.#suspend();
    }
  }

  /** Ctrl-Z, which the terminal does not see to while each key comes at once. */
  #suspend(): void {
    if (process.platform === 'win32') return;
    this.output.write(this.#area.finish());
    this.#leave();
    // All that the shell started together with it are stopped together. Goes on below when the shell says so, or at once
    // where there is no shell that could.
    process.kill(0, 'SIGTSTP');
    this.#enter();
  }

  #settle(line: string | undefined): void {
    if (!this.#open) return;
    const { answer } = this.#open;
    // Drawn once more, since keys that came together were not drawn one by one.
    this.output.write(this.#draw(this.#open) + this.#area.finish());
    this.#open = undefined;
    answer(line);
  }

  async #complete(open: Open): Promise<void> {
    const { editor, question } = open;
    const line = editor.text.slice(0, editor.cursor);
    this.#isCompleting = true;
    const completion = await this.#offered(question, line);
    this.#isCompleting = false;
    if (this.#open !== open) return;
    if (completion[0].length > 0) {
      const rest = commonRest(completion);
      editor.insert(rest);
      if (rest === '' && completion[0].length > 1) this.print(candidateLines(completion, this.output.columns || 80));
    }
    this.refresh();
    this.#work();
  }

  /** Without an answer from the server there is nothing to offer. */
  #offered({ complete }: Question, line: string): Promise<Completion> {
    const none: Completion = [[], line];
    return complete === undefined ? Promise.resolve(none) : complete(line).catch(() => none);
  }
}
