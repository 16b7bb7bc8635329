import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

async function serve(t: Test) {
  const server = await startServer(t);
  const { url } = server;
  const reader = await EventReader.open(t, `${url}/events?rooms=lobby`);
  const { token } = (await reader.next()).data as { token: string };
  const post = async (to: object, text: string, more: object = {}) =>
    (await ask(`${url}/messages`, { json: { to, text, ...more } })).json.id as string;
  const mark = (json: object) => ask(`${url}/clients/1/read`, { method: 'PUT', json, token });
  const state = async () => (await ask(`${url}/clients/1/read`, { token })).json;
  return { server, url, reader, token, post, mark, state };
}

void t.test('how far one has read is kept, told to its own streams alone, and never goes back', async (t) => {
  const { url, reader, token, post, mark, state } = await serve(t);
  const device = await EventReader.open(t, `${url}/events?token=${token}`);
  const other = await EventReader.open(t, `${url}/events?presence=true`);
  t.same(await state(), {
    mailbox: null,
    everyone: null,
    rooms: {},
    unread: { mailbox: 0, everyone: 0, rooms: { lobby: 0 } },
  });
  const mail = [await post({ client: 1 }, 'a'), await post({ client: 1 }, 'b'), await post({ client: 1 }, 'c')];
  const said = [await post({ room: 'lobby' }, 'd'), await post({ room: 'lobby' }, 'e')];
  await post({ everyone: true }, 'f');
  t.match(await state(), { unread: { mailbox: 3, everyone: 1, rooms: { lobby: 2 } } });

  const marked = await mark({ mailbox: mail[1], rooms: { lobby: said[0] } });
  const expected = {
    mailbox: mail[1],
    everyone: null,
    rooms: { lobby: said[0] },
    unread: { mailbox: 1, everyone: 1, rooms: { lobby: 1 } },
  };
  t.same([marked.status, marked.json], [200, expected]);
  for (const one of [reader, device]) t.match(await one.take('read'), { id: undefined, data: expected });
  t.same((await mark({ mailbox: mail[0] })).json, expected, 'back it does not go');
  t.match((await mark({ mailbox: '999999', everyone: said[0] })).json, {
    mailbox: '6',
    everyone: said[0],
    unread: { mailbox: 0 },
  });
  await post({ client: 2 }, 'end');
  await other.until(({ events }) => events.some(({ data }) => data.text === 'end'));
  t.notOk(other.events.some(({ event }) => event === 'read'));
});

void t.test('it outlasts a restart', async (t) => {
  const { server, token, post, mark } = await serve(t);
  const first = await post({ client: 1 }, 'a');
  await post({ client: 1 }, 'b');
  await mark({ mailbox: first });
  await server.stop();
  const again = await startServer(t, { data: server.folder });
  t.match((await ask(`${again.url}/clients/1/read`, { token })).json, { mailbox: first, unread: { mailbox: 1 } });
});

void t.test('what expired is not counted, nor what was sent before one was there', async (t) => {
  const { url, token, post, mark, state } = await serve(t);
  await post({ client: 1 }, 'stays');
  await post({ client: 1 }, 'goes', { ttl: 0.2 });
  await post({ client: 1 }, 'now', { ttl: 0 });
  await waitFor(async () => ((await state()).unread as { mailbox: number }).mailbox === 1);
  await post({ everyone: true }, 'early');
  await post({ room: 'lobby' }, 'early');
  const late = (await ask(`${url}/clients`, { json: { rooms: ['lobby'] } })).json as { token: string };
  t.match((await ask(`${url}/clients/2/read`, { token: late.token })).json, {
    unread: { mailbox: 0, everyone: 0, rooms: { lobby: 0 } },
  });
  await ask(`${url}/rooms/lobby/members/1`, { method: 'DELETE', token });
  t.same(((await state()).unread as { rooms: object }).rooms, {});
  t.match(await mark({ rooms: { lobby: '1' } }), { status: 400, json: { errors: [{ path: 'rooms.lobby' }] } });
});

void t.test('bad marks are refused, and it is nobody else to say or to see', async (t) => {
  const { url, mark } = await serve(t);
  for (const marks of [{ mailbox: 1 }, { mailbox: 'x' }, { rooms: { 'a b': '1' } }, { rooms: ['1'] }, { typo: '1' }]) {
    t.match(await mark(marks), { status: 400, json: { code: 'invalid-request' } }, JSON.stringify(marks));
  }
  const other = (await ask(`${url}/clients`, { method: 'POST' })).json as { token: string };
  for (const method of ['GET', 'PUT']) {
    const json = method === 'PUT' ? {} : undefined;
    t.equal((await ask(`${url}/clients/1/read`, { method, json })).status, 401);
    t.equal((await ask(`${url}/clients/1/read`, { method, json, token: other.token })).status, 403);
  }
});
