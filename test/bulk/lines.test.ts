import { request } from 'node:http';
import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const NDJSON = { 'content-type': 'application/x-ndjson' };

interface Result {
  id?: string | null;
  reach?: number;
  replayed?: true;
  code?: string;
  line?: number;
  detail?: string;
}

/** A server with one client, away, and its mailbox. */
async function serve(t: Test, settings: Partial<Config> = {}) {
  const { url } = await startServer(t, settings);
  const { token } = (await ask(`${url}/clients`, { json: { rooms: ['lobby'] } })).json as { token: string };
  const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
    ask(`${url}/messages`, { body, headers: { ...NDJSON, ...headers } });
  const texts = async () => {
    const { json } = await ask(`${url}/clients/1/messages?limit=1000`, { token });
    return (json.messages as { text: string }[]).map(({ text }) => text);
  };
  return { url, token, post, texts };
}

const results = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);

const to1 = (text: string, more: object = {}) => JSON.stringify({ to: { client: 1 }, text, ...more });

void t.test('each line is answered, and those that are wrong are refused alone', async (t) => {
  const { post, texts } = await serve(t, { maxBody: 200 });
  const body = Buffer.concat([
    Buffer.from(`${to1('one')}\r\n\nnot json\n`),
    Buffer.from(`{"to":{"client":1},"text":"`),
    Buffer.from([0xff]),
    Buffer.from(`"}\n${to1('x'.repeat(300))}\n${to1('typo', { txt: 1 })}\n${to1('')}\n`),
    Buffer.from(`{"to":{"client":9},"text":"a"}\n{"to":{"room":"nowhere"},"text":"a"}\n{"to":"all","text":"a"}\n`),
    Buffer.from(`${to1('two', { ttl: 0 })}\n  \n{"to":{"room":"lobby"},"text":"r"}\n${to1('three')}`),
  ]);
  const answer = await post(body);
  t.match(answer, { status: 200, headers: NDJSON });
  t.match(results(answer.text), [
    { id: '1', reach: 0 },
    { code: 'invalid-request', status: 400, line: 3 },
    { code: 'invalid-request', line: 4, detail: /UTF-8/ },
    { code: 'too-large', status: 413, line: 5 },
    { code: 'invalid-request', line: 6, errors: [{ path: 'txt' }] },
    { code: 'invalid-request', line: 7, errors: [{ path: 'text' }] },
    { code: 'no-such-client', status: 404, line: 8 },
    { code: 'no-such-room', line: 9 },
    { code: 'invalid-request', line: 10, errors: [{ path: 'to' }] },
    { id: null },
    { id: '2' },
    { id: '3' },
  ]);
  t.equal(results(answer.text).length, 12, 'a blank line is none');
  t.same(await texts(), ['one', 'three']);
});

void t.test('a bulk can be sent again under one key, and a line under its own', async (t) => {
  const { post, texts } = await serve(t);
  const body = [to1('a'), to1('b'), to1('c', { idempotencyKey: 'own' }), to1('c', { idempotencyKey: 'own' })].join(
    '\n',
  );
  const first = results((await post(body, { 'idempotency-key': 'all' })).text);
  t.match(first, [{ id: '1' }, { id: '2' }, { id: '3' }, { id: '3', replayed: true }]);
  const again = results((await post(body, { 'idempotency-key': 'all' })).text);
  t.match(again, [{ id: '1', replayed: true }, { id: '2', replayed: true }, { id: '3' }, { id: '3' }]);
  t.match(results((await post(to1('other'), { 'idempotency-key': 'all' })).text), [{ code: 'idempotency-key-reused' }]);
  t.same(await texts(), ['a', 'b', 'c']);
});

void t.test('who sends is checked before anything is', async (t) => {
  const { post, texts, token } = await serve(t);
  t.match(await post(to1('x'), { authorization: 'Bearer ict_1_x' }), { status: 401, json: { code: 'unauthorized' } });
  t.match(await post(to1('x'), { 'content-encoding': 'gzip' }), { status: 415 });
  t.same(await texts(), []);
  t.match(results((await post(to1('x'), { authorization: `Bearer ${token}` })).text), [{ id: '1' }]);
  t.match(await post(''), { status: 200, text: '' });
});

void t.test('results come while more is sent, however the lines are cut', async (t) => {
  const { url, texts } = await serve(t);
  const outgoing = request(`${url}/messages`, { method: 'POST', headers: NDJSON, agent: false });
  t.teardown(() => outgoing.destroy());
  let text = '';
  let wake = () => {};
  const ended = new Promise<void>((resolve) => {
    outgoing.on('response', (response) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        wake();
      });
      response.on('end', resolve);
    });
  });
  const until = async (count: number) => {
    while (text.split('\n').length <= count) await new Promise<void>((resolve) => (wake = resolve));
  };
  outgoing.write(`${to1('first')}\n`);
  await until(1);
  for (const byte of Buffer.from(`${to1('zwölf € 🎈')}\n`)) {
    outgoing.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(2);
  outgoing.end(to1('last'));
  await ended;
  t.match(results(text), [{ id: '1' }, { id: '2' }, { id: '3' }]);
  t.same(await texts(), ['first', 'zwölf € 🎈', 'last']);
});

void t.test('a server that stops answers what it has taken, and ends the answer', async (t) => {
  const server = await startServer(t);
  await ask(`${server.url}/clients`, { method: 'POST' });
  const outgoing = request(`${server.url}/messages`, { method: 'POST', headers: NDJSON, agent: false });
  outgoing.on('error', () => undefined);
  t.teardown(() => outgoing.destroy());
  let text = '';
  let wake = () => {};
  const ended = new Promise<void>((resolve) => {
    outgoing.on('response', (response) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        wake();
      });
      response.on('close', resolve);
    });
  });
  const answered = new Promise<void>((resolve) => (wake = resolve));
  outgoing.write(`${to1('taken')}\n`);
  await answered;
  await server.stop();
  await ended;
  t.match(results(text), [{ id: '1' }]);
});
