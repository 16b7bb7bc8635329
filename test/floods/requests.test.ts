import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { RawStream } from '../support/raw-stream.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { memoryOf, metrics, MIB, post, spanOf, watchMemory } from './flooded.js';

const FLOODING = fileURLToPath(new URL('flooding.js', import.meta.url));

/** What requests under way may hold; and what the server may take beside: code that is compiled, and garbage. */
const REQUEST_MEMORY = 16 * MIB;
const BESIDE = 96 * MIB;
/**
 * And what Node has read of them and not collected yet, which is more the more memory there is: 400 MB at the most on a machine with 24 GB,
 * whether 500 send or 8,000.
 */
const GARBAGE = 600 * MIB;
/** How many send at the same time, each as soon as it is answered. */
const SENDERS = 2_500;
/** Seconds that a request may take, and an answer may wait. */
const REQUEST_TIMEOUT = 3;

function startServer(t: Test, ...args: string[]): Promise<ServerProcess> {
  const settings = [
    ['--request-memory', String(REQUEST_MEMORY)],
    ['--request-timeout', String(REQUEST_TIMEOUT)],
    ['--log-level', 'warn'],
  ].flat();
  return temporaryFolder(t).then((folder) => spawnServer(t, { folder, args: [...settings, ...args] }));
}

void t.test('senders that send ten times what can be taken', async (t) => {
  const server = await startServer(t);
  const reader = await RawStream.open(server.port);
  reader.leave();
  const bystander = await RawStream.open(server.port);
  const agent = new Agent({ keepAlive: true });
  const alone = await probe(t, agent, server, bystander, 50);
  const before = await memoryOf(server);
  const watched = watchMemory(server);

  // Of 74 KiB each as they are counted: 180 MiB for the 16 that there are.
  const url = `${server.url}/clients/${reader.index}/messages`;
  const flooding = flood({ url, senders: SENDERS, length: 64_000, milliseconds: 4_000 });
  const meanwhile: number[] = [];
  let over = false;
  const done = flooding.then((answers) => ((over = true), answers));
  while (!over) meanwhile.push(...(await probe(t, agent, server, bystander, 1)));
  const answers = await done;
  const most = await watched();

  const statuses = new Map<number, number>();
  for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const told = [...statuses].map(([status, count]) => `${count} times ${status}`).join(', ');
  const acknowledged = answers.filter(({ status }) => status === 201).map(({ n }) => n);
  const refused = answers.filter(({ status }) => status === 503);
  t.equal(acknowledged.length + refused.length, answers.length, `answered: ${told}`);
  t.ok(refused.length > 0 && refused.every(({ retryAfter }) => Number(retryAfter) > 0), 'with Retry-After');
  t.ok(most - before < REQUEST_MEMORY + GARBAGE, `the server took ${mib(most - before)} more`);
  t.comment(`SEND to another: before ${spanOf(alone)}; meanwhile ${spanOf(meanwhile)}`);

  const after = await probe(t, agent, server, bystander, 50);
  t.comment(`afterwards ${spanOf(after)}`);
  const { lastEventId } = reader;
  const back = await RawStream.open(server.port, { lastEventId, keep: 20 });
  await back.until(({ texts }) => texts.length >= acknowledged.length);
  const came = back.texts.map((text) => parseInt(text));
  back.leave();
  t.same(
    came.toSorted((one, other) => one - other),
    acknowledged.toSorted((one, other) => one - other),
    'what was acknowledged came, once, and nothing else',
  );
  await isAtRest(t, server);
  agent.destroy();
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('heads and bodies that do not come in whole, and answers that nobody takes', async (t) => {
  const server = await startServer(t, '--keep-messages', '1000');
  const bystander = await RawStream.open(server.port, { path: '/events?rooms=lobby', keep: 20 });
  const agent = new Agent({ keepAlive: true });
  for (let n = 0; n < 200; n++) await post(agent, `${server.url}/rooms/lobby/messages`, 'x'.repeat(60_000));
  const before = await memoryOf(server);
  const watched = watchMemory(server);

  const send = '/clients/1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n';
  const kinds: [string, string, number][] = [
    ['silent', '', 500],
    ['half a head', 'GET /clients HTTP/1.1\r\nHost: 127.0', 500],
    ['half a body', `POST ${send}Content-Length: 60000\r\n\r\nxxx`, 500],
    ['half a chunk', `POST ${send}Transfer-Encoding: chunked\r\n\r\nea60\r\nxxx`, 100],
    ['answers not taken', 'GET /rooms/lobby/messages?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 50],
  ];
  const closed = kinds.map(async ([name, text, count]) => {
    const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(server.port)));
    // Who takes no answer does not see the end either.
    for (const connection of connections) connection.write(text, name === 'answers not taken');
    return { name, connections };
  });
  const all = await Promise.all(closed);
  const meanwhile: number[] = [];
  let over = false;
  const ends = Promise.all(
    all.flatMap(({ name, connections }) => (name === 'answers not taken' ? [] : connections.map(({ end }) => end))),
  ).then(() => (over = true));
  while (!over) meanwhile.push(...(await probe(t, agent, server, bystander, 1)));
  await ends;
  for (const { name, connections } of all) {
    if (name === 'answers not taken') continue;
    // A head that did not come is refused by a problem, too; those that would hold too much, at once.
    const fits = name.endsWith('head') || name === 'silent' ? /^HTTP\/1\.1 408 / : /^HTTP\/1\.1 (408|503) /;
    const odd = connections.find(({ answer }) => !fits.test(answer));
    t.equal(odd?.answer, undefined, `${name}: all ${connections.length} are refused and closed`);
  }
  await isAtRest(t, server);
  t.pass('nor are the answers held that nobody takes');
  const most = await watched();
  t.ok(most - before < REQUEST_MEMORY + BESIDE, `the server took ${mib(most - before)} more`);
  t.comment(`SEND to another meanwhile: ${spanOf(meanwhile)}`);
  for (const { connections } of all) for (const connection of connections) connection.leave();
  agent.destroy();
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('requests sent one behind the other, of which the first takes long', async (t) => {
  const server = await startServer(t);
  const before = await memoryOf(server);
  const agent = new Agent({ keepAlive: true });
  const stream = 'GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
  const flood = async (behind?: string) => {
    const client = (await ask(`${server.url}/clients`, { method: 'POST' })).json as unknown as Admission;
    const messages = `/clients/${client.client.index}/messages`;
    const wait = `GET ${messages}?wait=30 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${client.token}\r\n\r\n`;
    const connection = await Connection.open(server.port);
    connection.write(wait + (behind ?? wait).repeat(200));
    await waitFor(async () => (await underWay(server)) > 60 * 10 * 1024);
    t.equal((await post(agent, server.url + messages, 'now')).status, 201, 'others are served meanwhile');
    return connection;
  };
  const waiting = await flood();
  await waiting.end;
  const statuses = waiting.answer.match(/HTTP\/1\.1 \d+/g) ?? [];
  t.equal(statuses.length, 66, 'so many are answered');
  t.match(statuses.at(-1), /429$/, 'the last by saying that these are too many; then the connection is closed');
  // Of these the second has no end.
  const streams = await flood(stream);
  streams.leave();
  // Whoever sends far more is cut off, and others do not notice.
  const many = await Connection.open(server.port);
  many.write(stream.repeat(100_000));
  await many.end;
  t.equal((await ask(`${server.url}/clients`)).status, 200);
  const took = (await memoryOf(server)) - before;
  t.ok(took < BESIDE, `the server took ${mib(took)} more`);
  agent.destroy();
  await isAtRest(t, server);
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('as many connections as there may be open files', async (t) => {
  const openFiles = 400;
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder, args: ['--log-level', 'warn'], openFiles });
  const streams: RawStream[] = [];
  let refused: RawStream | undefined;
  while (!refused) {
    const stream = await RawStream.ask(server.port);
    await stream.until(({ head }) => head !== '');
    if (stream.head.startsWith('HTTP/1.1 200 ')) streams.push(stream);
    else refused = stream;
    if (streams.length > openFiles) throw new Error('nobody is refused');
  }
  t.match(refused.head, /^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: \d+\r\n/i);
  t.match(refused.head, /\r\nconnection: close\r\n/i);
  await refused.end();
  t.pass(`the ${streams.length + 1}th is refused, and its connection closed`);
  const [another] = streams as [RawStream];
  another.leave();
  const held = await Promise.all(Array.from({ length: 30 }, () => Connection.open(server.port)));
  // A browser would give up for good if its stream were refused when it comes back.
  const { lastEventId } = another;
  const late = await RawStream.ask(server.port, { lastEventId });
  await late.end();
  t.match(late, { bye: 'shutdown', head: /^HTTP\/1\.1 200 / }, 'a stream that comes back is told to come later');
  t.ok(late.retry >= 1000, `in ${late.retry} ms`);
  t.equal((await ask(`${server.url}/healthz`)).status, 200, 'whoever runs it sees that it lives');
  t.equal((await metrics(server)).get('process_max_fds'), openFiles);
  for (const connection of held) connection.leave();
  await waitFor(async () => (await ask(`${server.url}/clients/${another.index}`)).status === 200);
  const back = await RawStream.open(server.port, { lastEventId });
  t.match(back, { index: another.index, resumed: true }, 'afterwards it comes back');
  for (const stream of [...streams, back]) stream.leave();
  t.equal(await server.end('SIGTERM'), 0);
});

interface Answered {
  /** Which text it was: the number that it begins with. */
  readonly n: number;
  readonly status: number;
  readonly retryAfter?: string;
}

/** Has another process send as fast as it can, see flooding.js; resolves with how each was answered. */
async function flood(options: { url: string; senders: number; length: number; milliseconds: number }) {
  const { stdout } = await promisify(execFile)(process.execPath, [FLOODING, JSON.stringify(options)], {
    maxBuffer: 64 * MIB,
  });
  return JSON.parse(stdout) as Answered[];
}

/** Sends one after the other to a client: in how many milliseconds each came. One that is refused is sent again. */
async function probe(t: Test, agent: Agent, { url }: ServerProcess, to: RawStream, count: number): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < count;) {
    const had = to.texts.length;
    const began = performance.now();
    const { status } = await post(agent, `${url}/clients/${to.index}/messages`, 'x');
    if (status === 503) continue;
    if (status !== 201) t.fail(`a SEND was answered with ${status}`);
    await to.until(({ texts }) => texts.length > had);
    took.push(performance.now() - began);
    n++;
  }
  return took;
}

async function underWay(server: ServerProcess): Promise<number> {
  return (await metrics(server)).get('interchat_memory_bytes{by="requests"}') ?? NaN;
}

/** Nothing is held any more but by the request that asks. */
async function isAtRest(t: Test, server: ServerProcess): Promise<void> {
  await waitFor(async () => (await underWay(server)) <= 10 * 1024);
  t.equal((await ask(`${server.url}/readyz`)).status, 200, 'all is as before');
}

interface Admission {
  readonly client: { readonly index: number };
  readonly token: string;
}

/** A connection that says what it likes. */
class Connection {
  answer = '';
  readonly end: Promise<void>;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('error', () => undefined);
    this.end = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Connection(socket);
  }

  write(text: string, takesNothing = false): void {
    if (!takesNothing) this.socket.on('data', (part: string) => (this.answer += part));
    if (text !== '') this.socket.write(text);
  }

  leave(): void {
    this.socket.destroy();
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
