import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { memoryLimit } from '../support/memory-limit.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const MIB = 1024 * 1024;

/** A mailbox of 12 MB, and callers that ask for all of it at the same time. */
const MESSAGES = 600;
const LENGTH = 20_000;
const CALLERS = 150;

for (const limit of [256, 512]) {
  void t.test(`large answers within ${limit} MiB`, async (t) => {
    const container = await memoryLimit(t, limit * MIB);
    const server = await spawnServer(t, {
      folder: await temporaryFolder(t),
      prefix: container.prefix,
      args: ['--log-level', 'warn'],
    });
    const { index, token } = await filledMailbox(server);
    const other = new Agent({ keepAlive: true, localAddress: '127.0.0.2' });
    t.teardown(() => other.destroy());
    // One kind for each size, so that the tests stay short.
    for (const query of limit === 256 ? ['limit=1000', 'limit=1000&q=X'] : ['limit=1000&before=1000000000']) {
      const callers = await Promise.all(Array.from({ length: CALLERS }, () => Caller.open(server.port)));
      const path = `/clients/${index}/messages?${query}`;
      for (const caller of callers) caller.ask(path, token);
      // Nothing is taken yet. Another address is served meanwhile.
      for (let n = 0; n < 20; n++) {
        t.equal(
          (await ask(`${server.url}/clients/${index}/messages`, { json: { text: 'hi' }, agent: other })).status,
          201,
        );
        t.equal((await ask(`${server.url}/clients`, { agent: other })).status, 200);
      }
      for (const caller of callers) caller.take();
      await Promise.all(callers.map(({ ended }) => ended));
      const heads = callers.map(({ head }) => head);
      const statuses = new Map<string, number>();
      for (const head of heads) {
        const status = head.slice(9, 12);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      const said = [...statuses].map(([status, count]) => `${count} times ${status || 'nothing'}`).join(', ');
      t.comment(
        `${query}: ${said}; at most ${Math.round(((await container.most()) ?? 0) / MIB)} MiB in ${container.by}`,
      );
      t.ok((statuses.get('200') ?? 0) > 0, 'some are answered');
      const fits = /^HTTP\/1\.1 (200 |(429|503) [^]*\r\nretry-after: \d+\r\n)/i;
      t.equal(
        heads.find((head) => !fits.test(head)),
        undefined,
        'all others are told to come again',
      );
      await isAtRest(t, server);
    }
    await leavesNothingHeld(t, server, index, token);
    t.equal(await server.end('SIGTERM'), 0, 'the server lived');
  });
}

/** Callers that go away in the midst of it, ask one behind the other, or want the head alone. */
async function leavesNothingHeld(t: Test, server: ServerProcess, index: number, token: string): Promise<void> {
  const path = `/clients/${index}/messages?limit=1000`;
  const kinds: ((caller: Caller) => void)[] = [
    (caller) => caller.ask(path, token),
    (caller) => caller.ask(`${path}&wait=60&after=1000000`, token),
    (caller) => caller.ask(path, token, 'HEAD'),
    (caller) => {
      for (let n = 0; n < 20; n++) caller.ask(n % 2 ? path : '/clients?limit=1000', token, 'GET', false);
    },
  ];
  for (const kind of kinds) {
    const callers = await Promise.all(Array.from({ length: 20 }, () => Caller.open(server.port)));
    for (const caller of callers) kind(caller);
    for (const [n, caller] of callers.entries()) {
      // Some at once, others in the midst of their answer.
      if (n % 2) await ask(`${server.url}/healthz`);
      caller.leave();
    }
  }
  await isAtRest(t, server);
}

/** All memory for requests is given back, but for that of the request that asks. */
async function isAtRest(t: Test, server: ServerProcess): Promise<void> {
  let used = '';
  await waitFor(async () => {
    const { text } = await ask(`${server.url}/metrics`);
    used = /^interchat_memory_bytes\{by="requests"\} (\d+)$/m.exec(text)?.[1] ?? '';
    return used === '10240';
  }).catch(() => undefined);
  t.equal(used, '10240', 'all memory is given back');
}

async function filledMailbox(server: ServerProcess): Promise<{ index: number; token: string }> {
  const { json } = await ask(`${server.url}/clients`, { method: 'POST', json: {} });
  const { client, token } = json as { client: { index: number }; token: string };
  const line = `${JSON.stringify({ to: { client: client.index }, text: 'x'.repeat(LENGTH) })}\n`;
  for (let sent = 0; sent < MESSAGES; sent += 100) {
    await ask(`${server.url}/messages`, {
      body: line.repeat(100),
      headers: { 'content-type': 'application/x-ndjson' },
    });
  }
  return { index: client.index, token };
}

/** A connection on which nothing is taken until it is told to, and of which the head of the answer is kept. */
class Caller {
  head = '';
  readonly ended: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    this.ended = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    socket.on('data', (bytes: Buffer) => {
      if (this.head.length < 2_000) this.head += bytes.toString('latin1', 0, 2_000);
    });
    socket.pause();
  }

  static async open(port: number): Promise<Caller> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Caller(socket);
  }

  ask(path: string, token: string, method = 'GET', last = true): void {
    const headers = `Host: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nConnection: ${last ? 'close' : 'keep-alive'}`;
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${headers}\r\n\r\n`);
  }

  take(): void {
    this.socket.resume();
  }

  leave(): void {
    this.socket.destroy();
  }
}
