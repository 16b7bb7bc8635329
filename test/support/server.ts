import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { startServer as start } from '../../src/cli/server.js';
import { type Config, readConfig } from '../../src/config.js';
import { Passwords } from '../../src/hub/access/passwords.js';
import { engineFor } from './engine.js';
import { temporaryFolder } from './folder.js';

/** Passwords at a cost that is none: what they cost has tests of its own. */
const CHEAP = { ln: 4, r: 8, p: 1 };

export interface TestServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
  readonly port: number;
  /** The data folder. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** A real server in this process, on a port of its own, with a data folder of its own; stopped when the test ends. */
export async function startServer(
  t: Test,
  settings: Partial<Config> = {},
  passwords = new Passwords(undefined, CHEAP),
): Promise<TestServer> {
  const data = settings.data ?? (await temporaryFolder(t));
  const config = { ...readConfig(engineFor(data), {}), port: 0, data, ...settings };
  const server = await start(config, undefined, passwords);
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= server.stop());
  t.teardown(stop);
  return { url: `http://127.0.0.1:${server.port}`, port: server.port, folder: data, stop };
}

export interface ServerProcess extends Omit<TestServer, 'stop'> {
  readonly process: ChildProcess;
  /** All it has printed so far, on stdout and stderr. */
  output(): string;
  /** Sends a signal and waits for the end: the exit code, or null after a signal that killed. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `interchat ARGS` as built, to its end. */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export interface Spawned {
  readonly folder: string;
  readonly port?: number;
  /** Further settings of `interchat serve`. */
  readonly args?: readonly string[];
  /** Flags of node itself. */
  readonly nodeArgs?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** How many files it may have open, unless as many as this process. */
  readonly openFiles?: number;
  /** Called with the process as soon as it is there. */
  readonly onSpawn?: ((child: ChildProcess) => void) | undefined;
  /** A command that runs the command behind it, such as {@link MemoryLimit.prefix}. */
  readonly prefix?: readonly string[];
}

/** `interchat serve` as built, in a process of its own that can be killed; resolves when it says that it listens. */
export async function spawnServer(
  t: Test,
  { folder, port = 0, args = [], nodeArgs = [], env = {}, openFiles, prefix = [], onSpawn }: Spawned,
): Promise<ServerProcess> {
  const serve = ['serve', '--port', String(port), '--data', folder, ...engineFor(folder), ...args];
  const command = [...nodeArgs, MAIN, ...serve];
  const limited = ['-c', `ulimit -n ${openFiles}; exec "$0" "$@"`, process.execPath, ...command];
  const all = [...prefix, ...(openFiles === undefined ? [process.execPath, ...command] : ['sh', ...limited])];
  const child = spawn(all[0] as string, all.slice(1), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  onSpawn?.(child);
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const listening = await new Promise<number>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      const match = /^Server started listening on port (\d+)$/m.exec(stdout);
      if (match) resolve(Number(match[1]));
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it listened: ${stderr}`)));
  });
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exit = once(child, 'exit') as Promise<[number | null]>;
    child.kill(signal);
    return (await exit)[0];
  };
  const url = `http://127.0.0.1:${listening}`;
  return { url, port: listening, folder, process: child, output: () => stdout + stderr, end };
}
