import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect as connectTo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

t.jobs = 2;

void t.test('a server that is told to stop finishes what is under way', { buffered: true }, async (t) => {
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder });
  const stream = await EventReader.open(t, `${server.url}/events`);
  const welcome = await stream.next();
  const { token, client } = (await ask(`${server.url}/clients`, { method: 'POST' })).json as {
    token: string;
    client: { index: number };
  };
  const reading = ask(`${server.url}/clients/${client.index}/messages?wait=60`, { token });
  const sending = await halfSent(t, server, '/clients/1/messages', 'sent ', 'while stopping');
  t.equal((await ask(`${server.url}/readyz`)).status, 200);

  const began = performance.now();
  const ended = server.end('SIGTERM');
  const bye = await stream.take('bye');
  t.same(bye.data, { reason: 'shutdown' });
  t.ok(bye.retry !== undefined && bye.retry >= 1000 && bye.retry <= 5000, `retry: ${bye.retry}`);
  await stream.end();
  const read = await reading;
  t.match([read.status, read.json], [200, { messages: [], gap: false }], 'a reader that waits is answered at once');
  t.match((await ask(`${server.url}/healthz`)).status, 200, 'it lives');
  const ready = await ask(`${server.url}/readyz`);
  t.match([ready.status, ready.json], [503, { code: 'unavailable' }], 'and takes nobody new');
  t.ok(Number(ready.headers['retry-after']) > 0);

  // An EventSource that met an error would give up for good, and so would its page.
  for (const query of [
    '',
    `?token=${token}`,
    `?after=${(read.json as { cursor: string }).cursor}`,
    '?after=nonsense',
  ]) {
    const late = await EventReader.open(t, `${server.url}/events${query}`);
    t.match([late.response.statusCode, late.headers['content-type']], [200, 'text/event-stream']);
    const event = await late.next();
    t.match(event, { event: 'bye', data: { reason: 'shutdown' } });
    t.ok(event.retry !== undefined && event.retry >= 1000, `retry: ${event.retry}`);
    await late.end();
  }
  t.equal((await ask(`${server.url}/clients`, { method: 'POST' })).status, 503, 'no new client');

  const { status, text } = await sending.finish();
  t.equal(status, 201, 'what was half sent when it began is taken');
  t.equal(await ended, 0, 'exit code');
  const seconds = (performance.now() - began) / 1000;
  t.ok(seconds < 10, `${seconds.toFixed(2)} s`);

  const next = await spawnServer(t, { folder });
  const back = await EventReader.open(t, `${next.url}/events`, { 'last-event-id': welcome.id ?? '' });
  t.match((await back.next()).data, { client: { index: 1 }, resumed: true });
  const { id } = JSON.parse(text) as { id: string };
  t.match((await back.next()).data, { id, text: 'sent while stopping' }, 'and has arrived with the next one');
});

void t.test('nobody can keep it from stopping', { buffered: true }, async (t) => {
  const server = await spawnServer(t, { folder: await temporaryFolder(t) });
  await ask(`${server.url}/clients`, { method: 'POST' });
  // A body that never ends, a connection that never asks, one that only began to, and a stream that nobody reads.
  await halfSent(t, server, '/clients/1/messages', 'without', ' end');
  for (const begun of ['', 'GET /healthz HTTP/1.1\r\nHo', 'GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n']) {
    const socket = connectTo(server.port, '127.0.0.1').pause();
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(begun);
  }
  await until(async () => Number((await ask(`${server.url}/clients?status=online`)).json.total) === 1);
  const began = performance.now();
  t.equal(await server.end('SIGTERM'), 0, 'exit code');
  const seconds = (performance.now() - began) / 1000;
  t.ok(seconds < 10, `${seconds.toFixed(2)} s`);
  t.comment(`ended after ${seconds.toFixed(2)} s`);
});

/** A POST whose body is begun; resolves when the server has taken it up. */
async function halfSent(t: Test, server: ServerProcess, path: string, begun: string, rest: string) {
  const headers = {
    'content-type': 'text/plain',
    'content-length': String(begun.length + rest.length),
    // Its answer is the proof that the server works on it.
    expect: '100-continue',
  };
  const outgoing = request(`${server.url}${path}`, { method: 'POST', headers, agent: false });
  t.teardown(() => outgoing.destroy());
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
  });
  // Whoever never finishes is not told, nor wants to be.
  answered.catch(() => undefined);
  outgoing.flushHeaders();
  await once(outgoing, 'continue');
  outgoing.write(begun);
  return {
    async finish(): Promise<{ status: number | undefined; text: string }> {
      outgoing.end(rest);
      const response = await answered;
      return { status: response.statusCode, text: await textOf(response) };
    },
  };
}

/** Asks until it is so. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
