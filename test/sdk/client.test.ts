import { once } from 'node:events';
import t, { type Test } from 'tap';
import { type Client, ClientGone, type ConnectOptions, connect, InterChat, ProblemError } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { spawnServer, startServer } from '../support/server.js';

t.jobs = 4;

async function connected(t: Test, url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, options);
  t.teardown(() => client.close());
  return client;
}

/** The texts of the next messages. */
async function take(client: Client, count: number): Promise<(string | undefined)[]> {
  const texts = [];
  for await (const { text } of client.messages()) {
    texts.push(text);
    if (texts.length === count) break;
  }
  return texts;
}

/** Resolves when the server has noticed that a client is away. */
async function untilAway(api: InterChat, index: number): Promise<void> {
  while ((await api.get(index)).status !== 'away') await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Resolves when the client has left. */
async function untilGone(api: InterChat, index: number): Promise<void> {
  for (;;) {
    try {
      await api.get(index);
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'client-gone') return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

void t.test('two clients see each other, and one reaches the other', async (t) => {
  const { url } = await startServer(t);
  const alice = await connected(t, url, { name: 'alice' });
  const bob = await connected(t, url);
  t.match(alice, { index: 1, name: 'alice', state: 'online', welcome: { resumed: false, heartbeat: 15 } });
  t.match(bob, { index: 2, name: null });
  t.match(await alice.list(), {
    clients: [
      { index: 1, name: 'alice', status: 'online', socket: 3, streams: 1, rooms: [] },
      { index: 2, name: null, status: 'online', socket: 4, streams: 1, rooms: [] },
    ],
    total: 2,
    next: null,
  });
  const sent = await alice.send(2, 'Hello, Client 2!');
  t.match(sent, { id: /^\d+$/, from: { index: 1, name: 'alice' }, to: { client: 2 }, reach: 1 });
  await alice.send(2, { data: { any: ['thing'] } }, { idempotencyKey: 'k1' });
  const again = await alice.send(2, { data: { any: ['thing'] } }, { idempotencyKey: 'k1' });
  await alice.send(2, 'last');
  const received = [];
  for await (const message of bob.messages()) {
    received.push(message);
    if (received.length === 3) break;
  }
  const { reach, ...message } = sent;
  t.equal(reach, 1);
  t.strictSame(received[0], message);
  t.match(received[1], { data: { any: ['thing'] }, text: undefined, id: again.id }, 'which is sent once under its key');
  t.match(received[2], { text: 'last' });
});

void t.test('without a stream one can list, send and read', async (t) => {
  const { url } = await startServer(t);
  const nobody = new InterChat(url);
  const { client, token, cursor } = await nobody.join({ name: 'poller' });
  t.match(client, { index: 1, name: 'poller', status: 'away' });
  t.match(await nobody.send(1, 'one'), { from: null, reach: 0 });
  await nobody.send(1, 'two');

  const poller = new InterChat(url, { token });
  const first = await poller.read(1, { after: cursor, limit: 1 });
  t.match(first, { messages: [{ text: 'one' }], gap: false });
  const second = await poller.read(1, { after: first.cursor, wait: 30 });
  t.match(second, { messages: [{ text: 'two' }] });
  const waiting = poller.read(1, { after: second.cursor, wait: 30 });
  await poller.send(1, 'three');
  t.match(await waiting, { messages: [{ text: 'three', from: { index: 1, name: 'poller' } }] });
  await t.rejects(nobody.read(1), { code: 'unauthorized' });
});

void t.test('all clients are listed, page by page', async (t) => {
  const { url } = await startServer(t);
  const api = new InterChat(url);
  for (let i = 0; i < 5; i++) await api.join({ name: i % 2 === 0 ? 'even' : 'odd' });
  const indexes = async (query: Parameters<typeof api.clients>[0]) => {
    const all = [];
    for await (const { index } of api.clients(query)) all.push(index);
    return all;
  };
  t.strictSame(await indexes({ limit: 2 }), [1, 2, 3, 4, 5]);
  t.strictSame(await indexes({ limit: 1, name: 'even' }), [1, 3, 5]);
  t.strictSame(await indexes({ limit: 2, after: 3 }), [4, 5]);
  t.strictSame(await indexes({ status: 'online' }), []);
});

void t.test('a client takes a name, and leaves', async (t) => {
  const { url } = await startServer(t);
  const client = await connected(t, url);
  const api = new InterChat(url);
  t.match(await client.rename('carol'), { index: 1, name: 'carol' });
  t.equal(client.name, 'carol');
  t.match(await api.get(1), { name: 'carol' });
  await client.send(1, 'last words');
  await client.leave();
  t.equal(client.state, 'closed');
  t.strictSame(await take(client, 2), ['last words'], 'what was sent before came, and then it ended quietly');
  await t.rejects(api.get(1), { code: 'client-gone' });
  await t.rejects(api.get(2), { code: 'no-such-client' });
  await t.rejects(connect(url, { token: client.token }), { status: 410, code: 'client-gone' });
  await t.rejects(connect(url, { token: 'ict_1_forged' }), { status: 401, code: 'unauthorized' });
  await t.resolves(client.leave(), 'leaving twice is no harm');
});

void t.test('a client that is made to leave is told', async (t) => {
  const { url } = await startServer(t);
  const client = await connected(t, url);
  const byes = once(client, 'bye');
  await new InterChat(url, { token: client.token }).leave(1);
  await t.rejects(take(client, 1), ClientGone);
  t.match(await byes, [{ reason: 'left' }]);
});

void t.test('what was sent while it was away arrives when it comes back, by token or by cursor', async (t) => {
  const { url } = await startServer(t);
  const api = new InterChat(url);
  const first = await connected(t, url);
  await api.send(1, 'one');
  await api.send(1, 'two');
  t.strictSame(await take(first, 1), ['one']);
  await first.close();
  await untilAway(api, 1);
  t.match(await api.send(1, 'three'), { reach: 0 });

  const { cursor, token } = first;
  const second = await connected(t, url, { cursor });
  t.match(second, { index: 1, welcome: { resumed: true } });
  t.strictSame(await take(second, 2), ['two', 'three'], 'from behind the last message that was taken');
  await second.close();
  const third = await connected(t, url, { cursor, token });
  t.equal(third.index, 1);
  t.strictSame(await take(third, 2), ['two', 'three']);
});

void t.test('a cursor whose client has left opens a new one', async (t) => {
  const { url } = await startServer(t, { grace: 0.1 });
  const first = await connected(t, url);
  await first.close();
  await untilGone(new InterChat(url), 1);
  const second = await connected(t, url, { cursor: first.cursor, name: 'new' });
  t.match(second, { index: 2, name: 'new', welcome: { resumed: false } });
});

void t.test('whoever missed messages that are no longer kept is told', async (t) => {
  const { url } = await startServer(t, { keepMessages: 3 });
  const first = await connected(t, url);
  const { cursor } = first;
  await first.close();
  const api = new InterChat(url);
  for (let i = 1; i <= 10; i++) await api.send(1, String(i));
  const reader = new InterChat(url, { token: first.token });
  while (!(await reader.read(1, { after: cursor })).gap) await new Promise((resolve) => setTimeout(resolve, 20));

  const second = await connected(t, url, { cursor });
  const gaps = once(second, 'gap');
  const [oldest] = await take(second, 1);
  t.match(await gaps, [{ after: /^\d+$/, oldest: /^\d+$/ }]);
  t.ok(Number(oldest) > 1);
});

void t.test('a server that is killed is found again, with nothing missing and nothing twice', async (t) => {
  const folder = await temporaryFolder(t);
  let server = await spawnServer(t, { folder });
  const { url, port } = server;
  const client = await connected(t, url);
  const api = new InterChat(url);
  const expected = [];
  const texts: (string | undefined)[] = [];
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    for (let i = 0; i < 20; i++) {
      expected.push(`${signal} ${i}`);
      await api.send(1, `${signal} ${i}`);
    }
    texts.push(...(await take(client, 10)));
    const lost = once(client, 'disconnected');
    await server.end(signal);
    await lost;
    t.equal(client.state, 'reconnecting');
    server = await spawnServer(t, { folder, port });
    const [{ resumed }] = (await once(client, 'welcome')) as [{ resumed: boolean }];
    t.ok(resumed);
    expected.push(`after ${signal}`);
    await client.send(1, `after ${signal}`);
    texts.push(...(await take(client, 11)));
  }
  t.strictSame(texts, expected);
  await server.end('SIGTERM');
});

void t.test('a server that was set up anew does not know the client, which ends and says so', async (t) => {
  let server = await spawnServer(t, { folder: await temporaryFolder(t) });
  const { url, port } = server;
  const client = await connected(t, url);
  await server.end('SIGKILL');
  server = await spawnServer(t, { folder: await temporaryFolder(t), port });
  await t.rejects(take(client, 1), { code: 'unauthorized' });
  await server.end('SIGTERM');
});

void t.test('rooms, everyone, presence and read marks', async (t) => {
  const { url } = await startServer(t);
  const alice = await connected(t, url, { name: 'alice', rooms: ['lobby'], presence: true });
  const told: string[] = [];
  alice.on('presence', ({ change, client, room }) => told.push([change, client.index, room ?? ''].join(' ').trim()));
  const changed = (to: string) =>
    new Promise<void>((resolve) => alice.on('presence', ({ change }) => change === to && resolve()));
  const joined = changed('joined');
  const left = changed('left');
  const bob = await connected(t, url, { name: 'bob' });
  t.same(alice.welcome.client.rooms, ['lobby']);
  t.match(await bob.enter('lobby'), { name: 'lobby', members: 2, online: 2 });
  t.match(await bob.say('lobby', 'room'), { to: { room: 'lobby' }, reach: 2 });
  t.match(await bob.sendTo({ everyone: true }, { data: 1 }), { to: { everyone: true }, reach: 2 });
  t.match(await bob.sendTo({ client: 1 }, 'direct'), { to: { client: 1 } });
  t.same(await take(alice, 3), ['room', undefined, 'direct']);
  t.match(await alice.readRoom('lobby', { q: 'ROOM' }), { messages: [{ id: '1' }] });
  t.match(await alice.readEveryone(), { messages: [{ id: '2' }] });
  t.match(await alice.listMembers('lobby'), { clients: [{ index: 1 }, { index: 2 }] });
  const rooms = [];
  for await (const { name } of alice.rooms({ limit: 1 })) rooms.push(name);
  t.same(rooms, ['lobby']);

  const read = new Promise((resolve) => alice.once('read', resolve));
  const state = await alice.markRead({ mailbox: '3', rooms: { lobby: '1' } });
  t.match(state, { mailbox: '3', everyone: null, unread: { mailbox: 0, everyone: 1, rooms: { lobby: 0 } } });
  t.same(await read, state);
  t.same(await alice.readState(), state);
  // Of somebody who comes and goes before there was time to tell, nothing is told.
  await joined;
  await bob.exit('lobby');
  await bob.leave();
  await left;
  t.equal(told[0], 'joined 2');
  t.equal(told.at(-1), 'left 2');
  t.same([...told].sort(), [...new Set(told)].sort(), 'nothing twice');
});

void t.test('a room that was left is not entered again when the connection is', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, { data: folder });
  const alice = await connected(t, server.url, { rooms: ['lobby', 'news'], presence: true });
  await alice.exit('lobby');
  const lost = once(alice, 'disconnected');
  await server.stop();
  await lost;
  const back = once(alice, 'welcome');
  const again = await startServer(t, { data: folder, port: server.port });
  await back;
  t.same(alice.welcome.client.rooms, ['news']);
  const heard = once(alice, 'presence');
  await new InterChat(again.url).join({ name: 'carol' });
  t.match(await heard, [{ change: 'joined', client: { name: 'carol' } }], 'and presence is asked for again');
});
