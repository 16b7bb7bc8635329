import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

/** An InterChat that harm is done to, and that comes back on its port. */
export class Victim {
  #server: ServerProcess | undefined;

  private constructor(
    private readonly t: Test,
    private readonly options: VictimOptions,
    readonly port: number,
    private readonly tools: string,
    private readonly library: string | undefined,
  ) {}

  static async start(t: Test, options: VictimOptions): Promise<Victim> {
    const tools = await temporaryFolder(t);
    const victim = new Victim(t, options, await lastingPort(), tools, await failingSync(tools));
    await writeFile(victim.#clock, '0');
    await victim.start();
    return victim;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Whether syncs can be made to fail: not where there is no C compiler. */
  get canFailSyncs(): boolean {
    return this.library !== undefined;
  }

  start(): Promise<void> {
    return this.#spawn();
  }

  /** Begins a start, and kills it with SIGKILL after so many milliseconds, unless it is done before: then at once. */
  async startAndKill(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const killed = this.#spawn((child) => {
      timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    });
    const hasStarted = await killed.then(
      () => true,
      () => false,
    );
    clearTimeout(timer);
    if (hasStarted) await this.end('SIGKILL');
  }

  async #spawn(onSpawn?: (child: ChildProcess) => void): Promise<void> {
    this.#server = await spawnServer(this.t, {
      onSpawn,
      folder: this.options.folder,
      port: this.port,
      args: this.options.args,
      nodeArgs: [`--import=${new URL('clock.js', import.meta.url).href}`],
      env: {
        CLOCK: this.#clock,
        FAILING_SYNC: this.#failing,
        HANGING_SYNC: this.#hanging,
        ...(this.library && { LD_PRELOAD: this.library }),
      },
    });
  }

  /** @returns the exit code, null where it was killed */
  end(signal: NodeJS.Signals): Promise<number | null> {
    return this.#running.end(signal);
  }

  /** Its process stands still, until SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running.process.kill(signal);
  }

  /** What it has printed since it started. */
  output(): string {
    return this.#running.output();
  }

  /** Its clock is wrong from now on, by so many milliseconds. */
  async stepClock(milliseconds: number): Promise<void> {
    await writeFile(this.#clock, String(milliseconds));
    const { process } = this.#running;
    process.kill('SIGUSR2');
    const told = () =>
      this.output()
        .match(/clock wrong by -?\d+\n/g)
        ?.at(-1);
    while (told() !== `clock wrong by ${milliseconds}\n`) await once(process.stdout as NodeJS.ReadableStream, 'data');
  }

  /** From now on nothing that it writes becomes durable, and it is told so. */
  async failSyncs(): Promise<void> {
    await writeFile(this.#failing, '');
  }

  async mendSyncs(): Promise<void> {
    await rm(this.#failing);
  }

  /** From now on nothing that it writes becomes durable, and no sync returns until {@link releaseSyncs}. */
  async hangSyncs(): Promise<void> {
    await writeFile(this.#hanging, '');
  }

  async releaseSyncs(): Promise<void> {
    await rm(this.#hanging);
  }

  get #running(): ServerProcess {
    if (!this.#server) throw new Error('it was not started');
    return this.#server;
  }

  get #clock(): string {
    return join(this.tools, 'clock');
  }

  get #hanging(): string {
    return join(this.tools, 'hanging');
  }

  get #failing(): string {
    return join(this.tools, 'failing');
  }
}

export interface VictimOptions {
  /** The data folder. */
  readonly folder: string;
  /** Settings of `interchat serve`. */
  readonly args: readonly string[];
}

/** @returns a library that stands before the C library's own, undefined where it cannot be compiled */
async function failingSync(folder: string): Promise<string | undefined> {
  const library = join(folder, 'failing-sync.so');
  const source = fileURLToPath(new URL('failing-sync.c', import.meta.url));
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl']);
    return library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
