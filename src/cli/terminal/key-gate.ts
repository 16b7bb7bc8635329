import { Readable } from 'node:stream';
import type { ReadStream } from 'node:tty';

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CTRL_C = 0x03;
const DELETE = 0x7f;

export interface KeyGateOptions {
  /** Ctrl-C was typed while no question was open; what was typed ahead is thrown away. */
  readonly onInterrupt: () => void;
  /** Whether the cursor stands at the end of the line that is typed. */
  readonly isAtEnd: () => boolean;
}

/**
 * Stands between the keys and readline, and lets one line through for each question. Keys typed ahead, or several lines
 * pasted at once, wait here: readline would show them before the question they answer is even asked.
 */
export class KeyGate extends Readable {
  readonly isTTY = true;
  #held = Buffer.alloc(0);
  #isOpen = false;
  readonly #take = (chunk: Buffer) => this.#keys(chunk);
  readonly #finish = () => this.push(null);

  constructor(
    private readonly terminal: ReadStream,
    private readonly options: KeyGateOptions,
  ) {
    super();
    terminal.on('data', this.#take).once('end', this.#finish);
  }

  /** Lets one line through. */
  open(): void {
    this.#isOpen = true;
    this.#pass();
  }

  /** Lets nothing more through until it is opened again. */
  shut(): void {
    this.#isOpen = false;
  }

  /** Leaves the terminal alone. */
  close(): void {
    this.terminal.off('data', this.#take).off('end', this.#finish).pause();
  }

  get isRaw(): boolean {
    return this.terminal.isRaw;
  }

  /** What readline asks of a terminal. */
  setRawMode(mode: boolean): this {
    this.terminal.setRawMode(mode);
    return this;
  }

  override _read(): void {
    // Keys come when they are typed.
  }

  #keys(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#isOpen) this.#pass();
    else this.#heed();
  }

  #heed(): void {
    const interrupt = this.#isOpen ? -1 : this.#held.lastIndexOf(CTRL_C);
    if (interrupt < 0) return;
    this.#held = this.#held.subarray(interrupt + 1);
    this.options.onInterrupt();
  }

  #pass(): void {
    const keys = this.#held;
    const at = keys.findIndex((key) => key === LINE_FEED || key === CARRIAGE_RETURN);
    let end = keys.length;
    if (at >= 0) {
      this.#isOpen = false;
      // Once the line has been taken: what comes with it may be meant to stop what it began.
      setImmediate(() => this.#heed());
      end = keys[at] === CARRIAGE_RETURN && keys[at + 1] === LINE_FEED ? at + 2 : at + 1;
    }
    this.#held = keys.subarray(end);
    this.#press(keys.subarray(0, end));
  }

  /**
   * Hands keys to readline. Of several at once it puts text at the end of the line, wherever the cursor is, or has been moved
   * to by a key among them; so they go one by one unless they are text for the end (for which that would be slow).
   */
  #press(keys: Buffer): void {
    if (keys.length === 0) return;
    if (this.options.isAtEnd() && !keys.some(isControl)) this.push(keys);
    else for (let i = 0; i < keys.length; i++) this.push(keys.subarray(i, i + 1));
  }
}

/** Keys that do something else than to be part of a text or to end it. */
function isControl(key: number): boolean {
  return (key < 0x20 && key !== TAB && key !== LINE_FEED && key !== CARRIAGE_RETURN) || key === DELETE;
}
