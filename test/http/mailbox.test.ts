import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Page {
  messages: { id: string; text: string }[];
  cursor: string;
  gap: boolean;
}

/** A server with a client that has no stream. */
async function serve(t: Test, settings: Partial<Config> = {}) {
  const server = await startServer(t, settings);
  const { client, token, cursor } = (await ask(`${server.url}/clients`, { method: 'POST' })).json as {
    client: { index: number };
    token: string;
    cursor: string;
  };
  const path = `${server.url}/clients/${client.index}/messages`;
  const send = async (text: string) => (await ask(path, { json: { text } })).json.id as string;
  const read = async (query = '') => (await ask(`${path}${query}`, { token })).json as unknown as Page;
  return { server, token, cursor, path, send, read };
}

function texts({ messages }: Page): string[] {
  return messages.map(({ text }) => text);
}

void t.test('a mailbox can be read on by cursor, by id, and backwards', async (t) => {
  const { send, read, cursor } = await serve(t);
  const ids: string[] = [];
  for (let i = 0; i < 10; i++) ids.push(await send(`${i}`));
  t.same(texts(await read()), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  const first = await read(`?after=${cursor}&limit=3`);
  t.same(texts(first), ['0', '1', '2']);
  t.same(texts(await read(`?after=${first.cursor}&limit=3`)), ['3', '4', '5']);
  t.same(texts(await read(`?after=${ids[7]}`)), ['8', '9']);
  t.same(texts(await read(`?before=${ids[5]}&limit=2`)), ['3', '4'], 'the newest before it');
  t.same(texts(await read(`?after=${ids[1]}&before=${ids[5]}`)), ['2', '3', '4']);
  const end = await read(`?after=${ids[9]}`);
  t.same([texts(end), end.gap], [[], false]);
  t.same(texts(await read(`?after=${end.cursor}`)), []);
});

void t.test('reading on by cursor misses nothing and repeats nothing while messages come', async (t) => {
  const { send, read, cursor } = await serve(t);
  let done = false;
  const sending = (async () => {
    for (let i = 0; i < 300; i++) await send(`${i}`);
    done = true;
  })();
  const seen: string[] = [];
  for (let at = cursor, last = false; !last;) {
    last = done;
    const page = await read(`?after=${at}&limit=7&wait=0.05`);
    seen.push(...texts(page));
    last &&= page.messages.length === 0;
    at = page.cursor;
  }
  await sending;
  t.same(
    seen,
    Array.from({ length: 300 }, (_, i) => `${i}`),
  );
});

void t.test('wait answers as soon as there is something, or in the end with nothing', async (t) => {
  const { send, read } = await serve(t);
  const waiting = [read('?wait=60'), read('?wait=60'), read('?wait=60')];
  await send('at last');
  for (const page of await Promise.all(waiting)) t.same(texts(page), ['at last']);
  const { cursor } = await read();
  const began = performance.now();
  const empty = await read(`?after=${cursor}&wait=0.2`);
  t.same(texts(empty), []);
  t.equal(empty.cursor, cursor);
  t.ok(performance.now() - began >= 190, 'it waited');
});

void t.test('what was trimmed is told by gap', async (t) => {
  const { send, read, cursor } = await serve(t, { keepMessages: 3 });
  for (let i = 0; i < 8; i++) await send(`${i}`);
  await waitFor(async () => (await read()).messages.length === 3);
  t.match(await read(`?after=${cursor}`), { gap: true, messages: [{ text: '5' }, { text: '6' }, { text: '7' }] });
  const { messages } = await read();
  t.match(await read(`?after=${messages[0]?.id}`), { gap: false });
  t.match(await read('?before=999&limit=2'), { gap: false, messages: [{ text: '6' }, { text: '7' }] });
  t.match(await read('?before=999'), { gap: true }, 'going back, one comes to where it was trimmed');
});

void t.test('a client that reads its mailbox, or sends, stays without ever having a stream', async (t) => {
  const { server, read, token, path } = await serve(t, { grace: 0.4 });
  const idle = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { client: { index: number } };
  const other = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string };
  // Both show themselves until the one that does not has been let go twice over.
  const end = performance.now() + 1000;
  await waitFor(async () => {
    await read('?wait=0.1');
    await ask(path, { json: { text: 'still here' }, token: other.token });
    return performance.now() > end;
  });
  t.equal((await ask(`${server.url}/clients/${idle.client.index}`)).status, 410);
  t.equal((await ask(`${server.url}/clients/1`)).status, 200);
  t.equal((await ask(`${server.url}/clients/3`)).status, 200);
  t.equal((await ask(path, { token })).status, 200);
});

void t.test('a client that waits longer than its grace time is not gone meanwhile', async (t) => {
  const { read, token, path } = await serve(t, { grace: 0.2 });
  t.same(texts(await read('?wait=1')), []);
  t.equal((await ask(path, { token })).status, 200);
});
