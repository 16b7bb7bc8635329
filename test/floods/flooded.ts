import { readFile } from 'node:fs/promises';
import { type Agent, request } from 'node:http';
import { ask } from '../support/http.js';
import type { ServerProcess } from '../support/server.js';

export const MIB = 1024 * 1024;

/** The figures of /metrics by their names with labels. */
export async function metrics(server: Pick<ServerProcess, 'url'>): Promise<Map<string, number>> {
  const { text } = await ask(`${server.url}/metrics`);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** Bytes that the server has of its own: neither files that it has mapped nor what the kernel has of its connections. */
export async function memoryOf({ process }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${process.pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Watches the memory of a server until it is told to stop, which gives the most there was. */
export function watchMemory(server: ServerProcess): () => Promise<number> {
  let most = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, await memoryOf(server));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    over = true;
    await watching;
    return most;
  };
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/** Sends a text by an agent whose connections are kept. */
export function post(agent: Agent, url: string, text: string): Promise<Answer> {
  const headers = { 'content-type': 'text/plain', 'content-length': String(Buffer.byteLength(text)) };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers, agent }, (response) => {
      response.resume().on('error', reject);
      const retryAfter = response.headers['retry-after'];
      response.on('end', () => resolve({ status: response.statusCode ?? 0, retryAfter }));
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** Does something for each number from 0, so many at a time. */
export async function inParallel<Result>(
  count: number,
  atATime: number,
  work: (n: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: Math.min(atATime, count) }, lane));
  return results;
}

/** The middle one, and the one that only one in a hundred passes. */
export function spanOf(milliseconds: readonly number[]): string {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]?.toFixed(1);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms of ${sorted.length}`;
}
