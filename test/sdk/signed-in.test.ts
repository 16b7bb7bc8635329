import { once } from 'node:events';
import t, { type Test } from 'tap';
import { type Client, connect, type ConnectOptions, CredentialOver, InterChat } from '../../src/sdk/index.js';
import { operatorToken } from '../../src/hub/credentials.js';
import type { Config } from '../../src/config.js';
import { temporaryFolder } from '../support/folder.js';
import { spawnServer, startServer } from '../support/server.js';
import { event, json, message, refusal, scriptedServer, stream, streamThenCut, welcome } from './scripted-server.js';

t.jobs = 3;

const SECRET = 'a secret of the tests, 32 characters at least';
const PASSWORD = 'correct horse battery staple';

/** A server, and whoever runs it. */
async function house(t: Test, settings: Partial<Config> = {}): Promise<{ url: string; operator: InterChat }> {
  const { url } = await startServer(t, { secret: SECRET, ...settings });
  return { url, operator: new InterChat(url, { token: operatorToken(SECRET) }) };
}

async function signIn(url: string, name: string): Promise<InterChat & { readonly credential: string }> {
  const { token } = await new InterChat(url).sessions.signIn(name, PASSWORD);
  return Object.assign(new InterChat(url, { token }), { credential: token });
}

async function connected(t: Test, url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, options);
  t.teardown(() => client.close());
  return client;
}

async function take(client: Client, count: number): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = [];
  for await (const { text } of client.messages()) if (texts.push(text) === count) break;
  return texts;
}

void t.test('an account is made, signs in, and is who it is', async (t) => {
  const { url, operator } = await house(t);
  t.match(await operator.accounts.add('alice', PASSWORD), {
    name: 'alice',
    may: ['connect', 'list', 'send:*', 'read:*'],
  });
  await operator.accounts.add('bob', PASSWORD, { may: ['connect', 'send:client/1'] });
  await t.rejects(operator.accounts.add('Alice', PASSWORD), { status: 409, code: 'name-taken' });
  t.match(await operator.accounts.list(), [{ name: 'alice' }, { name: 'bob', may: ['connect', 'send:client/1'] }]);
  t.match(await operator.sessions.current(), { kind: 'operator', client: null, may: ['admin'] });
  const nobody = new InterChat(url);
  t.match(await nobody.sessions.current(), { kind: 'none', access: 'open', registration: 'closed' });
  await t.rejects(nobody.sessions.signIn('alice', 'wrong, and long enough'), { status: 401, code: 'unauthorized' });
  const { token, ...who } = await nobody.sessions.signIn('alice', PASSWORD);
  t.match(who, { kind: 'account', name: 'alice', client: { index: 1, name: 'alice' } });
  const alice = new InterChat(url, { token });
  t.match(await alice.sessions.current(), { kind: 'account', name: 'alice', client: { index: 1 } });
  t.match(await alice.join(), { client: { index: 1 }, token }, 'who has a client already is it');
  const bob = await signIn(url, 'bob');
  await bob.send(1, 'Hello');
  await t.rejects(bob.sendTo({ everyone: true }, 'all'), {
    status: 403,
    code: 'forbidden',
    permission: 'send:everyone',
  });
  await t.rejects(bob.accounts.list(), { status: 403, code: 'forbidden', permission: 'admin' });
  await alice.accounts.setPassword('alice', `${PASSWORD} again`, { current: PASSWORD });
  await t.rejects(nobody.sessions.signIn('alice', PASSWORD), { status: 401, code: 'unauthorized' });
  await operator.accounts.remove('bob');
  await t.rejects(bob.sessions.current(), { status: 401, code: 'unauthorized' });
});

void t.test(
  'where registration is open anyone makes an account; where members alone may come, a token is asked for',
  async (t) => {
    const { url } = await house(t, { access: 'members', registration: 'open' });
    const nobody = new InterChat(url);
    await nobody.accounts.add('carol', PASSWORD);
    await t.rejects(nobody.list(), { status: 401, code: 'unauthorized' });
    await t.rejects(connect(url), { status: 401, code: 'unauthorized' });
    const carol = await signIn(url, 'carol');
    const client = await connected(t, url, { token: carol.credential, rooms: ['lobby'] });
    t.match(await carol.list(), { total: 1 });
    t.match(await carol.get(1), { name: 'carol' });
    t.match(await carol.listRooms(), { rooms: [{ name: 'lobby' }] });
    t.match(await carol.room('lobby'), { members: 1 });
    t.match(await client.listMembers('lobby'), { total: 1 });
  },
);

void t.test('a stream of a session comes back by it, after the server was killed', async (t) => {
  const folder = await temporaryFolder(t);
  let server = await spawnServer(t, { folder, env: { INTERCHAT_SECRET: SECRET } });
  const { url, port } = server;
  await new InterChat(url, { token: operatorToken(SECRET) }).accounts.add('alice', PASSWORD);
  const { credential: token } = await signIn(url, 'alice');
  const client = await connected(t, url, { token });
  t.match(client, { index: 1, name: 'alice', token, isSignedIn: true, welcome: { token } });
  await client.send(1, 'before');
  t.same(await take(client, 1), ['before']);
  const lost = once(client, 'disconnected');
  await server.end('SIGKILL');
  await lost;
  server = await spawnServer(t, { folder, port, env: { INTERCHAT_SECRET: SECRET } });
  await once(client, 'welcome');
  await client.send(1, 'after');
  t.same(await take(client, 1), ['after'], 'from where it was');
  t.equal(client.welcome.resumed, true);
  await t.rejects(client.leave(), { status: 403, code: 'forbidden' }, 'it stays');
  t.equal(client.state, 'online');
  await t.rejects(
    connect(url, { cursor: client.cursor }),
    { status: 401, code: 'unauthorized' },
    'a cursor alone proves nothing',
  );
  await client.close();
  t.match(await new InterChat(url).get(1), { name: 'alice' });
  await server.end('SIGTERM');
});

void t.test('a session that is ended ends its streams, and those of no other', async (t) => {
  const { url, operator } = await house(t);
  await operator.accounts.add('alice', PASSWORD);
  const [first, second] = [await signIn(url, 'alice'), await signIn(url, 'alice')];
  const one = await connected(t, url, { token: first.credential });
  const other = await connected(t, url, { token: second.credential });
  const sessions = await first.sessions.list();
  t.equal(sessions.length, 2);
  const foreign = sessions.find(({ current }) => !current);
  const bye = once(other, 'bye');
  await first.sessions.signOut(foreign?.id);
  t.match(await bye, [{ reason: 'signed-out' }]);
  await t.rejects(take(other, 1), CredentialOver);
  t.equal(other.state, 'closed');
  t.equal(one.state, 'online');
  await first.sessions.signOut();
  await t.rejects(take(one, 1), { name: 'CredentialOver', reason: 'signed-out', message: /signed out/ });
  const third = await signIn(url, 'alice');
  const last = await connected(t, url, { token: third.credential });
  await third.sessions.signOutEverywhere();
  await t.rejects(take(last, 1), CredentialOver);
});

void t.test(
  'a key that is revoked, one that runs out, and an account that is kept out, end their streams',
  async (t) => {
    const { url, operator } = await house(t);
    const { key, ...made } = await operator.keys.add('sensor', ['connect', 'send:room/alerts']);
    t.match(made, { name: 'sensor', expiresAt: null, usedAt: null });
    const sensor = await connected(t, url, { token: key });
    t.match(sensor, { name: 'sensor', isSignedIn: true });
    const [listed] = await operator.keys.list();
    t.type(listed?.usedAt, 'string');
    await operator.keys.revoke('sensor');
    await t.rejects(take(sensor, 1), { name: 'CredentialOver', reason: 'removed' });

    const brief = await operator.keys.add('brief', ['connect'], { expiresAt: new Date(Date.now() + 1500) });
    const client = await connected(t, url, { token: brief.key });
    await t.rejects(take(client, 1), { name: 'CredentialOver', reason: 'expired' });
    await t.rejects(connect(url, { token: brief.key }), { status: 401, code: 'unauthorized' });

    await operator.accounts.add('mallory', PASSWORD);
    const { credential } = await signIn(url, 'mallory');
    const mallory = await connected(t, url, { token: credential });
    const ban = await operator.moderation.ban({ account: 'mallory', seconds: 3600, reason: 'flooding' });
    t.match(ban, { whom: 'account mallory', reason: 'flooding', by: 'operator' });
    await t.rejects(take(mallory, 1), { name: 'CredentialOver', reason: 'removed' });
    await t.rejects(connect(url, { token: credential }), { status: 403, code: 'banned' });
    t.match(await operator.moderation.bans(), [{ id: ban.id }]);
    await operator.moderation.liftBan(ban.id);
    await (await connect(url, { token: credential })).close();
    const deeds = [];
    for await (const { action } of operator.moderation.audit({ limit: 2 })) deeds.push(action);
    t.same(deeds, ['key.add', 'key.revoke', 'key.add', 'account.add', 'ban.add', 'ban.lift']);
  },
);

void t.test('a client that is removed is told so', async (t) => {
  const { url, operator } = await house(t);
  const client = await connected(t, url);
  await operator.moderation.removeClient(client.index);
  await t.rejects(take(client, 1), { name: 'ClientGone', reason: 'removed', message: 'Client 1 was removed.' });
});

void t.test('a credential that is over when it comes back is not tried for ever', async (t) => {
  const named = { name: 'alice', token: null };
  const { url, requests } = await scriptedServer(
    t,
    streamThenCut(welcome(named), message(1)),
    refusal(401, 'unauthorized'),
  );
  const client = await connected(t, url, { token: 'ics_1' });
  t.same(await take(client, 1), ['message 1']);
  await t.rejects(take(client, 1), { status: 401, code: 'unauthorized' });
  t.same(
    requests.map(({ headers }) => [headers.authorization, headers['last-event-id']]),
    [
      ['Bearer ics_1', undefined],
      ['Bearer ics_1', '1.1'],
    ],
    'it comes with its credential, and its cursor',
  );
});

void t.test('a welcome without a token, to whoever brought none, is no welcome', async (t) => {
  const { url } = await scriptedServer(t, stream(welcome({ token: null })), json(200, {}));
  await t.rejects(connect(url, { retries: 0 }), { name: 'UnexpectedAnswer' });
});

void t.test('what was deleted is told, and given out no more where it still waits', async (t) => {
  const deleted = { id: '2', to: { client: 1 } };
  const { url } = await scriptedServer(
    t,
    stream(welcome(), message(1), message(2), event('deleted', deleted), message(3)),
  );
  const client = await connected(t, url);
  t.same(await once(client, 'deleted'), [deleted]);
  t.same(await take(client, 2), ['message 1', 'message 3']);
});

void t.test('a message is deleted for all who had it', async (t) => {
  const { url, operator } = await house(t);
  const bob = await connected(t, url, { rooms: ['lobby'] });
  const told: unknown[] = [];
  bob.on('deleted', (deleted) => told.push(deleted));
  const sent = [];
  for (const to of [{ room: 'lobby' }, { client: 1 }, { everyone: true }] as const)
    sent.push(await bob.sendTo(to, 'oh'));
  await take(bob, 3);
  for (const { to, id } of sent) {
    const heard = once(bob, 'deleted');
    await operator.moderation.deleteMessage(to, id ?? '');
    await heard;
  }
  t.same(
    told,
    sent.map(({ id, to }) => ({ id, to })),
  );
  t.same((await bob.readRoom('lobby')).messages, []);
});

void t.test('a private room is there to its members alone', async (t) => {
  const { url } = await house(t);
  const alice = await connected(t, url, { name: 'alice' });
  const bob = await connected(t, url, { name: 'bob' });
  const carol = await connected(t, url, { name: 'carol' });
  const mine = alice.api.privateRooms;
  t.match(await mine.make('team'), { name: 'team', private: true, owner: 1, members: 1 });
  await t.rejects(bob.listMembers('team'), { code: 'no-such-room' });
  const invited = once(bob, 'invited');
  await mine.invite('team', 2);
  t.same(await invited, [{ room: 'team', by: { index: 1, name: 'alice' } }]);
  t.match(await mine.guests('team'), [{ index: 2 }]);
  t.same(await bob.api.privateRooms.invitations(2), [{ room: 'team', owner: 1 }]);
  await bob.enter('team');
  await bob.say('team', 'hi');
  t.same(await take(alice, 1), ['hi']);
  await mine.invite('team', 3);
  await mine.withdraw('team', 3);
  t.same(await carol.api.privateRooms.invitations(3), []);
  t.match(await mine.handOver('team', 2), { owner: 2 });
  await t.rejects(mine.close('team'), { status: 403, code: 'forbidden' });
  await bob.api.privateRooms.putOut('team', 1);
  await t.rejects(alice.readRoom('team'), { code: 'no-such-room' });
  await bob.api.privateRooms.close('team');
  await t.rejects(bob.readRoom('team'), { code: 'no-such-room' });
});
