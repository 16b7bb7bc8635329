import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import type { Stream } from '../client/stream.js';
import { type Usage, usageOf } from '../client/process.js';

/** Whether a stream is one of many that get the same, or has an address of its own. */
export type Kind = 'shared' | 'addressed';

/** A stream that is open, and the path to which a text for it is posted. */
export interface Reader {
  readonly stream: Stream;
  readonly path: string;
}

/** A server that was started for a measurement. */
export interface Server {
  readonly port: number;
  /** All of its ports, where several processes are one server: publishers are spread over them. */
  readonly ports?: readonly number[];
  /** Opens the stream of this number. @param onEnd called if it ends by itself */
  open(n: number, kind: Kind, onEnd: (error: Error) => void): Promise<Reader>;
  /** The path to which a text for all streams is posted. */
  readonly pathToAll: string;
  /** What all of its processes have used. */
  usage(): Promise<Usage>;
  /** Of that, what NATS has. */
  natsUsage?(): Promise<Usage>;
  stop(): Promise<void>;
}

/** What can be measured. */
export interface Candidate {
  readonly name: string;
  /** Measured only when its whole name is given; with `--quick` it shows that it runs. */
  readonly onDemand?: boolean;
  /** Null when it can be started here; otherwise what is missing. */
  missing(): string | null;
  start(folder: string): Promise<Server>;
}

/** Whether servers and load client have a core each; with only one, or without taskset (util-linux), they share. */
export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** The core of the server; the load client has the next. */
const SERVER_CORE = '0';
export const CLIENT_CORE = '1';

/** A process on the core of servers. */
export class ServerProcess {
  private constructor(private readonly child: ChildProcess) {}

  /** Starts it. @param ready a line of its output that says that it listens; null to look at its port instead */
  static async start(
    command: readonly [string, ...string[]],
    { port, env, ready }: { readonly port: number; readonly env?: NodeJS.ProcessEnv; readonly ready: RegExp | null },
  ): Promise<ServerProcess> {
    const [file, ...args] = pinned ? (['taskset', '-c', SERVER_CORE, ...command] as const) : command;
    const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const lines = [child.stdout, child.stderr].map((input) => createInterface({ input }));
    const listening = new Promise<void>((resolve) => {
      for (const one of lines) {
        one.on('line', (line) => {
          output = `${output}${line}\n`.slice(-10_000);
          if (ready?.test(line)) resolve();
        });
      }
    });
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${command.join(' ')} ended before it listened:\n${output}`);
    });
    await Promise.race([ready ? listening : reachable(port, child), ended]);
    ended.catch(() => undefined);
    return new ServerProcess(child);
  }

  async usage(): Promise<Usage> {
    return usageOf(await family(this.child.pid as number));
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(late);
  }
}

/** A process with those that it started. */
async function family(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
  const below = children === '' ? [] : await Promise.all(children.split(' ').map((child) => family(Number(child))));
  return [pid, ...below.flat()];
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const found = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (found) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
