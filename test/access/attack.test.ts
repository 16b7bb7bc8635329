import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { House, type Member } from './house.js';

/** What members of private rooms do. */
async function furnish(t: Test) {
  const house = await House.open(t);
  const make = (who: Member, room: string) =>
    house.ask(`/rooms/${room}`, { method: 'PUT', json: { private: true }, token: who.token });
  const invite = (who: Member, room: string, guest: Member) =>
    house.ask(`/rooms/${room}/invitations/${guest.index}`, { method: 'PUT', token: who.token });
  const enter = (who: Member, room: string) =>
    house.ask(`/rooms/${room}/members/${who.index}`, { method: 'PUT', token: who.token });
  const exit = (who: Member, room: string, whom: Member = who) =>
    house.ask(`/rooms/${room}/members/${whom.index}`, { method: 'DELETE', token: who.token });
  const room = (who: Member, name: string) => house.ask(`/rooms/${name}`, { token: who.token });
  return { house, make, invite, enter, exit, room };
}

void t.test(
  'an EventSource that was put out of a private room does not come back into a public one of its name',
  async (t) => {
    const { house, make, invite, exit } = await furnish(t);
    const [alice, bob] = [await house.stranger('alice'), await house.stranger('bob')];
    await make(alice, 'merger');
    await invite(alice, 'merger', bob);
    const stream = await house.stream(bob.token, 'rooms=merger');
    const cursor = stream.events[0]?.id as string;
    stream.response.destroy();
    await exit(alice, 'merger', bob);
    const back = await EventReader.open(t, `${house.url}/events?rooms=merger`, { 'last-event-id': cursor });
    t.match((await back.take('welcome')).data, { resumed: true, client: { rooms: [] } });
    t.same((await house.ask('/rooms')).json.rooms, [], 'nobody hears that there is such a name');
  },
);

void t.test('an invitation does not keep an EventSource from coming back', async (t) => {
  const { house, make, invite } = await furnish(t);
  const [eve, bob] = [await house.stranger('eve'), await house.stranger('bob')];
  await make(eve, 'lobby');
  const stream = await house.stream(bob.token, 'rooms=lobby');
  const cursor = stream.events[0]?.id as string;
  stream.response.destroy();
  await invite(eve, 'lobby', bob);
  const back = await EventReader.open(t, `${house.url}/events?rooms=lobby`, { 'last-event-id': cursor });
  t.equal(back.response.statusCode, 200);
  t.match((await back.take('welcome')).data, { client: { rooms: ['lobby'] } });
});

void t.test('who is put out while it enters is not in it', async (t) => {
  const { house, make, invite, enter, exit, room } = await furnish(t);
  const [alice, bob] = [await house.stranger('alice'), await house.stranger('bob')];
  await make(alice, 'team');
  for (let i = 0; i < 20; i++) {
    await invite(alice, 'team', bob);
    const entering = enter(bob, 'team');
    await new Promise((resolve) => setTimeout(resolve, i / 4));
    const [, out] = await Promise.all([entering, exit(alice, 'team', bob)]);
    t.equal(out.status, 204);
    t.equal((await room(bob, 'team')).status, 404, `round ${i}`);
    await exit(bob, 'team');
  }
});

void t.test('an invitation outlives an attempt to enter that was refused', async (t) => {
  const { house, make, invite, enter, exit } = await furnish(t);
  const [alice, bob] = [await house.stranger('alice'), await house.stranger('bob')];
  for (let i = 0; i < 100; i++) await enter(bob, `room-${i}`);
  await make(alice, 'team');
  await invite(alice, 'team', bob);
  t.equal((await enter(bob, 'team')).status, 422);
  await exit(bob, 'room-1');
  t.match(await enter(bob, 'team'), { status: 201, json: { private: true } });
});

void t.test('nobody is in two rooms of one name', async (t) => {
  const { house, make, enter } = await furnish(t);
  for (let i = 0; i < 10; i++) {
    const alice = await house.stranger();
    const made = await Promise.all([make(alice, 'twice'), make(alice, 'twice')]);
    t.same(made.map(({ status }) => status).sort(), [201, 409]);
    const mixed = await Promise.all([make(alice, `mixed-${i}`), enter(alice, `mixed-${i}`)]);
    t.ok(mixed.every(({ status }) => status < 500));
    const { rooms } = (await house.ask(`/clients/${alice.index}`, { token: alice.token })).json;
    t.same(rooms, [...new Set(rooms as string[])]);
  }
});

void t.test('a private room always has an owner who is in it', async (t) => {
  const { house, make, invite, enter, exit, room } = await furnish(t);
  for (let i = 0; i < 20; i++) {
    const [alice, bob] = [await house.stranger(), await house.stranger()];
    await make(alice, 'team');
    await invite(alice, 'team', bob);
    const entering = enter(bob, 'team');
    await new Promise((resolve) => setTimeout(resolve, i / 4));
    const [entered] = await Promise.all([entering, exit(alice, 'team')]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { status, json } = await room(bob, 'team');
    if (entered.status === 201 && status === 200) t.equal(json.owner, bob.index, `entering, round ${i}`);
  }
  for (let i = 0; i < 20; i++) {
    const [alice, bob] = [await house.stranger(), await house.stranger()];
    await make(alice, 'team');
    await invite(alice, 'team', bob);
    await enter(bob, 'team');
    const leaving = exit(bob, 'team');
    await new Promise((resolve) => setTimeout(resolve, i / 4));
    await Promise.all([
      leaving,
      house.ask('/rooms/team', { method: 'PATCH', json: { owner: bob.index }, token: alice.token }),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.equal((await room(alice, 'team')).json.owner, alice.index, `handing over, round ${i}`);
  }
});

void t.test('characters that nobody sees make no other name', async (t) => {
  const house = await House.open(t);
  await house.account('alice');
  for (const hidden of ['\ufe0f', '\u034f', '\u115f', '\u3164', '\u180b', '\u17b4']) {
    t.equal(
      (await house.ask('/clients', { json: { name: `al${hidden}ice` } })).status,
      409,
      `U+${hidden.charCodeAt(0).toString(16)}`,
    );
  }
});

void t.test('the operator can lift a ban that was laid on his own address', async (t) => {
  const house = await House.open(t);
  const { json } = await house.order('/bans', { json: { address: '127.0.0.0/8', seconds: 3600 } });
  t.equal((await house.ask('/clients')).status, 403);
  t.equal((await house.order(`/bans/${json.id as string}`, { method: 'DELETE' })).status, 204);
  t.equal((await house.ask('/clients')).status, 200);
});

void t.test('of two keys of one name that are made at once there is one', async (t) => {
  const house = await House.open(t);
  const key = () => house.order('/keys', { json: { name: 'sensor', may: ['list'] } });
  const made = await Promise.all([key(), key()]);
  t.same(made.map(({ status }) => status).sort(), [201, 409]);
});

void t.test('a private room that is being closed is in no count', async (t) => {
  const { house, make, invite, enter } = await furnish(t);
  const alice = await house.stranger();
  await make(alice, 'team');
  for (let i = 0; i < 10; i++) {
    const guest = await house.stranger();
    await invite(alice, 'team', guest);
    await enter(guest, 'team');
  }
  const rooms = async () => /^interchat_rooms (\d+)$/m.exec((await house.ask('/metrics')).text)?.[1];
  let closed = false;
  const closing = house.ask('/rooms/team', { method: 'DELETE', token: alice.token }).finally(() => (closed = true));
  const counts = new Set<string | undefined>();
  while (!closed) counts.add(await rooms());
  t.equal((await closing).status, 204);
  t.same([...counts], ['0']);
});
