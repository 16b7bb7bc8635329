import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { temporaryFolder } from './folder.js';
import { lastingPort } from './port.js';
import { TcpProxy } from './tcp-proxy.js';
import { waitFor } from './wait.js';

/** The nats-server that tests run: another one where NATS_SERVER names it. */
const BINARY = process.env.NATS_SERVER ?? 'nats-server';

/** Why tests with a real nats-server cannot be run here; false where they can. For tap's `skip`, which says so loudly. */
export const natsMissing: string | false = versionOf(BINARY)
  ? false
  : 'NOT TESTED: there is no nats-server on this machine (Debian: apt-get install nats-server)';

/** Why servers of this version must not be cut off from each other; false where they may. */
export const natsFragile: string | false =
  (versionOf(BINARY) ?? '2.10').localeCompare('2.10', 'en', { numeric: true }) < 0 &&
  'NOT TESTED: servers cut off from each other, as nats-server before 2.10 can be left with copies that differ (NATS_SERVER=FILE names another)';

/** The bodies in the tests of engines are up to 1 MiB, and have headers. */
const MAX_PAYLOAD = 8 * 1024 * 1024;

/** One real nats-server with JetStream, in a process of its own. */
export class NatsServer {
  #process: ChildProcess | undefined;

  constructor(
    readonly port: number,
    private readonly config: string,
    /** The folder in which JetStream keeps its streams. */
    readonly store: string,
  ) {}

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get process(): ChildProcess {
    if (!this.#process) throw new Error('this nats-server does not run');
    return this.#process;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    this.#process = spawn(BINARY, ['-c', this.config], { stdio: 'ignore' });
    await waitFor(async () => isOpen(this.port));
  }

  /** Its process stands still, until SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.process.kill(signal);
  }

  /** Removes what it has stored; not while it runs. */
  async wipe(): Promise<void> {
    if (this.store !== undefined) await rm(this.store, { recursive: true, force: true });
  }

  /** Resolves when it has ended. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const exit = once(process, 'exit');
    process.kill(signal);
    await exit;
  }
}

/** Several nats-servers that are one; between each two of them stand proxies. */
export class NatsCluster {
  constructor(
    readonly servers: readonly NatsServer[],
    /** By server: the proxies through which it reaches others, and they it. */
    private readonly routes: readonly (readonly TcpProxy[])[],
  ) {}

  /** What `--engine` takes: all of them, with the first one given first. */
  url(name?: string, first = 0): string {
    const urls = this.servers.map(({ url }) => url);
    return [...urls.slice(first), ...urls.slice(0, first)].join(',') + (name === undefined ? '' : `/${name}`);
  }

  /** Cuts one off from the others; who is connected to it stays so. */
  cut(server: number): void {
    for (const proxy of this.routes[server] ?? []) proxy.cut();
  }

  heal(server: number): void {
    for (const proxy of this.routes[server] ?? []) proxy.heal();
  }
}

export interface NatsSettings {
  /** Bytes that JetStream stores at the most; undefined for most of the disk. */
  readonly maxFileStore?: number;
  /** Where the servers keep what they store; undefined for a folder of the test. */
  readonly folder?: string;
  /** Further lines of the configuration. */
  readonly more?: string;
}

/** Starts `count` nats-servers on ports of their own, with folders of their own; they end with the test. */
export async function startNats(
  t: Test,
  count: 1 | 3 = 1,
  { maxFileStore, folder: given, more = '' }: NatsSettings = {},
): Promise<NatsCluster> {
  const folder = given ?? (await temporaryFolder(t));
  const numbers = Array.from({ length: count }, (_, number) => number);
  const ports = await inTurn(numbers, lastingPort);
  const clusterPorts = await inTurn(numbers, lastingPort);
  const routes: TcpProxy[][] = numbers.map(() => []);
  const servers = await inTurn(numbers, async (number) => {
    const peers = await inTurn(count === 1 ? [] : numbers.filter((other) => other !== number), async (other) => {
      const proxy = await TcpProxy.open(await lastingPort(), clusterPorts[other] as number);
      t.teardown(() => proxy.close());
      routes[number]?.push(proxy);
      routes[other]?.push(proxy);
      return `nats://127.0.0.1:${proxy.port}`;
    });
    const config = join(folder, `${number}.conf`);
    const store = join(folder, String(number));
    await writeFile(
      config,
      [
        `server_name: "n${number}"`,
        `listen: "127.0.0.1:${ports[number]}"`,
        `max_payload: ${MAX_PAYLOAD}`,
        `jetstream { store_dir: "${store}"${maxFileStore ? `, max_file_store: ${maxFileStore}` : ''} }`,
        more,
        // They tell each other where the others are to be found, and would connect past the proxies: so none is there.
        count === 1
          ? ''
          : `cluster { name: test, listen: "127.0.0.1:${clusterPorts[number]}", advertise: "127.0.0.1:${1 + number}", no_advertise: true, routes: ${JSON.stringify(peers)} }`,
        '',
      ].join('\n'),
    );
    return new NatsServer(ports[number] as number, config, store);
  });
  t.teardown(() => Promise.all(servers.map((server) => server.end())));
  await Promise.all(servers.map((server) => server.start()));
  return new NatsCluster(servers, routes);
}

/** Such as `2.10.27`; undefined if there is no such program. */
function versionOf(binary: string): string | undefined {
  return /\d+\.\d+\.\d+/.exec(spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0];
}

let places = 0;

/** A name that nobody else has: the engine keeps its things under it, apart from those of others on the same servers. */
export function placeName(): string {
  return `t${process.pid}x${places++}`;
}

async function inTurn<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

async function isOpen(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'data');
    return true;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return false;
  } finally {
    socket.destroy();
  }
}
