import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { lastingPort } from '../support/port.js';
import { waitFor } from '../support/wait.js';
import { type Certificate, makeCertificate } from './certificate.js';

/** A proxy that runs with the configuration that is shipped for it. */
export interface Proxy {
  /** Plain HTTP, such as `http://localhost:12345`. */
  readonly url: string;
  /** TLS, and over it HTTP/2. */
  readonly tlsUrl: string;
  /** What to trust to believe {@link tlsUrl}. */
  readonly ca: string;
  /** All that it has logged so far: of requests, and of what went wrong. */
  logs(): Promise<string>;
}

export interface Setting {
  /** The ports of the two InterChats; of one, where there is one alone. */
  readonly upstreams: readonly number[];
  /** The time for which either side may be silent, in seconds, where it is not to be the one that is shipped. */
  readonly idle?: number;
  /** Whether it cannot put large bodies into files, as if its disk were full. */
  readonly full?: boolean;
}

/** A program that can stand before InterChat. */
export interface ProxyKind {
  readonly name: string;
  /** Why it cannot be tried here; false where it can. For tap's `skip`, which says so loudly. */
  readonly missing: string | false;
  /** All of the shipped configuration, in one text. */
  configuration(): Promise<string>;
  /** Starts it; it ends with the test. */
  start(t: Test, setting: Setting): Promise<Proxy>;
}

/** The folder of what is shipped for whoever runs InterChat. */
export const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** Packages put them where only root looks. */
const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin` };

/** A text of the shipped file, and what takes its place, everywhere. */
export type Change = readonly [from: string, to: string];

/** Changes a file. What is to be changed must be there: a file that was shipped with other words is not to be tried unchanged. */
export async function adapt(file: string, changes: readonly Change[]): Promise<void> {
  let text = await readFile(file, 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${file} does not have ${JSON.stringify(from)}`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}

export function upstreams({ upstreams: ports }: Setting): Change[] {
  return [0, 1].map((at) => [`interchat-${at + 1}:8080`, `127.0.0.1:${ports[at] ?? ports[0]}`]);
}

export async function surroundings(folder: string) {
  return { plain: await lastingPort(), tls: await lastingPort(), certificate: await makeCertificate(folder) };
}

export async function proxyAt(
  plain: number,
  tls: number,
  { certificate }: Certificate,
  logs: () => Promise<string>,
): Promise<Proxy> {
  return {
    logs,
    url: `http://localhost:${plain}`,
    tlsUrl: `https://localhost:${tls}`,
    ca: await readFile(certificate, 'utf8'),
  };
}

/**
 * Runs a command until the test ends; resolves when it listens on all of these ports.
 * @returns what it has said so far
 */
export async function run(t: Test, [command = '', ...args]: string[], ports: readonly number[]): Promise<() => string> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => (said += text));
  t.teardown(() => end(child));
  await waitFor(async () => {
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${said}`);
    return (await Promise.all(ports.map(isOpen))).every(Boolean);
  });
  return () => said;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export function missing(command: string, version: string): string | false {
  for (const [needed, arg] of [
    [command, version],
    ['openssl', 'version'],
  ] as const) {
    if (spawnSync(needed, [arg], { env }).status !== 0)
      return `NOT TESTED: there is no ${needed} on this machine (Debian: apt-get install ${needed})`;
  }
  return false;
}
