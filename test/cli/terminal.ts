import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Headless from '@xterm/headless';
import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { emulator, rowsOf } from './emulator.js';
import { MAIN, NO_SETTINGS } from './interchat.js';

/** Why there can be no pseudo-terminal here; undefined where there can. */
export const NO_TERMINAL =
  spawnSync('script', ['-qfec', 'true', '/dev/null']).status === 0 ? undefined : 'script (util-linux) is not here';

/** For so many milliseconds to wait for the screen to show something. */
const PATIENCE = 20_000;

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * `interchat ARGS` as built, on a pseudo-terminal of its own, with xterm's own emulator to say what is to be seen. Unless asked
 * for, without timestamps and colours, which have a test of their own.
 */
export class Terminal {
  readonly exited: Promise<number | null>;
  /** All that was written to the terminal. */
  output = '';
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #emulator: Headless.Terminal;

  private constructor(
    t: Test,
    args: readonly string[],
    private readonly folder: string,
    { columns = 80, rows = 24, env = {} }: TerminalOptions,
  ) {
    this.#emulator = emulator(columns, rows);
    const command = [process.execPath, MAIN, ...args].map((part) => `'${part}'`).join(' ');
    // What the terminal was set to is written down, before and behind: it has to be given back as it was.
    const script = [
      `stty cols ${columns} rows ${rows}`,
      `tty > '${folder}/tty'`,
      `stty -g > '${folder}/before'`,
      `sh -c 'echo $$ > "${folder}/pid"; exec "$@"' - ${command}`,
      'code=$?',
      `stty -g > '${folder}/after'`,
      'exit $code',
    ];
    this.#process = spawn('script', ['-qfec', script.join('; '), '/dev/null'], {
      env: {
        ...process.env,
        ...NO_SETTINGS,
        TERM: 'xterm',
        INTERCHAT_TIMESTAMPS: 'never',
        INTERCHAT_COLOR: 'never',
        ...env,
      },
    });
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.#emulator.write(text);
    });
    this.#process.stdin.on('error', () => undefined);
    // What the terminal itself answers, such as where the cursor stands.
    this.#emulator.onData((text) => this.type(text));
    this.exited = once(this.#process, 'close').then(([code]) => code as number | null);
    t.teardown(() => this.#process.kill('SIGKILL'));
  }

  static async open(t: Test, args: readonly string[], options: TerminalOptions = {}): Promise<Terminal> {
    return new Terminal(t, args, await temporaryFolder(t), options);
  }

  /** Presses keys: `\r` for Enter, `\x03` for Ctrl-C. */
  type(keys: string): void {
    this.#process.stdin.write(keys);
  }

  /** Pastes, as a terminal does that was asked to mark what is pasted. */
  paste(text: string): void {
    this.type(`\x1b[200~${text.replaceAll('\n', '\r')}\x1b[201~`);
  }

  /** Draws the window to another size. */
  resize(columns: number, rows: number): void {
    this.#emulator.resize(columns, rows);
    spawnSync('stty', ['-F', this.#read('tty'), 'cols', String(columns), 'rows', String(rows)]);
  }

  /** Sends a signal to interchat itself. */
  kill(signal: NodeJS.Signals): void {
    process.kill(Number(this.#read('pid')), signal);
  }

  /** How the terminal was set before interchat ran, and is set now that it has ended. */
  get modes(): [before: string, after: string] {
    return [this.#read('before'), this.#read('after')];
  }

  /** What one sees, and what has scrolled out at the top, without the empty rows at the end. */
  get screen(): string[] {
    return rowsOf(this.#emulator);
  }

  /** Where the cursor stands: the row from the top of what one sees, and the column, from 0. */
  get cursor(): [row: number, column: number] {
    const { cursorX, cursorY } = this.#emulator.buffer.active;
    return [cursorY, cursorX];
  }

  /** Waits until these are the last rows one sees. */
  async until(...last: (string | RegExp)[]): Promise<void> {
    const isThere = () => {
      const rows = this.screen.slice(-last.length);
      return (
        rows.length === last.length &&
        last.every((row, at) => (typeof row === 'string' ? row === rows[at] : row.test(rows[at] ?? '')))
      );
    };
    await this.when(isThere, () => `waited in vain for\n${last.join('\n')}`);
  }

  /** Waits until the screen is as it has to be. */
  async when(isThere: () => boolean, complaint = () => `waited in vain for ${isThere.toString()}`): Promise<void> {
    const patience = AbortSignal.timeout(PATIENCE);
    while (!isThere()) {
      const drawn = new Promise<true>((resolve) => {
        const listener = this.#emulator.onWriteParsed(() => {
          listener.dispose();
          resolve(true);
        });
      });
      const givenUp = once(patience, 'abort').then(() => false);
      // What it said last may not be drawn yet when it has ended.
      const ended = this.exited.then(
        () => new Promise<false>((resolve) => this.#emulator.write('', () => resolve(false))),
      );
      const goesOn = await Promise.race([drawn, givenUp, ended]);
      if (!goesOn && !isThere()) throw new Error(`${complaint()}\n--- and this was there:\n${this.screen.join('\n')}`);
    }
  }

  #read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8').trim();
  }
}
