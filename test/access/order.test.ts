import t from 'tap';
import { AUDIENCE, ISSUER, newKey, Provider, sign } from '../identity/provider.js';
import { EventReader } from '../support/event-reader.js';
import { waitFor } from '../support/wait.js';
import { House, PASSWORD } from './house.js';

void t.test('an administrator removes a client, whose streams are told', async (t) => {
  const house = await House.open(t);
  const root = await house.member('root', ['admin']);
  const eve = await house.stranger('eve');
  const stream = await house.stream(eve.token);
  t.equal((await house.ask(`/clients/${eve.index}`, { method: 'DELETE' })).status, 401);
  const other = await house.stranger();
  t.equal((await house.ask(`/clients/${eve.index}`, { method: 'DELETE', token: other.token })).status, 403);
  t.equal((await house.ask(`/clients/${eve.index}`, { method: 'DELETE', token: root.token })).status, 204);
  t.match((await stream.take('bye')).data, { reason: 'removed' });
  t.equal((await house.ask(`/clients/${eve.index}`)).status, 410);
  t.equal((await house.ask('/messages', { token: eve.token })).status, 410);
  t.equal((await house.ask('/clients/999', { method: 'DELETE', token: root.token })).status, 404);
});

void t.test(
  'an account that is banned is out at once, and in again when the time is over or the ban lifted',
  async (t) => {
    const house = await House.open(t);
    const mallory = await house.member('mallory');
    const stream = await house.stream(mallory.token);
    const waiting = house.ask('/messages?wait=60', { token: mallory.token });
    const ban = await house.order('/bans', { json: { account: 'Mallory', seconds: 3600, reason: 'flooding' } });
    t.match(ban, { status: 201, json: { whom: 'account mallory', reason: 'flooding', by: 'operator' } });
    t.match((await stream.take('bye')).data, { reason: 'removed' });
    t.match(await waiting, { status: 401 });
    const banned = { status: 403, json: { code: 'banned', detail: /until 20/ } };
    t.match(await house.ask('/clients', { token: mallory.token }), banned);
    const signIn = () => house.ask('/sessions', { json: { name: 'mallory', password: PASSWORD } });
    t.match(await signIn(), banned);
    t.match(
      await house.ask('/sessions', { json: { name: 'mallory', password: 'not the one' } }),
      { status: 401 },
      'who does not know the password is not told either',
    );
    t.match((await house.order('/bans')).json, { bans: [{ whom: 'account mallory' }] });
    const id = ban.json.id as string;
    t.equal((await house.order(`/bans/${id}`, { method: 'DELETE' })).status, 204);
    t.equal((await house.order(`/bans/${id}`, { method: 'DELETE' })).status, 404);
    t.equal((await house.ask('/clients', { token: mallory.token })).status, 200);
    t.equal((await signIn()).status, 201);

    await house.order('/bans', { json: { client: mallory.index, seconds: 0.3 } });
    t.match(await house.ask('/clients', { token: mallory.token }), banned);
    await waitFor(async () => (await house.ask('/clients', { token: mallory.token })).status === 200);
    t.same((await house.order('/bans')).json, { bans: [] });
    const passer = await house.stranger();
    t.match(await house.order('/bans', { json: { client: passer.index, seconds: 60 } }), {
      status: 400,
      json: { errors: [{ path: 'client' }] },
    });
  },
);

void t.test('an address that is banned is out, and with it whoever comes from there', async (t) => {
  const house = await House.open(t, { trustProxy: ['loopback'] });
  await house.account('alice');
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const stream = await EventReader.open(t, `${house.url}/events`, from('192.0.2.7'));
  const v6 = await EventReader.open(t, `${house.url}/events`, from('2001:db8::7'));
  t.match(await house.order('/bans', { json: { address: '192.0.2.0/24', seconds: 60 } }), { status: 201 });
  t.match(await house.order('/bans', { json: { address: '2001:db8::/32', seconds: 60 } }), { status: 201 });
  for (const reader of [stream, v6]) t.match((await reader.take('bye')).data, { reason: 'removed' });
  const status = async (path: string, address: string, asked = {}) =>
    (await house.ask(path, { ...asked, headers: from(address) })).status;
  for (const address of ['192.0.2.7', '192.0.2.255', '::ffff:192.0.2.7', '2001:db8:1::']) {
    t.equal(await status('/clients', address), 403, address);
    t.equal(await status('/events', address), 403, address);
    t.equal(await status('/sessions', address, { json: { name: 'alice', password: PASSWORD } }), 403, address);
    t.equal(await status('/accounts', address, { json: { name: 'x', password: PASSWORD } }), 403, address);
    t.equal(await status('/healthz', address), 200, 'health is nobody’s secret');
  }
  for (const address of ['192.0.3.7', '198.51.100.1', '2001:db9::']) t.equal(await status('/clients', address), 200);
  for (const address of ['nowhere', '192.0.2.0/0', '192.0.2.0/33', '192.0.2', '2001:db8::/129', '1.2.3.4/8/8']) {
    t.equal((await house.order('/bans', { json: { address, seconds: 60 } })).status, 400, address);
  }
});

void t.test('a message that is deleted is read by nobody any more, and its readers are told', async (t) => {
  const house = await House.open(t);
  const root = await house.member('root', ['admin']);
  const alice = await house.stranger('alice');
  const bob = await house.stranger('bob');
  const eve = await house.stranger('eve');
  const here = await house.stream(alice.token, 'rooms=lobby');
  const away = await house.stream(bob.token, 'rooms=lobby');
  const outside = await house.stream(eve.token);
  const send = async (path: string, text: string) =>
    (await house.ask(path, { json: { text }, token: eve.token })).headers.location as string;
  const secret = await send(`/clients/${alice.index}/messages`, 'to alice');
  const said = await send('/rooms/lobby/messages', 'to the lobby');
  const kept = await send('/rooms/lobby/messages', 'kept');
  const all = (await house.ask('/messages', { json: { to: { everyone: true }, text: 'to all' }, token: eve.token }))
    .headers.location as string;
  for (const reader of [here, away])
    await reader.until(({ events }) => events.some(({ data }) => data.text === 'to all'));
  const cursor = away.events.findLast(({ id }) => id)?.id as string;
  away.response.destroy();
  await waitFor(async () => (await house.ask(`/clients/${bob.index}`)).json.status === 'away');

  for (const path of [secret, said, all]) {
    for (const token of [alice.token, bob.token, eve.token]) {
      t.equal((await house.ask(path, { method: 'DELETE', token })).status, 403, 'who may not keep order');
    }
    t.equal((await house.ask(path, { method: 'DELETE' })).status, 401);
    t.equal((await house.ask(path, { method: 'DELETE', token: root.token })).status, 204);
    t.equal((await house.ask(path, { method: 'DELETE', token: root.token })).status, 404, 'it is gone');
  }
  const id = (path: string) => path.split('/').at(-1);
  for (const to of [{ client: alice.index }, { room: 'lobby' }, { everyone: true }]) {
    t.match((await here.take('deleted')).data, { to });
  }
  t.match(
    here.events.filter(({ event }) => event === 'deleted').map(({ data }) => data.id),
    [id(secret), id(said), id(all)],
  );
  await outside.take('deleted');
  t.match(
    outside.events.filter(({ event }) => event === 'deleted').map(({ data }) => data.to),
    [{ everyone: true }],
    'who did not get a message is not told of it',
  );

  const back = await EventReader.open(t, `${house.url}/events`, { 'last-event-id': cursor });
  await back.until(({ events }) => events.filter(({ event }) => event === 'deleted').length === 2);
  t.notOk(back.events.some(({ event }) => event === 'message'));
  const fresh = await EventReader.open(t, `${house.url}/events?token=${bob.token}`);
  await fresh.until(({ events }) => events.filter(({ event }) => event === 'deleted').length === 2);
  t.same(
    fresh.events.filter(({ event }) => event === 'message').map(({ data }) => data.text),
    ['kept'],
  );
  t.notOk(
    fresh.events.some(({ event }) => event === 'gap'),
    'nothing is missing',
  );
  const room = await house.ask('/rooms/lobby/messages');
  t.same(
    (room.json.messages as { text: string }[]).map(({ text }) => text),
    ['kept'],
  );
  t.equal((await house.ask(said)).status, 404);
  t.equal((await house.ask(kept)).status, 200);
  t.match((await house.ask(`/clients/${alice.index}/read`, { token: alice.token })).json, {
    unread: { mailbox: 0, everyone: 0, rooms: { lobby: 1 } },
  });
  t.same((await house.ask(`/clients/${alice.index}/messages`, { token: alice.token })).json.messages, []);
});

void t.test('the owner of a private room deletes what was said there, unseen by others', async (t) => {
  const house = await House.open(t);
  const alice = await house.stranger('alice');
  const bob = await house.stranger('bob');
  const eve = await house.stranger('eve');
  await house.ask('/rooms/team', { method: 'PUT', json: { private: true }, token: alice.token });
  await house.ask(`/rooms/team/invitations/${bob.index}`, { method: 'PUT', token: alice.token });
  await house.ask(`/rooms/team/members/${bob.index}`, { method: 'PUT', token: bob.token });
  const inside = await house.stream(bob.token);
  const outside = await house.stream(eve.token);
  const { location } = (await house.ask('/rooms/team/messages', { json: { text: 'oops' }, token: bob.token })).headers;
  const remove = async (token: string) => (await house.ask(location ?? '', { method: 'DELETE', token })).status;
  t.equal(await remove(bob.token), 403, 'not even one’s own');
  t.equal(await remove(eve.token), 404, 'to her there is none');
  t.equal(await remove(house.operator), 404);
  t.equal(await remove(alice.token), 204);
  t.match((await inside.take('deleted')).data, { to: { room: 'team' } });
  await house.ask(`/clients/${eve.index}/messages`, { json: { text: 'marked' } });
  await outside.take('message');
  t.notOk(outside.events.some(({ event }) => event === 'deleted'));
  t.notMatch((await house.order('/audit')).text, /team/);
});

void t.test('who did what is recorded, in pages, and outlives the server', async (t) => {
  const house = await House.open(t, { keepMessages: 2 });
  const root = await house.member('root', ['admin']);
  for (let n = 0; n < 5; n++) await house.ask('/keys', { json: { name: `key${n}`, may: ['list'] }, token: root.token });
  await house.ask('/keys/key0', { method: 'DELETE', token: root.token });
  await house.ask('/bans', { json: { address: '192.0.2.1', seconds: 60 }, token: root.token });
  const read = async (from: House) => {
    const entries: { by: string; action: string; target: string }[] = [];
    for (let path: string | null = '/audit?limit=3'; path !== null;) {
      const { json } = await from.order(path);
      entries.push(...(json.entries as typeof entries));
      path = json.next as string | null;
    }
    return entries;
  };
  const before = await read(house);
  t.match(before, [
    { by: 'operator', action: 'account.add', target: 'account root' },
    ...Array.from({ length: 5 }, (_, n) => ({
      by: 'account root',
      action: 'key.add',
      target: `key key${n}, may list`,
    })),
    { by: 'account root', action: 'key.revoke', target: /^key key0/ },
    { by: 'account root', action: 'ban.add', target: /^address 192\.0\.2\.1 until 20/ },
  ]);
  t.notMatch(JSON.stringify(before), /ick_|ics_|correct horse/);
  await house.server.stop();
  t.same(await read(await House.open(t, { data: house.server.folder })), before);
});

void t.test('a key does what it may, is seen in use, and ends when it is revoked or over', async (t) => {
  const house = await House.open(t);
  const bob = await house.stranger('bob');
  const stream = await house.stream(bob.token, 'rooms=alerts');
  const key = await house.key('sensor', [`send:client/${bob.index}`, 'send:room/al*', 'connect']);
  t.match(await house.order('/keys'), { json: { keys: [{ name: 'sensor', usedAt: null }] } });
  t.notMatch((await house.order('/keys')).text, /ick_/, 'it is shown once');
  const send = (to: object) => house.ask('/messages', { json: { to, text: 'hot' }, token: key });
  t.match(await send({ client: bob.index }), { status: 201, json: { from: { name: 'sensor' } } });
  t.match(await send({ room: 'alerts' }), { status: 201 });
  t.match(await send({ room: 'lobby' }), { status: 403, json: { permission: 'send:room/lobby' } });
  t.match(await send({ everyone: true }), { status: 403, json: { permission: 'send:everyone' } });
  const lines = [
    { to: { room: 'alerts' }, text: '1' },
    { to: { everyone: true }, text: '2' },
  ];
  const bulk = await house.ask('/messages', {
    body: lines.map((line) => JSON.stringify(line)).join('\n'),
    headers: { 'content-type': 'application/x-ndjson' },
    token: key,
  });
  t.match(
    bulk.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
    [{ reach: 1 }, { status: 403, line: 2, permission: 'send:everyone' }],
  );
  t.match((await stream.take('message')).data, { from: { name: 'sensor' } });
  await waitFor(async () => {
    const { keys } = (await house.order('/keys')).json as { keys: { usedAt: string | null }[] };
    return keys[0]?.usedAt !== null;
  });
  const own = await house.stream(key);
  t.equal((await house.order('/keys/sensor', { method: 'DELETE' })).status, 204);
  t.match((await own.take('bye')).data, { reason: 'removed' });
  t.equal((await send({ room: 'alerts' })).status, 401);

  const brief = await house.key('brief', ['connect'], new Date(Date.now() + 1_000).toISOString());
  const last = await house.stream(brief);
  t.match((await last.take('bye')).data, { reason: 'expired' });
  t.equal((await house.ask('/sessions/current', { token: brief })).status, 401);
});

void t.test('who comes with a JWT is the same client each time, and its stream ends with the token', async (t) => {
  const provider = await Provider.start(t);
  const one = await newKey('RS256', 'one');
  provider.keys = [one];
  const house = await House.open(t, {
    access: 'members',
    jwtJwks: provider.url,
    jwtIssuer: ISSUER,
    jwtAudience: AUDIENCE,
    jwtAlgorithms: ['RS256'],
    jwtSkew: 0,
  });
  await house.account('boss');
  const jwt = (claims: object, key = one) => sign(key, Date.now(), { claims: { ...claims } });
  const who = async (token: string) =>
    (await house.ask('/sessions/current', { token })).json as { client: { index: number; name: string } };
  const first = await who(await jwt({ name: 'Dora' }));
  t.match(first, { kind: 'jwt', client: { name: 'Dora' } });
  t.match(await who(await jwt({ name: 'Dora D.', permissions: ['list'] })), {
    client: { index: first.client.index, name: 'Dora D.' },
    may: ['list'],
  });
  t.not((await who(await jwt({ sub: 'other', name: 'Dora' }))).client.index, first.client.index);
  t.match(await who(await jwt({ sub: 'third', name: 'BOSS' })), { client: { name: null } }, 'the name of an account');
  t.match(await house.ask('/clients', { token: await jwt({ permissions: 'connect' }) }), {
    status: 403,
    json: { permission: 'list' },
  });
  const exp = Math.floor(Date.now() / 1000) + 2;
  const stream = await house.stream(await jwt({ exp }));
  t.match((await stream.take('bye')).data, { reason: 'expired' });

  const index = (await who(await jwt({ sub: 'mallory' }))).client.index;
  await house.order('/bans', { json: { client: index, seconds: 60 } });
  t.match(await house.ask('/clients', { token: await jwt({ sub: 'mallory' }) }), {
    status: 403,
    json: { code: 'banned' },
  });
});
