import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Whoever runs the tests may have settings of their own, and be signed in somewhere. */
export const NO_SETTINGS = { XDG_CONFIG_HOME: '/dev/null', XDG_STATE_HOME: '/dev/null' };

/** `interchat ARGS` as built, with everything it writes, while it runs. */
export class Interchat {
  stdout = '';
  stderr = '';
  /** The exit code; null after a signal that killed. */
  readonly exited: Promise<number | null>;
  readonly process: ChildProcessWithoutNullStreams;

  constructor(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...NO_SETTINGS, ...env } });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.stdin.on('error', () => undefined);
    this.exited = once(this.process, 'close').then(([code]) => code as number | null);
    t.teardown(() => this.process.kill('SIGKILL'));
  }

  write(text: string): void {
    this.process.stdin.write(text);
  }

  /** Ends standard input, and waits for the end: the exit code. */
  async end(text = ''): Promise<number | null> {
    this.process.stdin.end(text);
    return this.exited;
  }

  /** Waits until standard output, or standard error, has this in it. */
  async until(pattern: RegExp, from: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[from]);
      if (match) return match;
      if (this.process.exitCode !== null) {
        throw new Error(`it ended without ${pattern.source}:\n${this.stdout}\n${this.stderr}`);
      }
      await Promise.race([once(this.process[from], 'data'), this.exited]);
    }
  }
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, with this on standard input. */
export async function ran(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): Promise<Ran> {
  const command = new Interchat(t, args, env);
  const code = await command.end(input);
  return { code, stdout: command.stdout, stderr: command.stderr };
}
