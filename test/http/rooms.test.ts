import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Welcome {
  client: { index: number; rooms: string[] };
  token: string;
  cursor: string;
}

/** A server with rooms, and what is done most with them. */
async function serve(t: Test, settings: Partial<Config> = {}) {
  const server = await startServer(t, settings);
  const { url } = server;
  const connect = async (query: string, headers: Record<string, string> = {}) => {
    const reader = await EventReader.open(t, `${url}/events?${query}`, headers);
    const { client, token, cursor } = (await reader.next()).data as unknown as Welcome;
    return { reader, index: client.index, token, cursor, rooms: client.rooms };
  };
  const enter = (room: string, index: number, token?: string) =>
    ask(`${url}/rooms/${room}/members/${index}`, { method: 'PUT', token });
  const exit = (room: string, index: number, token?: string) =>
    ask(`${url}/rooms/${room}/members/${index}`, { method: 'DELETE', token });
  const say = (room: string, text: string, token?: string) =>
    ask(`${url}/rooms/${room}/messages`, { json: { text }, token });
  return { server, url, connect, enter, exit, say };
}

async function textsFrom(reader: EventReader, count: number): Promise<unknown[]> {
  const texts: unknown[] = [];
  while (texts.length < count) texts.push((await reader.take('message')).data.text);
  return texts;
}

void t.test('a client enters a room, hears it, says something in it, and leaves it', async (t) => {
  const { url, connect, enter, exit, say } = await serve(t);
  const alice = await connect('name=alice&rooms=lobby,news');
  const bob = await connect('name=bob');
  t.same(alice.rooms, ['lobby', 'news']);
  t.match(await enter('lobby', 2, bob.token), { status: 201, json: { name: 'lobby', members: 2, online: 2 } });
  t.match(await enter('lobby', 2, bob.token), { status: 200, json: { name: 'lobby', members: 2, online: 2 } });
  t.match((await ask(`${url}/clients/2`)).json, { rooms: ['lobby'] });

  const said = await say('lobby', 'hello', bob.token);
  t.match(said, {
    status: 201,
    headers: { location: '/rooms/lobby/messages/1' },
    json: { id: '1', from: { index: 2, name: 'bob' }, to: { room: 'lobby' }, text: 'hello', reach: 2 },
  });
  for (const { reader } of [alice, bob]) t.match((await reader.next()).data, { id: '1', to: { room: 'lobby' } });
  t.match(await ask(`${url}/rooms/lobby/messages/1`), { status: 200, json: { id: '1', text: 'hello' } });

  t.equal((await exit('lobby', 2, bob.token)).status, 204);
  t.equal((await exit('lobby', 2, bob.token)).status, 204, 'again, and nothing happens');
  await say('lobby', 'without bob');
  await ask(`${url}/clients/2/messages`, { json: { text: 'direct' } });
  t.same(await textsFrom(bob.reader, 1), ['direct']);
  t.same(await textsFrom(alice.reader, 1), ['without bob']);
});

void t.test('only the client itself takes itself into a room or out of it', async (t) => {
  const { url, connect, enter, exit } = await serve(t);
  const alice = await connect('rooms=lobby');
  const bob = await connect('');
  for (const change of [enter, exit]) {
    t.match(await change('lobby', 1), { status: 401, json: { code: 'unauthorized' } });
    t.match(await change('lobby', 1, bob.token), { status: 403, json: { code: 'forbidden' } });
    t.match(await change('lobby', 9, alice.token), { status: 404, json: { code: 'no-such-client' } });
    t.match(await change('no%20room', 1, alice.token), {
      status: 400,
      json: { code: 'invalid-request', errors: [{ path: 'room', message: /1 to 64 of A-Z/ }] },
    });
  }
  t.match((await ask(`${url}/clients/1`)).json, { rooms: ['lobby'] });
});

void t.test('a room is there as long as it has members', async (t) => {
  const { url, connect, enter, exit, say } = await serve(t);
  const alice = await connect('');
  const none = { status: 404, json: { code: 'no-such-room' } };
  t.match(await say('lobby', 'x'), none);
  for (const path of ['', '/members', '/messages', '/messages/1'])
    t.match(await ask(`${url}/rooms/lobby${path}`), none);
  await enter('lobby', 1, alice.token);
  await say('lobby', 'of the first room');
  await exit('lobby', 1, alice.token);
  t.match(await ask(`${url}/rooms/lobby`), none);
  t.match((await ask(`${url}/rooms`)).json, { rooms: [], total: 0, next: null });

  await enter('lobby', 1, alice.token);
  t.match((await ask(`${url}/rooms/lobby/messages`)).json, { messages: [] }, 'another room of the same name');
  t.match((await ask(`${url}/rooms/lobby/messages/1`)).status, 404);
  const gone = await connect('rooms=other');
  await ask(`${url}/clients/2`, { method: 'DELETE', token: gone.token });
  t.match((await ask(`${url}/rooms`)).json, { rooms: [{ name: 'lobby', members: 1, online: 1 }], total: 1 });
});

void t.test('rooms and their members are listed in pages', async (t) => {
  const { url, connect } = await serve(t);
  await connect('name=a&rooms=b,a,c');
  await connect('name=b&rooms=b');
  const away = await connect('name=c&rooms=b');
  away.reader.close();
  await waitFor(async () => (await ask(`${url}/clients/3`)).json.status === 'away');
  t.same((await ask(`${url}/rooms?limit=2`)).json, {
    rooms: [
      { name: 'a', members: 1, online: 1 },
      { name: 'b', members: 3, online: 2 },
    ],
    total: 3,
    next: '/rooms?limit=2&after=b',
  });
  t.match(await ask(`${url}/rooms?limit=2&after=b`), { json: { rooms: [{ name: 'c' }], next: null } });
  t.match(await ask(`${url}/rooms?limit=2`), { headers: { link: '</rooms?limit=2&after=b>; rel="next"' } });
  const page = await ask(`${url}/rooms/b/members?limit=2`);
  t.match(page.json, { clients: [{ index: 1 }, { index: 2 }], total: 3, next: '/rooms/b/members?limit=2&after=2' });
  t.match((await ask(url + (page.json.next as string))).json, { clients: [{ index: 3 }], next: null });
  t.match((await ask(`${url}/rooms/b/members?status=away`)).json, { clients: [{ index: 3 }], total: 1 });
  t.equal(
    (await ask(`${url}/rooms/b/members`, { headers: { accept: 'text/plain' } })).text,
    'Client 1 is at socket 3.\nClient 2 is at socket 4.\nClient 3 is away.\n',
  );
});

void t.test(
  'a member that was away gets what was sent between its entering and its leaving, in the one order',
  async (t) => {
    const { url, connect, enter, exit, say } = await serve(t);
    await connect('rooms=lobby,news');
    const bob = await connect('');
    bob.reader.close();
    await waitFor(async () => (await ask(`${url}/clients/2`)).json.status === 'away');
    await say('lobby', 'too early');
    await enter('lobby', 2, bob.token);
    await say('lobby', '1');
    await ask(`${url}/clients/2/messages`, { json: { text: '2' } });
    await ask(`${url}/messages`, { body: '3', headers: { 'content-type': 'text/plain' } });
    await say('lobby', '4');
    await exit('lobby', 2, bob.token);
    await say('lobby', 'too late');
    await enter('news', 2, bob.token);
    await say('news', '5');
    await enter('lobby', 2, bob.token);
    await say('lobby', '6');
    const back = await connect('', { 'last-event-id': bob.cursor });
    t.same(await textsFrom(back.reader, 6), ['1', '2', '3', '4', '5', '6']);
    t.same(back.rooms, ['lobby', 'news']);

    const third = back.reader.events[3];
    const from = await connect(`after=${third?.id}`);
    t.same(await textsFrom(from.reader, 3), ['4', '5', '6'], 'from any cursor in between');
  },
);

void t.test('rooms, and what was missed in them, outlast a restart', async (t) => {
  const first = await serve(t);
  await first.connect('rooms=lobby');
  const bob = await first.connect('rooms=lobby');
  bob.reader.close();
  await first.say('lobby', 'before');
  await first.server.stop();
  const { url, connect, say } = await serve(t, { data: first.server.folder });
  t.match((await ask(`${url}/rooms`)).json, { rooms: [{ name: 'lobby', members: 2, online: 0 }] });
  await say('lobby', 'after');
  const back = await connect('', { 'last-event-id': bob.cursor });
  t.same(await textsFrom(back.reader, 2), ['before', 'after']);
  t.match((await ask(`${url}/rooms/lobby/messages`)).json.messages, [{ text: 'before' }, { text: 'after' }]);
});

void t.test('a plain EventSource that reconnects is not taken back into a room it has left', async (t) => {
  const { connect, exit } = await serve(t);
  const alice = await connect('rooms=lobby,news');
  await exit('lobby', 1, alice.token);
  const back = await connect('rooms=lobby,news', { 'last-event-id': alice.cursor });
  t.same(back.rooms, ['news']);
  const asking = await connect(`rooms=lobby,news&token=${alice.token}`);
  t.same(asking.rooms, ['lobby', 'news'], 'who asks for it with its token is');
});

void t.test('names of rooms, and how many one may be in', async (t) => {
  const { url, enter } = await serve(t);
  for (const rooms of ['a b', 'a/b', 'ä', 'x'.repeat(65), 'ok,not ok']) {
    t.match(await ask(`${url}/events?rooms=${encodeURIComponent(rooms)}`), { status: 400 }, rooms);
  }
  const many = Array.from({ length: 100 }, (_, i) => `r${i}`);
  const rooms = [...many.slice(0, 98), '__proto__', 'constructor'];
  const made = (await ask(`${url}/clients`, { json: { rooms } })).json as unknown as Welcome;
  t.equal(made.client.rooms.length, 100);
  t.ok(made.client.rooms.includes('__proto__'));
  t.match(await enter('one-more', 1, made.token), { status: 422, json: { code: 'too-many-rooms' } });
  t.match(await ask(`${url}/clients`, { json: { rooms: [...many, 'more'] } }), { status: 400 });
  t.equal((await ask(`${url}/rooms/one-more`)).status, 404, 'nothing is left of a room that nobody entered');
  t.match((await ask(`${url}/rooms/constructor`)).json, { members: 1 });
});

void t.test('of many that enter and leave one room at once, all are counted', async (t) => {
  const { url, enter, exit } = await serve(t);
  const made = await Promise.all(Array.from({ length: 40 }, () => ask(`${url}/clients`, { method: 'POST' })));
  const clients = made.map(({ json }) => json as unknown as Welcome);
  for (let round = 0; round < 5; round++) {
    await Promise.all(clients.map(({ client, token }) => enter('lobby', client.index, token)));
    t.match((await ask(`${url}/rooms/lobby`)).json, { members: 40 });
    await Promise.all(clients.map(({ client, token }) => exit('lobby', client.index, token)));
    t.equal((await ask(`${url}/rooms/lobby`)).status, 404);
  }
});
