import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

void t.test('a repeat under the same key sends nothing again, and answers as the first did', async (t) => {
  const server = await startServer(t);
  const reader = await EventReader.open(t, `${server.url}/events`);
  const { token } = (await reader.next()).data as { token: string };
  const send = (text: string, key: string, as?: string) =>
    ask(`${server.url}/clients/1/messages`, { json: { text }, headers: { 'idempotency-key': key }, token: as });

  const first = await send('once', 'key-1');
  t.match(first, { status: 201, headers: { 'idempotency-replayed': undefined } });
  // Repeats that come while others are under way wait for what becomes of them.
  for (const repeat of await Promise.all([send('once', 'key-1'), send('once', 'key-1')])) {
    t.match(repeat, {
      status: 201,
      text: first.text,
      headers: { 'idempotency-replayed': 'true', location: first.headers.location },
    });
  }
  const together = await Promise.all(Array.from({ length: 8 }, () => send('together', 'key-2')));
  t.equal(new Set(together.map(({ text }) => text)).size, 1);
  t.equal(together.filter(({ headers }) => headers['idempotency-replayed'] === undefined).length, 1);

  t.match(await send('something else', 'key-1'), { status: 422, json: { code: 'idempotency-key-reused' } });
  t.match(
    await send('once', 'key-1', token),
    { status: 201, headers: { 'idempotency-replayed': undefined } },
    'another sender',
  );
  for (const key of ['', 'a b', 'ä', 'x'.repeat(256)]) {
    const encoded = Buffer.from(key).toString('latin1');
    t.match(await send('x', encoded), { status: 400, json: { code: 'invalid-request' } }, JSON.stringify(key));
  }
  const texts = [await reader.next(), await reader.next(), await reader.next()].map(({ data }) => data.text);
  t.same(texts, ['once', 'together', 'once']);
  await ask(`${server.url}/clients/1/messages`, { body: 'last', headers: { 'content-type': 'text/plain' } });
  t.equal((await reader.next()).data.text, 'last', 'and nothing more');
});

void t.test('a key is remembered over a restart', async (t) => {
  const server = await startServer(t);
  const { client } = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { client: { index: number } };
  const path = `/clients/${client.index}/messages`;
  const asked = { json: { data: { n: 1 } }, headers: { 'idempotency-key': 'k' } };
  const first = await ask(`${server.url}${path}`, asked);
  await server.stop();
  const again = await startServer(t, { data: server.folder });
  t.match(await ask(`${again.url}${path}`, asked), {
    status: 201,
    text: first.text,
    headers: { 'idempotency-replayed': 'true' },
  });
});
