import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { MAIN } from './interchat.js';
import { screenOf } from './screen-of.js';

/** Why there can be no pseudo-terminal here; undefined where there can. */
export const NO_TERMINAL =
  spawnSync('script', ['-qfec', 'true', '/dev/null']).status === 0 ? undefined : 'script (util-linux) is not here';

/** For so many milliseconds to wait for the screen to show something. */
const PATIENCE = 15_000;

/** `interchat ARGS` as built, on a pseudo-terminal of its own. */
export class Terminal {
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #columns: number;
  #output = '';

  constructor(t: Test, args: readonly string[], { columns = 80 } = {}) {
    this.#columns = columns;
    const command = ['exec', process.execPath, MAIN, ...args]
      .map((part) => `'${part}'`)
      .join(' ')
      .replace("'exec'", 'exec');
    this.#process = spawn('script', ['-qfec', `stty cols ${columns} rows 24; ${command}`, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm' },
    });
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#process.stdin.on('error', () => undefined);
    this.exited = once(this.#process, 'close').then(([code]) => code as number | null);
    t.teardown(() => this.#process.kill('SIGKILL'));
  }

  /** Presses keys: `\r` for Enter, `\x03` for Ctrl-C. */
  type(keys: string): void {
    this.#process.stdin.write(keys);
  }

  /** What one sees, without the empty rows at the end. */
  get screen(): string[] {
    const rows = screenOf(this.#output, this.#columns);
    while (rows.at(-1) === '') rows.pop();
    return rows;
  }

  /** Waits until these are the last rows one sees. */
  async until(...last: string[]): Promise<void> {
    const wanted = JSON.stringify(last);
    const patience = AbortSignal.timeout(PATIENCE);
    while (JSON.stringify(this.screen.slice(-last.length)) !== wanted) {
      const written = once(this.#process.stdout, 'data', { signal: patience }).then(
        () => true,
        () => false,
      );
      const goesOn = await Promise.race([written, this.exited.then(() => false)]);
      if (!goesOn)
        throw new Error(`waited in vain for\n${last.join('\n')}\n--- and this was there:\n${this.screen.join('\n')}`);
    }
  }
}
