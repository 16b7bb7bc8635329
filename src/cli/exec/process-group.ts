import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { sleep } from '../../sdk/backoff.js';
import { note } from '../output.js';

/** For so many milliseconds a command that is told to end may put things in order. */
const PATIENCE = 5_000;

/** Between two looks whether it has ended. Milliseconds. */
const PAUSE = 20;

/** A command of the shell with all that it starts, in a process group of its own: Ctrl-C reaches this process alone. */
export class ProcessGroup {
  readonly #child: ChildProcess;

  /**
   * @param input what it has on standard input
   * @param env all of its environment
   */
  constructor(command: string, input: string, env: NodeJS.ProcessEnv) {
    const options = { shell: true, detached: process.platform !== 'win32', env } as const;
    this.#child = spawn(command, { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdin, stdout } = this.#child;
    // It need not read what it is given.
    stdin?.on('error', () => undefined).end(input);
    // Through here, so that whoever reads no more is noticed: see endWhenPipeCloses.
    stdout?.pipe(process.stdout, { end: false });
  }

  /** Resolves at its end, with the exit code, or what stands for it in a shell: 128 for a signal, 126 where nothing could be run. */
  async ended(): Promise<number> {
    try {
      const [code] = (await once(this.#child, 'exit')) as [number | null];
      return code ?? 128;
    } catch (error) {
      note(`It could not be run: ${(error as Error).message}.`);
      return 126;
    }
  }

  /** Tells all of it to end, and after {@link PATIENCE} makes it. */
  async stop(): Promise<void> {
    this.kill('SIGTERM');
    const limit = performance.now() + PATIENCE;
    while (this.kill(0) && performance.now() < limit) await sleep(PAUSE);
    this.kill('SIGKILL');
  }

  /** @returns whether anything of it was still there */
  kill(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this.#child;
    if (pid === undefined) return false;
    try {
      return process.kill(process.platform === 'win32' ? pid : -pid, signal);
    } catch {
      return false;
    }
  }
}
