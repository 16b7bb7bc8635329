import t, { type Test } from 'tap';
import type { EventReader } from '../support/event-reader.js';
import { waitFor } from '../support/wait.js';
import { House, type Member } from './house.js';

interface Person extends Member {
  readonly reader: EventReader;
}

/** Three who are connected and watch who comes and goes: alice has a private room, bob is to be invited, eve never is. */
async function furnish(t: Test) {
  const house = await House.open(t);
  const connect = async (name: string): Promise<Person> => {
    const { token, index } = await house.stranger(name);
    return { token, index, reader: await house.stream(token, 'presence=true') };
  };
  const [alice, bob, eve] = [await connect('alice'), await connect('bob'), await connect('eve')];
  const make = (who: Member, room: string) =>
    house.ask(`/rooms/${room}`, { method: 'PUT', json: { private: true }, token: who.token });
  const invite = (who: Member, room: string, guest: Member) =>
    house.ask(`/rooms/${room}/invitations/${guest.index}`, { method: 'PUT', token: who.token });
  const enter = (who: Member, room: string) =>
    house.ask(`/rooms/${room}/members/${who.index}`, { method: 'PUT', token: who.token });
  const exit = (who: Member, room: string, whom: Member = who) =>
    house.ask(`/rooms/${room}/members/${whom.index}`, { method: 'DELETE', token: who.token });
  const say = (who: Member, room: string, text: string) =>
    house.ask(`/rooms/${room}/messages`, { json: { text }, token: who.token });
  const history = async (who: Member, room: string, query = '') => {
    const answer = await house.ask(`/rooms/${room}/messages?${query}`, { token: who.token });
    return answer.status === 200 ? (answer.json.messages as { text: string }[]).map(({ text }) => text) : answer.status;
  };
  return { house, alice, bob, eve, make, invite, enter, exit, say, history };
}

/** What came up to a message that is sent for the purpose, so that nothing that was to come is still on its way. */
async function textsUntilMarked(house: House, who: Person, mark: string): Promise<string[]> {
  await house.ask(`/clients/${who.index}/messages`, { json: { text: mark } });
  await who.reader.until(({ events }) => events.some(({ data }) => data.text === mark));
  return who.reader.events
    .filter(({ event }) => event === 'message')
    .map(({ data }) => data.text as string)
    .filter((text) => text !== mark);
}

void t.test('a private room from its making to its closing', async (t) => {
  const { house, alice, bob, eve, make, invite, enter, exit, say, history } = await furnish(t);
  t.match(await make(alice, 'team'), {
    status: 201,
    json: { name: 'team', members: 1, online: 1, private: true, owner: alice.index },
  });
  t.equal((await make(alice, 'team')).status, 200, 'again, and nothing happens');
  t.match(await invite(alice, 'team', bob), { status: 201 });
  t.match(await invite(alice, 'team', bob), { status: 200 });
  t.match((await bob.reader.take('invited')).data, { room: 'team', by: { index: alice.index, name: 'alice' } });
  t.same((await house.ask(`/clients/${bob.index}/invitations`, { token: bob.token })).json, {
    invitations: [{ room: 'team', owner: alice.index }],
  });
  t.match((await house.ask('/rooms/team/invitations', { token: alice.token })).json, { clients: [{ name: 'bob' }] });
  t.equal((await house.ask('/rooms/team', { token: bob.token })).status, 404, 'an invitation is no membership');

  t.match(await enter(bob, 'team'), { status: 201, json: { members: 2 } });
  const entered = ({ events }: EventReader) => events.filter(({ data }) => data.change === 'entered');
  await alice.reader.until((reader) => entered(reader).length === 2);
  t.match(entered(alice.reader)[1]?.data, { room: 'team', client: { name: 'bob', rooms: ['team'] } });
  t.match(await say(alice, 'team', 'welcome'), { status: 201, json: { reach: 2, to: { room: 'team' } } });
  t.match((await bob.reader.take('message')).data, { text: 'welcome', to: { room: 'team' } });
  t.match((await house.ask('/rooms', { token: bob.token })).json, { rooms: [{ name: 'team' }], total: 1 });
  t.match((await house.ask(`/clients/${alice.index}`, { token: bob.token })).json, { rooms: ['team'] });
  t.match((await house.ask('/rooms/team/members', { token: bob.token })).json, { total: 2 });

  t.equal((await exit(bob, 'team', alice)).status, 403, 'who does not own it puts nobody out');
  t.match(await house.ask('/rooms/team', { method: 'PATCH', json: { owner: eve.index }, token: alice.token }), {
    status: 400,
    json: { errors: [{ path: 'owner' }] },
  });
  t.match(await house.ask('/rooms/team', { method: 'PATCH', json: { owner: bob.index }, token: alice.token }), {
    status: 200,
    json: { owner: bob.index },
  });
  t.equal((await exit(bob, 'team', alice)).status, 204);
  t.equal(await history(alice, 'team'), 404);
  await alice.reader.until(({ events }) => events.some(({ data }) => data.change === 'exited'));
  t.equal((await house.ask('/rooms/team', { method: 'DELETE', token: bob.token })).status, 204);
  t.equal(await history(bob, 'team'), 404);
  t.same((await house.ask('/rooms', { token: bob.token })).json, { rooms: [], total: 0, next: null });
});

void t.test('who is not in it finds nothing of it, by whatever way', async (t) => {
  const { house, alice, bob, eve, make, invite, enter, say } = await furnish(t);
  const asked = (name: string) => [
    { method: 'GET', path: `/rooms/${name}` },
    { method: 'GET', path: `/rooms/${name}/members` },
    { method: 'GET', path: `/rooms/${name}/messages` },
    { method: 'GET', path: `/rooms/${name}/messages/1` },
    { method: 'GET', path: `/rooms/${name}/invitations` },
    { method: 'DELETE', path: `/rooms/${name}` },
    { method: 'PATCH', path: `/rooms/${name}`, json: { owner: eve.index } },
    { method: 'POST', path: `/rooms/${name}/messages`, json: { text: 'let me in' } },
    { method: 'POST', path: '/messages', json: { to: { room: name }, text: 'let me in' } },
    { method: 'DELETE', path: `/rooms/${name}/messages/1` },
    { method: 'PUT', path: `/rooms/${name}/invitations/${eve.index}` },
    { method: 'DELETE', path: `/rooms/${name}/invitations/${eve.index}` },
    { method: 'DELETE', path: `/rooms/${name}/members/${alice.index}` },
    { method: 'DELETE', path: `/rooms/${name}/members/${eve.index}` },
    { method: 'PUT', path: `/clients/${eve.index}/read`, json: { rooms: { [name]: '1' } } },
  ];
  /** What is answered, but for the name that was asked for. */
  const answers = async (name: string, token: string | undefined) => {
    const said: unknown[] = [];
    for (const { method, path, json } of asked(name)) {
      const { status, text, headers } = await house.ask(path, { method, json, token });
      said.push([method, path.replace(name, '…'), status, text.replaceAll(name, '…'), Object.keys(headers)]);
    }
    return said;
  };
  await make(alice, 'covert');
  await invite(alice, 'covert', bob);
  await enter(bob, 'covert');
  await say(alice, 'covert', 'the plan');
  await say(bob, 'covert', 'agreed');
  for (const token of [eve.token, undefined]) {
    t.same(await answers('covert', token), await answers('absent', token), 'as where there is no such room');
  }
  const administrator = await house.member('root', ['admin']);
  const ofAdministrators = (name: string) => answers(name, administrator.token);
  t.same(await ofAdministrators('covert'), await ofAdministrators('absent'), 'to an administrator, too');

  const lists = ['/rooms', '/clients', `/clients/${alice.index}`, '/metrics', '/sessions/current'];
  for (const path of lists) {
    for (const token of [eve.token, undefined, administrator.token]) {
      const { text } = await house.ask(path, { token });
      t.notMatch(text, /covert/, path);
    }
  }
  t.match((await house.ask('/rooms', { token: eve.token })).json, { rooms: [], total: 0 });
  t.match((await house.ask('/metrics')).text, /^interchat_rooms 0$/m);
  t.notMatch((await house.order('/audit')).text, /covert/);
  await textsUntilMarked(house, eve, 'marked');
  t.notMatch(JSON.stringify(eve.reader.events), /covert|the plan|agreed/, 'no event');
  t.notOk(eve.reader.events.some(({ data }) => data.change === 'entered'));

  t.match(await enter(eve, 'covert'), { status: 201, json: { name: 'covert', members: 1 } }, 'a room of her own');
  t.match(await say(eve, 'covert', 'anybody here?'), { status: 201, json: { reach: 1 } });
  t.match(await make(eve, 'covert'), { status: 409, json: { code: 'room-exists' } });
  t.match((await house.ask('/rooms', { token: alice.token })).json, { rooms: [{ owner: alice.index }], total: 1 });
  t.same(
    ((await house.ask('/rooms/covert/messages', { token: alice.token })).json.messages as { text: string }[]).map(
      ({ text }) => text,
    ),
    ['the plan', 'agreed'],
    'those in the private one do not hear her either',
  );
  const other = await house.stranger();
  t.equal((await make(other, 'covert')).status, 409, 'as there is a public one');
});

void t.test('two private rooms of one name are two rooms', async (t) => {
  const { house, alice, bob, eve, make, invite, enter, say, history } = await furnish(t);
  t.equal((await make(alice, 'team')).status, 201);
  t.equal((await make(eve, 'team')).status, 201, 'of which the other does not know');
  await say(alice, 'team', 'ours');
  await say(eve, 'team', 'mine');
  t.same(await history(alice, 'team'), ['ours']);
  t.same(await history(eve, 'team'), ['mine']);
  await invite(alice, 'team', bob);
  await enter(bob, 'team');
  await invite(eve, 'team', bob);
  t.match(await enter(bob, 'team'), { status: 200 }, 'the one he is in');
  t.same(await history(bob, 'team'), []);
  t.match((await house.ask('/rooms', { token: bob.token })).json, { rooms: [{ owner: alice.index }], total: 1 });
});

void t.test('what was said before somebody was let in, or after it was put out, does not reach it', async (t) => {
  const { house, alice, bob, make, invite, enter, exit, say, history } = await furnish(t);
  await make(alice, 'team');
  await say(alice, 'team', 'before');
  await invite(alice, 'team', bob);
  await say(alice, 'team', 'while invited');
  await enter(bob, 'team');
  await say(alice, 'team', 'with bob');
  const waiting = house.ask('/rooms/team/messages?after=99999&wait=30', { token: bob.token });
  t.equal((await exit(alice, 'team', bob)).status, 204);
  t.equal((await waiting).status, 404, 'who waits for what is said next is told at once');
  await say(alice, 'team', 'without bob');
  await house.ask('/rooms/team/messages', { json: { text: 'never stored', ttl: 0 }, token: alice.token });
  t.same(await textsUntilMarked(house, bob, 'one'), ['with bob']);
  t.equal(await history(bob, 'team'), 404);
  t.equal(await history(bob, 'team', 'after=0&q=bob'), 404);

  bob.reader.response.destroy();
  await waitFor(async () => (await house.ask(`/clients/${bob.index}`)).json.status === 'away');
  const again = { ...bob, reader: await house.stream(bob.token, 'rooms=team') };
  t.same(await textsUntilMarked(house, again, 'two'), ['with bob', 'one'], 'from the beginning, and no more than that');
  t.match((await house.ask('/rooms/team')).json, { members: 1 }, 'to him the name is that of a public room now');
  await exit(bob, 'team');

  await invite(alice, 'team', bob);
  t.equal((await enter(bob, 'team')).status, 201);
  await say(alice, 'team', 'bob is back');
  t.same(await history(bob, 'team'), ['bob is back']);
  t.same(await history(bob, 'team', 'after=0'), ['bob is back']);
  t.same(await history(bob, 'team', 'before=99999'), ['bob is back']);
});

void t.test('an invitation that was taken back, or declined, lets nobody in', async (t) => {
  const { house, alice, bob, eve, make, invite, enter } = await furnish(t);
  await make(alice, 'team');
  await invite(alice, 'team', bob);
  t.equal(
    (await house.ask(`/rooms/team/invitations/${bob.index}`, { method: 'DELETE', token: alice.token })).status,
    204,
  );
  t.match(await enter(bob, 'team'), { status: 201, json: { members: 1 } }, 'a public room of that name');
  t.notMatch((await house.ask('/rooms', { token: bob.token })).text, /owner/);
  await invite(alice, 'team', eve);
  t.equal(
    (await house.ask(`/rooms/team/invitations/${eve.index}`, { method: 'DELETE', token: eve.token })).status,
    204,
  );
  t.same((await house.ask(`/clients/${eve.index}/invitations`, { token: eve.token })).json, { invitations: [] });
  t.equal((await invite(bob, 'team', eve)).status, 403, 'a public room is nobody’s');
});

void t.test('nobody is invited without end', async (t) => {
  const { alice, bob, eve, make, invite } = await furnish(t);
  for (let n = 0; n < 100; n++) {
    await make(alice, `team${n}`);
    await invite(alice, `team${n}`, bob);
  }
  await make(eve, 'one-more');
  t.match(await invite(eve, 'one-more', bob), { status: 400, json: { errors: [{ path: 'index' }] } });
  t.equal((await invite(alice, 'team0', bob)).status, 200, 'again, and nothing happens');
});

void t.test(
  'a room whose owner leaves is that of whoever is in it for longest; without members it is gone',
  async (t) => {
    const { house, alice, bob, eve, make, invite, enter, exit, say } = await furnish(t);
    await make(alice, 'team');
    for (const guest of [eve, bob]) {
      await invite(alice, 'team', guest);
      await enter(guest, 'team');
    }
    await house.ask(`/clients/${alice.index}`, { method: 'DELETE', token: alice.token });
    await waitFor(async () => (await house.ask('/rooms/team', { token: bob.token })).json.owner === eve.index);
    await exit(eve, 'team');
    await waitFor(async () => (await house.ask('/rooms/team', { token: bob.token })).json.owner === bob.index);
    await say(bob, 'team', 'alone');
    await exit(bob, 'team');
    t.equal((await make(eve, 'team')).status, 201, 'the name means a new room');
    t.same((await house.ask('/rooms/team/messages', { token: eve.token })).json.messages, []);
  },
);

void t.test('rooms, invitations and owners outlive the server', async (t) => {
  const { house, alice, bob, eve, make, invite, enter, say } = await furnish(t);
  await make(alice, 'team');
  await invite(alice, 'team', bob);
  await enter(bob, 'team');
  await invite(alice, 'team', eve);
  await say(alice, 'team', 'remember');
  await house.server.stop();
  const later = await House.open(t, { data: house.server.folder });
  t.match((await later.ask('/rooms', { token: bob.token })).json, { rooms: [{ owner: alice.index, members: 2 }] });
  t.match((await later.ask('/rooms/team/messages', { token: bob.token })).json, { messages: [{ text: 'remember' }] });
  t.match((await later.ask(`/clients/${eve.index}/invitations`, { token: eve.token })).json, {
    invitations: [{ room: 'team' }],
  });
  t.equal((await later.ask('/rooms/team', { token: undefined })).status, 404);
});
