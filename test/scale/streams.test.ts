import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect as connectTo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

const STREAMS = 5_000;
/** So many connects, or sends, at a time: all at once would measure the queue of the kernel. */
const AT_A_TIME = 100;
const ROUNDS = 2;
/** In milliseconds; less than the test may take. */
const PATIENCE = 60_000;
const MIB = 1024 * 1024;

/**
 * How much more heap than before the first stream there may be once all have left: code that was compiled, and the tables
 * that the engine grew, stay. Far less than what one round of streams takes.
 */
const STAYS = 12 * MIB;
/** How much a further round may add to that. A leak of a kilobyte for each stream would be more. */
const GROWS = 3 * MIB;

void t.test(`${STREAMS} streams at once, each with its own messages, and no memory that stays`, async (t) => {
  const files = await openFilesAllowed();
  if (files < STREAMS + 500) {
    t.plan(0, `NOT TESTED: ${files} open files are allowed here (ulimit -n), ${STREAMS + 500} are needed`);
    return;
  }
  // A signal is the only way from outside to have the heap collected, without which its size says little.
  const collect = 'data:text/javascript,process.on("SIGUSR2",()=>gc())';
  const server = await spawnServer(t, {
    folder: await temporaryFolder(t),
    args: ['--grace', '1', '--log-level', 'warn'],
    nodeArgs: ['--expose-gc', '--import', collect],
  });
  const before = await collected(server);
  const after: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    await playRound(t, server, round, before);
    await until('no client is away', async () => {
      const away = (await metrics(server)).get('interchat_clients{status="away"}');
      return away === 0 || `${away} are`;
    });
    const limit = round === 1 ? before.heap + STAYS : Math.min(...after) + GROWS;
    await until(`no more than ${mib(limit)} of heap are used`, async () => {
      const { heap } = await collected(server);
      return heap <= limit || `${mib(heap)} are`;
    });
    const left = await collected(server);
    after.push(left.heap);
    t.pass(`round ${round}: all is given back but ${mib(left.heap - before.heap)} of heap`);
    t.comment(`round ${round}, all left: heap ${mib(left.heap)}, resident ${mib(left.resident)}`);
  }
  t.equal(await server.end('SIGTERM'), 0, 'exit code');
});

async function playRound(t: Test, server: ServerProcess, round: number, before: Memory): Promise<void> {
  const began = performance.now();
  const streams = await inParallel(STREAMS, () => RawStream.open(server.port));
  const connected = performance.now() - began;
  t.equal(new Set(streams.map(({ index }) => index)).size, STREAMS, 'as many clients');
  t.equal((await metrics(server)).get('interchat_streams'), STREAMS, 'all open at once');
  const open = await collected(server);

  const sending = performance.now();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  const statuses = await inParallel(STREAMS, async (n) => {
    const { index } = streams[n] as RawStream;
    return post(server, agent, index, `round ${round}, for ${index} alone`);
  });
  agent.destroy();
  t.same([...new Set(statuses)], [201], 'all sends are acknowledged');
  await Promise.all(streams.map((stream) => stream.until(({ texts }) => texts.length > 0)));
  const sent = performance.now() - sending;
  const wrong = streams.filter(
    ({ index, texts }) => texts.length !== 1 || texts[0] !== `round ${round}, for ${index} alone`,
  );
  t.equal(wrong.length, 0, 'each got what was sent to it, once, and nothing else');
  t.comment(
    `round ${round}: ${perSecond(connected)} connects/s, ${perSecond(sent)} messages/s to a stream each; ` +
      `memory per stream: ${kib(open.heap - before.heap)} of heap, ${kib(open.resident - before.resident)} resident`,
  );
  for (const stream of streams) stream.leave();
}

/** An HTTP client that is a socket and little else, so that thousands of them fit into a test. */
class RawStream {
  readonly texts: string[] = [];
  index = 0;
  #rest = '';
  #waiting: (() => void)[] = [];

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined).on('close', () => this.#wake());
  }

  /** Connects; resolves when it was welcomed. */
  static async open(port: number): Promise<RawStream> {
    const socket = connectTo(port, '127.0.0.1');
    await once(socket, 'connect');
    const stream = new RawStream(socket);
    socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await stream.until(({ index }) => index > 0);
    return stream;
  }

  leave(): void {
    this.socket.destroy();
  }

  async until(condition: (stream: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.socket.destroyed) throw new Error(`the stream of client ${this.index} ended`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #read(text: string): void {
    this.#rest += text;
    // The answer has no chunks, so its bytes are the events, but for the head before the first of them.
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const block = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 2);
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      const value = JSON.parse(data) as { client?: { index: number }; text?: string };
      if (value.client) this.index = value.client.index;
      if (value.text !== undefined) this.texts.push(value.text);
    }
    this.#wake();
  }
}

interface Memory {
  readonly heap: number;
  readonly resident: number;
}

/** What the server uses once its garbage is gone. */
async function collected(server: ServerProcess): Promise<Memory> {
  const collections = async () => {
    const found = [...(await metrics(server))].find(
      ([name]) => name.startsWith('nodejs_gc_duration_seconds_count') && name.includes('"major"'),
    );
    return found?.[1] ?? 0;
  };
  const had = await collections();
  await until('garbage is collected', async () => {
    // Each time, as a collection is now and then not counted: node may lose what it has to say of one.
    server.process.kill('SIGUSR2');
    return (await collections()) > had || 'it is not';
  });
  const now = await metrics(server);
  return {
    heap: now.get('nodejs_heap_size_used_bytes') ?? Infinity,
    resident: now.get('process_resident_memory_bytes') ?? Infinity,
  };
}

/** The figures of /metrics by their names with labels. */
async function metrics(server: ServerProcess): Promise<Map<string, number>> {
  const { text } = await ask(`${server.url}/metrics`);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

function post(server: ServerProcess, agent: Agent, to: number, text: string): Promise<number> {
  const headers = { 'content-type': 'text/plain', 'content-length': String(text.length) };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}/clients/${to}/messages`, { method: 'POST', headers, agent }, (response) => {
      response.resume().on('error', reject);
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** Does something for each number from 0, so many at a time. */
async function inParallel<Result>(count: number, work: (n: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  return results;
}

/** Asks until it is so, and says how it is if that takes too long. */
async function until(what: string, condition: () => Promise<true | string>): Promise<void> {
  const began = performance.now();
  for (let so = await condition(); so !== true; so = await condition()) {
    if (performance.now() - began > PATIENCE) throw new Error(`waited until ${what}, but ${so}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How many files one process may have open here; node raises its own limit, and so its children's, as far as it may. */
async function openFilesAllowed(): Promise<number> {
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n']);
  return stdout.trim() === 'unlimited' ? Infinity : Number(stdout);
}

function perSecond(milliseconds: number): string {
  return ((STREAMS * 1000) / milliseconds).toFixed(0);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** Of that, each stream's part. */
function kib(bytes: number): string {
  return `${(bytes / STREAMS / 1024).toFixed(1)} KiB`;
}
