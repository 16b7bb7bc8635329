import { request } from 'node:http';
import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Page {
  messages: { text: string }[];
  cursor: string;
  gap: boolean;
}

/** A server with a client that has no stream: index 1. */
async function serve(t: Test, settings: Partial<Config> = {}) {
  const server = await startServer(t, settings);
  const made = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string; cursor: string };
  const path = `${server.url}/clients/1/messages`;
  const send = (json: Record<string, unknown>) => ask(path, { json });
  const read = (query: string) => ask(`${path}${query}`, { token: made.token });
  return { server, path, send, read, ...made };
}

function texts(page: Record<string, unknown>): string[] {
  return (page as unknown as Page).messages.map(({ text }) => text);
}

/** Begins a read that waits, and resolves when the server has it: what is sent from then on comes while it waits. */
async function beginRead(t: Test, url: string, token: string) {
  const outgoing = request(url, { headers: { authorization: `Bearer ${token}` }, agent: false });
  outgoing.on('error', () => undefined);
  t.teardown(() => outgoing.destroy());
  const text = new Promise<string>((resolve) => {
    outgoing.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(body));
    });
  });
  outgoing.end();
  await new Promise<void>((resolve) => outgoing.once('socket', (socket) => socket.once('connect', resolve)));
  return { text, abort: () => outgoing.destroy() };
}

void t.test('a client that waits for longer than the grace time is there all the while', async (t) => {
  const { server, read, send } = await serve(t, { grace: 0.2 });
  t.match(await read('?wait=0.7'), { status: 200, json: { messages: [] } });
  t.equal((await ask(`${server.url}/clients/1`)).status, 200, 'and its grace time begins when it is answered');
  const waiting = read('?wait=60');
  // Three times the grace time, and then something comes for it.
  const end = performance.now() + 600;
  await waitFor(async () => (await ask(`${server.url}/clients/1`)).status !== 200 || performance.now() > end);
  await send({ text: 'still here' });
  t.same(texts((await waiting).json), ['still here']);
  await waitFor(async () => (await ask(`${server.url}/clients/1`)).status === 410);
});

void t.test('a waiting that is broken off is over: the client is let go like any other', async (t) => {
  const { server, path, token } = await serve(t, { grace: 0.3 });
  const waiting = await beginRead(t, `${path}?wait=60`, token);
  waiting.abort();
  await waitFor(async () => (await ask(`${server.url}/clients/1`)).status === 410);
  t.pass('it left, though it would have waited for a minute');
});

void t.test('what is not kept does not end a waiting: what is kept does', async (t) => {
  const { send, path, token } = await serve(t);
  const waiting = await beginRead(t, `${path}?wait=30`, token);
  // To those connected now, which whoever waits without a stream is not.
  for (let i = 0; i < 5; i++) await send({ text: 'fleeting', ttl: 0 });
  await send({ text: 'kept' });
  t.same(texts(JSON.parse(await waiting.text) as Record<string, unknown>), ['kept']);
});

void t.test('what is not asked for does not end a waiting either', async (t) => {
  const { send, read } = await serve(t);
  const { id } = (await send({ text: 'first' })).json as { id: string };
  const waiting = read(`?after=${Number(id) + 2}&wait=30`);
  for (const text of ['second', 'third', 'fourth']) await send({ text });
  t.same(texts((await waiting).json), ['fourth']);
});

void t.test('whoever leaves while something waits for it is told so at once', async (t) => {
  const { server, read, token } = await serve(t);
  const waiting = [read('?wait=60'), read('?wait=60')];
  // One that has been answered shows that the others, asked before it, are waiting or will find it gone.
  await read('');
  t.equal((await ask(`${server.url}/clients/1`, { method: 'DELETE', token })).status, 204);
  for (const answer of await Promise.all(waiting)) t.match(answer, { status: 410, json: { code: 'client-gone' } });
});

void t.test('many may wait at once, each for its own', async (t) => {
  const { server } = await serve(t);
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { json } = await ask(`${server.url}/clients`, { method: 'POST' });
      return json as { client: { index: number }; token: string };
    }),
  );
  const waiting = clients.map(({ client, token }) =>
    ask(`${server.url}/clients/${client.index}/messages?wait=60`, { token }),
  );
  for (const { client } of [...clients].reverse()) {
    await ask(`${server.url}/clients/${client.index}/messages`, { json: { text: `for ${client.index}` } });
  }
  const answers = await Promise.all(waiting);
  t.same(
    answers.map(({ json }) => texts(json)),
    clients.map(({ client }) => [`for ${client.index}`]),
  );
});

void t.test('a stop answers those who wait', async (t) => {
  const { server, read, cursor } = await serve(t);
  const waiting = read('?wait=60');
  await waitFor(async () => /http_requests_total\{method="POST"/.test((await ask(`${server.url}/metrics`)).text));
  await server.stop();
  const answer = await waiting;
  t.ok(answer.status === 503 || (answer.status === 200 && texts(answer.json).length === 0), answer.text);
  if (answer.status === 200) t.equal(answer.json.cursor, cursor);
});
