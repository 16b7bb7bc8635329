import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

/** A server with one client that has a stream: index 1. */
async function serve(t: Test) {
  const server = await startServer(t);
  const stream = await EventReader.open(t, `${server.url}/events?name=one`);
  const { token, cursor } = (await stream.next()).data as { token: string; cursor: string };
  return { server, stream, token, cursor, path: `${server.url}/clients/1/messages` };
}

void t.test('a text can be sent in every way that curl has', async (t) => {
  const { path, stream } = await serve(t);
  const ways: [type: string, body: string | Buffer, text: string][] = [
    ['text/plain', 'Hello', 'Hello'],
    ['text/plain; charset=utf-8', 'Grüße', 'Grüße'],
    ['TEXT/PLAIN;charset="UTF-8"', 'a', 'a'],
    ['application/x-www-form-urlencoded', 'a=b&c=%20+d', 'a=b&c=%20+d'],
    ['application/json', '{"text":"json"}', 'json'],
    ['application/json; charset=utf-8', '\ufeff{"text":"with a mark"}', 'with a mark'],
    ['text/plain', Buffer.from('\ufeffkept'), '\ufeffkept'],
    ['text/plain', '{"text":"not json"}', '{"text":"not json"}'],
  ];
  for (const [type, body, text] of ways) {
    const answer = await ask(path, { body, headers: { 'content-type': type } });
    t.match(answer, { status: 201, json: { text, from: null, to: { client: 1 }, reach: 1 } }, type);
    t.equal((await stream.next()).data.text, text);
  }
});

void t.test('any JSON value comes out as it went in', async (t) => {
  const { path, stream } = await serve(t);
  const values: unknown[] = [null, false, 0, -0.5, 1e300, '', 'x', [], {}, [[[]]], { a: { b: [1, null, 'ä', '😀'] } }];
  values.push('\u0000\u0001\n\r\t\u007f\u0085\u2028\u2029\ufeff', '\ud800', { 'data: x\n\n': '\nevent: bye' });
  for (const [at, data] of values.entries()) {
    const answer = await ask(path, { json: { data } });
    // Not named by the value: some of these break the lines of a test's own output.
    t.equal(answer.status, 201, `value ${at}`);
    t.same(answer.json.data, data);
    t.same((await stream.next()).data.data, data);
  }
  const both = await ask(path, { json: { text: 'both', data: { n: 1 } } });
  t.match(both.json, { text: 'both', data: { n: 1 } });
});

void t.test('the largest body that is taken arrives whole', async (t) => {
  const { path, stream } = await serve(t);
  const text = 'ä'.repeat(32_768);
  t.equal((await ask(path, { body: text, headers: { 'content-type': 'text/plain' } })).status, 201);
  t.equal((await stream.next()).data.text, text);
});

void t.test('the sender is whoever the token proves, by the name it has then', async (t) => {
  const { server, path, stream, token } = await serve(t);
  const two = (await ask(`${server.url}/clients`, { json: { name: 'two' } })).json as { token: string };
  t.match((await ask(path, { json: { text: 'a' }, token: two.token })).json, { from: { index: 2, name: 'two' } });
  await ask(`${server.url}/clients/2`, { method: 'PATCH', json: { name: 'zwei' }, token: two.token });
  await ask(path, { json: { text: 'b' }, token: two.token });
  t.same((await stream.next()).data.from, { index: 2, name: 'two' });
  t.same((await stream.next()).data.from, { index: 2, name: 'zwei' });
  t.match((await ask(path, { json: { text: 'to oneself' }, token })).json, { from: { index: 1 }, reach: 1 });
});

void t.test('Location names the message, for its addressee and its sender alone', async (t) => {
  const { server, path, token } = await serve(t);
  const sender = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string };
  const other = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string };
  const sent = await ask(path, { json: { text: 'secret' }, token: sender.token });
  const location = `${server.url}${sent.headers.location}`;
  for (const reader of [token, sender.token]) {
    t.match(await ask(location, { token: reader }), { status: 200, json: { id: sent.json.id, text: 'secret' } });
  }
  t.match(await ask(location, { token: other.token }), { status: 403, json: { code: 'forbidden' } });
  t.match(await ask(location), { status: 401 });
});

void t.test('a message with a time to live is not delivered after it', async (t) => {
  const { server, path, stream, token, cursor } = await serve(t);
  const sent = await ask(path, { json: { text: 'brief', ttl: 0.3 } });
  const { sentAt, expiresAt } = sent.json as { sentAt: string; expiresAt: string };
  t.equal(Date.parse(expiresAt) - Date.parse(sentAt), 300);
  t.equal((await stream.next()).data.text, 'brief', 'who is there gets it');
  await waitFor(async () => ((await ask(path, { token })).json.messages as unknown[]).length === 0);
  await ask(path, { json: { text: 'lasting' } });
  const back = await EventReader.open(t, `${server.url}/events?after=${cursor}`);
  await back.next();
  t.equal((await back.next()).data.text, 'lasting');
  t.match((await ask(path, { token })).json, { gap: false }, 'nothing that was kept has been lost');
});

void t.test('ttl 0 reaches who is connected now, and is never stored', async (t) => {
  const { server, path, stream, token, cursor } = await serve(t);
  const sent = await ask(path, { json: { text: 'now', ttl: 0 } });
  t.match(sent, { status: 201, json: { id: null, reach: 1 }, headers: { location: undefined } });
  t.match(await stream.next(), { id: undefined, data: { id: null, text: 'now' } });
  t.same((await ask(path, { token })).json.messages, []);
  stream.close();
  await waitFor(async () => (await ask(`${server.url}/clients/1`)).json.status === 'away');
  t.match((await ask(path, { json: { text: 'nobody hears this', ttl: 0 } })).json, { reach: 0 });
  await ask(path, { json: { text: 'later' } });
  const back = await EventReader.open(t, `${server.url}/events?after=${cursor}`);
  await back.next();
  t.equal((await back.next()).data.text, 'later');
});

void t.test('ids rise, over all clients', async (t) => {
  const { server, path } = await serve(t);
  await ask(`${server.url}/clients`, { method: 'POST' });
  let last = 0;
  for (let i = 0; i < 10; i++) {
    const to = i % 2 === 0 ? path : `${server.url}/clients/2/messages`;
    const id = Number((await ask(to, { json: { text: 'x' } })).json.id);
    t.ok(id > last);
    last = id;
  }
});
