import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { waitFor } from '../support/wait.js';
import { House, PASSWORD } from './house.js';

const texts = (reader: EventReader) =>
  reader.events.filter(({ event }) => event === 'message').map(({ data }) => data.text as string);

/** How far a device has read: the id of the last event that had one. */
const cursorOf = (reader: EventReader) => reader.events.findLast(({ id }) => id !== undefined)?.id ?? '';

void t.test(
  'two devices of one account, one of them away, both have everything in order, after a restart too',
  async (t) => {
    const settings = { grace: 1 };
    const house = await House.open(t, settings);
    const phone = await house.member('alice');
    const laptop = await house.signIn('alice', { 'user-agent': 'a laptop' });
    t.equal(phone.index, laptop.index, 'one client');
    const bob = await house.stranger('bob');
    await house.stream(bob.token, 'rooms=lobby');
    let number = 0;
    const sent: string[] = [];
    const say = async (where: House, count: number) => {
      for (let n = 0; n < count; n++) {
        const text = String(++number);
        sent.push(text);
        const to = [{ client: phone.index }, { room: 'lobby' }, { everyone: true }][number % 3];
        const { status } = await where.ask('/messages', { json: { to, text }, token: bob.token });
        if (status !== 201) t.fail(`${status}`);
      }
    };

    const onPhone = await house.stream(phone.token, 'rooms=lobby');
    const onLaptop = await house.stream(laptop.token);
    await say(house, 9);
    await onPhone.until((reader) => texts(reader).length === 9);
    await onLaptop.until((reader) => texts(reader).length === 9);
    const laptopHas = texts(onLaptop);
    const laptopAt = cursorOf(onLaptop);
    onLaptop.response.destroy();
    await waitFor(async () => (await house.ask(`/clients/${phone.index}`)).json.streams === 1);
    await say(house, 9);
    await onPhone.until((reader) => texts(reader).length === 18);
    const phoneHas = texts(onPhone);
    const phoneAt = cursorOf(onPhone);
    await house.server.stop();

    const later = await House.open(t, { ...settings, data: house.server.folder });
    await later.stream(bob.token);
    await say(later, 9);
    const phoneAgain = await later.stream(phone.token, '', { 'last-event-id': phoneAt });
    const laptopAgain = await later.stream(laptop.token, '', { 'last-event-id': laptopAt });
    await phoneAgain.until((reader) => texts(reader).length === 9);
    await laptopAgain.until((reader) => texts(reader).length === 18);
    t.same([...phoneHas, ...texts(phoneAgain)], sent);
    t.same([...laptopHas, ...texts(laptopAgain)], sent);
    t.match(phoneAgain.events[0]?.data, {
      client: { index: phone.index, name: 'alice', rooms: ['lobby'] },
      token: null,
      resumed: true,
    });

    for (const reader of [phoneAgain, laptopAgain]) reader.response.destroy();
    await waitFor(async () => (await later.ask(`/clients/${phone.index}`)).json.status === 'away');
    const passer = await later.stranger();
    await waitFor(async () => (await later.ask(`/clients/${passer.index}`)).status === 410);
    t.match(
      (await later.ask(`/clients/${phone.index}`)).json,
      { status: 'away' },
      'it is away for longer than others may',
    );
    const third = await later.signIn('alice');
    const fresh = await later.stream(third.token);
    await fresh.until((reader) => texts(reader).length === sent.length);
    t.same(texts(fresh), sent, 'a device that is new has all of it');
  },
);

void t.test('sessions are listed, and end one by one or all at once, with their streams', async (t) => {
  const house = await House.open(t);
  const one = await house.member('alice');
  const two = await house.signIn('alice', { 'user-agent': 'a lost phone' });
  const three = await house.signIn('alice');
  const listed = (await house.ask('/sessions', { token: one.token })).json.sessions as {
    id: string;
    current: boolean;
    device: string | null;
  }[];
  t.equal(listed.length, 3);
  t.equal(listed.filter(({ current }) => current).length, 1);
  const [lost] = listed.filter(({ device }) => device?.includes('phone'));
  const streams = await Promise.all([one, two, three].map(({ token }) => house.stream(token)));
  t.equal((await house.ask(`/sessions/${lost?.id}`, { method: 'DELETE', token: one.token })).status, 204);
  t.match((await streams[1]?.take('bye'))?.data, { reason: 'signed-out' });
  t.match(await house.ask('/clients', { token: two.token }), { status: 401, json: { code: 'unauthorized' } });
  t.equal((await house.ask('/clients', { token: three.token })).status, 200);

  const bob = await house.member('bob');
  const [his] = (await house.ask('/sessions', { token: bob.token })).json.sessions as { id: string }[];
  t.equal((await house.ask(`/sessions/${his?.id}`, { method: 'DELETE', token: one.token })).status, 404);
  const waiting = house.ask(`/clients/${one.index}/messages?wait=60`, { token: three.token });
  await waitFor(
    async () => ((await house.ask('/sessions', { token: one.token })).json.sessions as unknown[]).length === 2,
  );
  t.equal((await house.ask('/sessions', { method: 'DELETE', token: one.token })).status, 204);
  for (const stream of [streams[0], streams[2]]) t.match((await stream?.take('bye'))?.data, { reason: 'signed-out' });
  t.notMatch((await waiting).text, /"id"/, 'who waits for a message is answered at once, with none');
  t.equal((await house.ask('/sessions', { token: one.token })).status, 401);
  t.equal((await house.ask('/sessions', { token: bob.token })).status, 200);
});

void t.test('a cookie signs in a browser’s own pages, and nobody else', async (t) => {
  const house = await House.open(t, { corsOrigins: ['https://friend.example'] });
  await house.account('alice');
  const answer = await house.ask('/sessions', { json: { name: 'alice', password: PASSWORD } });
  const [set = ''] = answer.headers['set-cookie'] ?? [];
  t.match(set, /^interchat_session=ics_[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/);
  const cookie = set.split(';')[0] as string;
  const who = async (headers: Record<string, string>) => (await house.ask('/sessions/current', { headers })).json.kind;
  t.equal(await who({ cookie }), 'account');
  t.equal(await who({ cookie: `other=1; ${cookie}; more=2` }), 'account');
  t.equal(await who({ cookie, origin: house.url, 'sec-fetch-site': 'same-origin' }), 'account');
  t.equal(await who({ cookie, 'sec-fetch-site': 'none' }), 'account', 'what a person types in');
  t.equal(await who({ cookie, origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' }), 'none');
  t.equal(await who({ cookie, 'sec-fetch-site': 'same-site' }), 'none', 'a page of another port');
  t.equal(await who({ cookie, 'sec-fetch-site': 'cross-site' }), 'none');
  t.match(await house.ask('/sessions/current', { headers: { cookie, origin: 'http://127.0.0.1:1' } }), { status: 403 });
  const { token } = answer.json as { token: string };
  t.equal(
    await who({ cookie: 'interchat_session=x', authorization: `Bearer ${token}` }),
    'account',
    'the header first',
  );

  const stream = await EventReader.open(t, `${house.url}/events`, { cookie });
  t.match((await stream.next()).data, { client: { name: 'alice' }, token: null });
  const out = await house.ask('/sessions/current', { method: 'DELETE', headers: { cookie } });
  t.equal(out.status, 204);
  t.match(out.headers['set-cookie'], [/^interchat_session=; Max-Age=0;/]);
  t.match((await stream.take('bye')).data, { reason: 'signed-out' });
  const over = await house.ask('/clients', { headers: { cookie } });
  t.equal(over.status, 401);
  t.match(over.headers['set-cookie'], [/^interchat_session=; Max-Age=0;/], 'the browser is to forget it');
});

void t.test('behind a proxy that ends TLS the cookie is for TLS alone', async (t) => {
  const house = await House.open(t, { trustProxy: ['loopback'] });
  await house.account('alice');
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' };
  const answer = await house.ask('/sessions', { json: { name: 'alice', password: PASSWORD }, headers });
  t.match(answer.headers['set-cookie'], [/; Secure/]);
});

void t.test('a cursor is no credential of a client that signs in', async (t) => {
  const house = await House.open(t);
  const { token } = await house.member('alice');
  const reader = await house.stream(token);
  const cursor = reader.events[0]?.data.cursor as string;
  const stolen = await EventReader.open(t, `${house.url}/events`, { 'last-event-id': cursor });
  t.equal(stolen.response.statusCode, 401);
  t.equal((await EventReader.open(t, `${house.url}/events?after=${cursor}`)).response.statusCode, 401);
});

void t.test('the name of an account is its own', async (t) => {
  const house = await House.open(t);
  const early = await house.stranger('alice');
  const alice = await house.member('alice');
  t.equal((await house.ask(`/clients/${early.index}`)).json.name, null, 'who had it before has it no longer');
  const taken = { status: 409, json: { code: 'name-taken' } };
  for (const name of ['alice', 'ALICE', 'ａｌｉｃｅ', 'al\u200dice']) {
    t.match(await house.ask('/clients', { json: { name } }), taken, name);
    t.match(await house.ask(`/events?name=${encodeURIComponent(name)}`), taken, name);
    t.match(await house.ask(`/clients/${early.index}`, { method: 'PATCH', json: { name }, token: early.token }), taken);
    t.match(await house.order('/accounts', { json: { name, password: PASSWORD } }), taken, name);
    t.match(await house.order('/keys', { json: { name, may: ['list'] } }), taken, name);
  }
  t.equal((await house.signIn('Alice')).index, alice.index);
  const self = `/clients/${alice.index}`;
  t.equal((await house.ask(self, { method: 'PATCH', json: { name: 'other' }, token: alice.token })).status, 403);
  t.equal((await house.ask(self, { method: 'DELETE', token: alice.token })).status, 403, 'it cannot leave');
  t.match(await house.ask('/clients', { json: { name: 'other' }, token: alice.token }), { status: 403 });
  t.match(await house.ask('/clients', { method: 'POST', token: alice.token }), { status: 200, json: { token: null } });

  t.equal((await house.ask('/accounts/alice', { method: 'DELETE', token: early.token })).status, 403);
  t.equal((await house.ask('/accounts/alice', { method: 'DELETE', token: alice.token })).status, 204);
  t.equal((await house.ask(self)).status, 410);
  t.equal((await house.ask('/sessions', { json: { name: 'alice', password: PASSWORD } })).status, 401);
  t.match(await house.ask('/clients', { json: { name: 'alice' } }), { status: 201 }, 'the name is free again');
});

void t.test('another password ends all other sessions', async (t) => {
  const house = await House.open(t);
  const one = await house.member('alice');
  const two = await house.signIn('alice');
  const set = (json: object, token: string) => house.ask('/accounts/alice/password', { method: 'PUT', json, token });
  const password = 'another horse battery staple';
  t.match(await set({ password }, one.token), { status: 400, json: { errors: [{ path: 'current' }] } });
  t.equal((await set({ password, current: 'not the one' }, one.token)).status, 401);
  t.match(await set({ password: 'short', current: PASSWORD }, one.token), { status: 400 });
  t.equal((await set({ password, current: PASSWORD }, one.token)).status, 204);
  t.equal((await house.ask('/sessions', { token: one.token })).status, 200);
  t.equal((await house.ask('/sessions', { token: two.token })).status, 401);
  t.equal((await house.ask('/sessions', { json: { name: 'alice', password: PASSWORD } })).status, 401);
  t.equal((await house.ask('/sessions', { json: { name: 'alice', password } })).status, 201);
  t.equal((await set({ password: 'by the operator' }, house.operator)).status, 204);
  t.equal((await house.ask('/sessions', { token: one.token })).status, 401);
});

void t.test('anyone may make an account where registration is open, and nobody where it is not', async (t) => {
  const closed = await House.open(t);
  const account = { name: 'alice', password: PASSWORD };
  t.match(await closed.ask('/accounts', { json: account }), { status: 403, json: { code: 'forbidden' } });
  const open = await House.open(t, { registration: 'open', access: 'members' });
  t.match(await open.ask('/accounts', { json: account }), { status: 201, json: { name: 'alice' } });
  t.match(await open.ask('/accounts', { json: account }), { status: 409, json: { code: 'name-taken' } });
  t.match(await open.ask('/accounts', { json: { ...account, name: 'bob', may: ['admin'] } }), {
    status: 403,
    json: { permission: 'admin' },
  });
  t.match(await open.ask('/accounts', { json: { ...account, name: 'bob', password: '1234567' } }), {
    status: 400,
    json: { errors: [{ path: 'password' }] },
  });
  t.equal((await open.ask('/clients')).status, 401);
  const { token } = await open.signIn('alice');
  t.equal((await open.ask('/clients', { token })).status, 200);
});
