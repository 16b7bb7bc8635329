import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

async function serve(t: Test) {
  const { url } = await startServer(t);
  const connect = async (query = '') => {
    const reader = await EventReader.open(t, `${url}/events?${query}`);
    const { token, cursor } = (await reader.next()).data as { token: string; cursor: string };
    return { reader, token, cursor };
  };
  const post = (json: unknown, headers: Record<string, string> = {}) => ask(`${url}/messages`, { json, headers });
  return { url, connect, post };
}

void t.test('a message goes to everyone, to a room, or to a client, as its address says', async (t) => {
  const { url, connect, post } = await serve(t);
  const alice = await connect('rooms=lobby');
  const bob = await connect();
  t.match(await post({ to: { everyone: true }, text: 'all' }), {
    status: 201,
    headers: { location: '/messages/1' },
    json: { id: '1', from: null, to: { everyone: true }, text: 'all', reach: 2 },
  });
  t.match(await post({ to: { room: 'lobby' }, text: 'room' }), {
    status: 201,
    headers: { location: '/rooms/lobby/messages/2' },
    json: { to: { room: 'lobby' }, reach: 1 },
  });
  t.match(await post({ to: { client: 2 }, data: { a: 1 } }), {
    status: 201,
    headers: { location: '/clients/2/messages/3' },
    json: { to: { client: 2 }, reach: 1 },
  });
  const plain = await ask(`${url}/messages`, {
    body: 'to=all',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  t.match(plain, { status: 201, json: { to: { everyone: true }, text: 'to=all' } });
  const ids = async ({ reader }: typeof alice, count: number) => {
    const found: unknown[] = [];
    while (found.length < count) found.push((await reader.next()).data.id);
    return found;
  };
  t.same(await ids(alice, 3), ['1', '2', '4']);
  t.same(await ids(bob, 3), ['1', '3', '4']);
});

void t.test('an address that is none is refused with what it may be', async (t) => {
  const { post } = await serve(t);
  for (const to of [
    undefined,
    'everyone',
    {},
    { everyone: false },
    { client: 0 },
    { room: 'a b' },
    { client: 1, room: 'a' },
  ]) {
    t.match(
      await post({ to, text: 'x' }),
      { status: 400, json: { code: 'invalid-request', errors: [{ path: /^to/, message: /must be/ }] } },
      JSON.stringify(to),
    );
  }
  t.match(await post({ to: { client: 9 }, text: 'x' }), { status: 404, json: { code: 'no-such-client' } });
  t.match(await post({ to: { room: 'x' }, text: 'x' }), { status: 404, json: { code: 'no-such-room' } });
  t.match(await post({ to: { everyone: true } }), { status: 400 });
});

void t.test('a retry under a key sends nothing again, whoever it is to', async (t) => {
  const { connect, post } = await serve(t);
  const alice = await connect('rooms=lobby');
  for (const to of [{ everyone: true }, { room: 'lobby' }, { client: 1 }]) {
    const headers = { 'idempotency-key': JSON.stringify(to) };
    const first = await post({ to, text: 'once' }, headers);
    const again = await post({ to, text: 'once' }, headers);
    t.match(again, { status: 201, headers: { 'idempotency-replayed': 'true' } });
    t.equal(again.text, first.text);
    t.match(await post({ to, text: 'other' }, headers), { status: 422, json: { code: 'idempotency-key-reused' } });
  }
  t.match(await post({ to: { client: 1 }, text: 'once' }, { 'idempotency-key': '{"everyone":true}' }), { status: 422 });
  await post({ to: { client: 1 }, text: 'end' });
  const texts = [];
  while (texts.at(-1) !== 'end') texts.push((await alice.reader.next()).data.text);
  t.same(texts, ['once', 'once', 'once', 'end']);
});

void t.test('what was sent to everyone is for those who were there', async (t) => {
  const { url, connect, post } = await serve(t);
  const alice = await connect();
  await post({ to: { everyone: true }, text: 'first' });
  const bob = await connect();
  await post({ to: { everyone: true }, text: 'second' });
  const history = async (token: string, query = '') => (await ask(`${url}/messages${query}`, { token })).json;
  t.match(await history(alice.token), { messages: [{ text: 'first' }, { text: 'second' }], gap: false });
  t.match((await history(bob.token)).messages, [{ text: 'second' }]);
  t.equal(((await history(bob.token, '?after=0')).messages as unknown[]).length, 1, 'whatever it asks for');
  t.equal((await ask(`${url}/messages/1`, { token: alice.token })).status, 200);
  t.match(await ask(`${url}/messages/1`, { token: bob.token }), { status: 404, json: { code: 'not-found' } });
  t.match(await ask(`${url}/messages`), { status: 401 });
  t.match(await ask(`${url}/messages/1`), { status: 401 });
  const again = await EventReader.open(t, `${url}/events?token=${bob.token}`);
  await again.next();
  t.match((await again.next()).data, { text: 'second' }, 'nor does a stream from the beginning');
});

void t.test('ttl 0 reaches those who are connected, and leaves no trace', async (t) => {
  const { url, connect, post } = await serve(t);
  const alice = await connect('rooms=lobby');
  const bob = await connect();
  t.match(await post({ to: { everyone: true }, text: 'now', ttl: 0 }), { status: 201, json: { id: null, reach: 2 } });
  t.match(await post({ to: { room: 'lobby' }, text: 'here', ttl: 0 }), { status: 201, json: { id: null, reach: 1 } });
  t.match(await alice.reader.next(), { id: undefined, data: { id: null, text: 'now' } });
  t.match((await alice.reader.next()).data, { text: 'here' });
  t.match((await bob.reader.next()).data, { text: 'now' });
  t.match((await ask(`${url}/rooms/lobby/messages`)).json.messages, []);
  t.match((await post({ to: { everyone: true }, text: 'kept' })).json, { id: '1' }, 'the log had nothing');
});
