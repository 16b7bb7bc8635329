import t, { type Test } from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { House } from '../access/house.js';
import { EventReader } from '../support/event-reader.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

/** What is decided on one server holds on the other by the time it is answered: nobody gets past it by going next door. */
async function tests(): Promise<void> {
  const nats = await startNats(t);

  /** Two servers that are one. */
  async function two(t: Test): Promise<readonly [House, House]> {
    const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
    return [await House.open(t, { engine }), await House.open(t, { engine })];
  }

  void t.test('accounts, sessions and keys', async (t) => {
    const [one, other] = await two(t);
    await one.account('alice');
    const here = await one.signIn('alice');
    const there = await other.signIn('alice');
    t.equal(here.index, there.index, 'one client');
    const streams = [await one.stream(there.token), await other.stream(here.token), await other.stream(there.token)];
    t.equal((await one.ask('/sessions/current', { method: 'DELETE', token: here.token })).status, 204);
    t.equal((await other.ask('/clients', { token: here.token })).status, 401);
    t.match((await streams[1]?.take('bye'))?.data, { reason: 'signed-out' });

    const key = await one.key('sensor', ['connect', 'list']);
    t.equal((await other.ask('/clients', { token: key })).status, 200);
    const own = await other.stream(key);
    t.equal((await one.order('/keys/sensor', { method: 'DELETE' })).status, 204);
    t.equal((await other.ask('/clients', { token: key })).status, 401);
    t.match((await own.take('bye')).data, { reason: 'removed' });

    const ban = await one.order('/bans', { json: { account: 'alice', seconds: 60 } });
    t.equal((await other.ask('/clients', { token: there.token })).status, 403);
    for (const stream of [streams[0], streams[2]]) t.match((await stream?.take('bye'))?.data, { reason: 'removed' });
    t.equal((await other.order(`/bans/${String(ban.json.id)}`, { method: 'DELETE' })).status, 204);
    t.equal((await one.ask('/clients', { token: there.token })).status, 200);
    const last = await one.stream(there.token);
    t.equal((await other.order('/accounts/alice', { method: 'DELETE' })).status, 204);
    t.match((await last.take('bye')).data, { reason: 'removed' });
    t.equal((await one.ask('/clients', { token: there.token })).status, 401);
    t.equal((await one.ask('/clients', { json: { name: 'alice' } })).status, 201, 'the name is free again');
  });

  void t.test('two that sign in for the first time at once are one client', async (t) => {
    const [one, other] = await two(t);
    for (const name of ['alice', 'bob']) {
      await one.account(name);
      const both = await Promise.all([one.signIn(name), other.signIn(name)]);
      t.equal(both[0].index, both[1].index);
      t.equal((await one.ask(`/clients?name=${name}`)).json.total, 1);
    }
  });

  void t.test('private rooms', async (t) => {
    const [one, other] = await two(t);
    const alice = await one.stranger('alice');
    const bob = await other.stranger('bob');
    const eve = await other.stranger('eve');
    const readers = [await one.stream(alice.token), await other.stream(bob.token), await other.stream(eve.token)];
    t.equal((await one.ask('/rooms/team', { method: 'PUT', json: { private: true }, token: alice.token })).status, 201);
    t.equal((await one.ask(`/rooms/team/invitations/${bob.index}`, { method: 'PUT', token: alice.token })).status, 201);
    t.match((await readers[1]?.take('invited'))?.data, { room: 'team', by: { name: 'alice' } });
    const enter = (who: typeof bob) =>
      other.ask(`/rooms/team/members/${who.index}`, { method: 'PUT', token: who.token });
    t.match(await enter(bob), { status: 201, json: { private: true, members: 2 } });
    const say = (text: string) => one.ask('/rooms/team/messages', { json: { text }, token: alice.token });
    t.match(await say('hello'), { status: 201, json: { reach: 2 } });
    t.match((await readers[1]?.take('message'))?.data, { text: 'hello' });
    t.match(await enter(eve), { status: 201, json: { members: 1 } }, 'to eve it is a room that is new');
    t.equal((await one.ask(`/rooms/team/members/${bob.index}`, { method: 'DELETE', token: alice.token })).status, 204);
    await say('without bob');
    t.equal((await other.ask('/rooms/team/messages', { token: bob.token })).json.code, undefined, 'eve’s, by now');
    for (const who of [bob, eve]) await one.ask(`/clients/${who.index}/messages`, { json: { text: 'marked' } });
    for (const reader of readers.slice(1)) {
      await reader.until(({ events }) => events.some(({ data }) => data.text === 'marked'));
      t.notMatch(JSON.stringify(reader.events), /without bob/);
    }
    t.notMatch(JSON.stringify(readers[2]?.events), /hello/);
    t.equal((await one.ask('/rooms/team', { method: 'DELETE', token: alice.token })).status, 204);
    t.equal((await one.ask('/rooms/team', { token: alice.token })).json.private, undefined);
  });

  void t.test('what is deleted through one is read through neither, and told by both', async (t) => {
    const [one, other] = await two(t);
    const alice = await one.stranger();
    const bob = await other.stranger();
    const readers = [await one.stream(alice.token, 'rooms=lobby'), await other.stream(bob.token, 'rooms=lobby')];
    const { location = '' } = (await one.ask('/rooms/lobby/messages', { json: { text: 'oops' } })).headers;
    for (const reader of readers) await reader.take('message');
    t.equal((await other.order(location, { method: 'DELETE' })).status, 204);
    for (const house of [one, other]) {
      t.equal((await house.ask(location)).status, 404);
      t.same((await house.ask('/rooms/lobby/messages')).json.messages, []);
    }
    for (const reader of readers) t.match((await reader.take('deleted')).data, { to: { room: 'lobby' } });
    const late = await EventReader.open(t, `${one.url}/events?token=${bob.token}`);
    await late.take('deleted');
    t.notOk(late.events.some(({ event }) => event === 'message'));
  });
}
