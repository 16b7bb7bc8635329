import t, { type Test } from 'tap';
import { EventReader, type StreamEvent } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Change {
  change: string;
  client: { index: number; name: string | null; status: string; rooms: string[] };
  room?: string;
}

async function serve(t: Test, grace = 60) {
  const { url } = await startServer(t, { grace });
  const connect = async (query = '', headers: Record<string, string> = {}) => {
    const reader = await EventReader.open(t, `${url}/events?${query}`, headers);
    const { token, cursor } = (await reader.next()).data as { token: string; cursor: string };
    return { reader, token, cursor };
  };
  return { url, connect };
}

const changeOf = ({ data }: StreamEvent) => data as unknown as Change;
const words = ({ change, client, room }: Change) =>
  [change, client.index, room].filter((word) => word !== undefined).join(' ');

void t.test('who asked is told of each change, in an order that makes sense', async (t) => {
  const { url, connect } = await serve(t, 3);
  const alice = await connect('presence=true');
  const told = async (count: number) => {
    const all: Change[] = [];
    while (all.length < count) all.push(changeOf(await alice.reader.take('presence')));
    return all;
  };
  const bob = await connect('name=bob&rooms=lobby');
  const [joined, entered] = await told(2);
  t.match(joined, { change: 'joined', client: { index: 2, name: 'bob', status: 'online', rooms: ['lobby'] } });
  t.notOk('room' in (joined as object));
  t.match(entered, { change: 'entered', client: { index: 2 }, room: 'lobby' });

  await ask(`${url}/clients/2`, { method: 'PATCH', json: { name: 'robert' }, token: bob.token });
  t.match(await told(1), [{ change: 'renamed', client: { name: 'robert' } }]);
  await ask(`${url}/rooms/news/members/2`, { method: 'PUT', token: bob.token });
  t.match(await told(1), [{ change: 'entered', room: 'news' }]);
  await ask(`${url}/rooms/lobby/members/2`, { method: 'DELETE', token: bob.token });
  t.match(await told(1), [{ change: 'exited', room: 'lobby', client: { rooms: ['news'] } }]);
  bob.reader.close();
  t.match(await told(1), [{ change: 'away', client: { status: 'away' } }]);
  const back = await connect('', { 'last-event-id': bob.cursor });
  t.match(await told(1), [{ change: 'back', client: { status: 'online' } }]);
  back.reader.close();
  t.same((await told(3)).map(words), ['away 2', 'exited 2 news', 'left 2']);
});

void t.test('who did not ask is told nothing', async (t) => {
  const { url, connect } = await serve(t);
  const alice = await connect('presence=false');
  const watching = await connect('presence=true');
  await connect();
  await watching.reader.take('presence');
  await ask(`${url}/clients/1/messages`, { json: { text: 'end' } });
  t.match((await alice.reader.next()).data, { text: 'end' });
  t.match(await ask(`${url}/events?presence=yes`), { status: 400, json: { errors: [{ path: 'presence' }] } });
});

void t.test('a client that flaps does not flood the others, and the last truth comes through', async (t) => {
  const { url, connect } = await serve(t);
  const alice = await connect('presence=true');
  const bob = await connect('name=bob');
  await alice.reader.take('presence');
  const began = performance.now();
  let flaps = 0;
  let { reader } = bob;
  while (flaps < 20) {
    reader.close();
    await waitFor(async () => (await ask(`${url}/clients/2`)).json.status === 'away');
    ({ reader } = await connect('', { 'last-event-id': bob.cursor }));
    flaps++;
  }
  reader.close();
  const seconds = (performance.now() - began) / 1000;
  await connect('name=carol');
  await alice.reader.until(({ events }) =>
    events.some(({ data }) => changeOf({ data } as StreamEvent).client.index === 3),
  );
  const last = () =>
    alice.reader.events.filter(
      ({ event, data }) => event === 'presence' && (data.client as { index: number }).index === 2,
    );
  await alice.reader.until(() => changeOf(last().at(-1) as StreamEvent).client.status === 'away');
  t.ok(last().length <= Math.ceil(seconds) + 3, `${last().length} in ${seconds.toFixed(1)} s`);
});

void t.test('a list that was asked for once is kept right by what is told', async (t) => {
  const { url, connect } = await serve(t, 0.3);
  const alice = await connect('presence=true');
  const { clients } = (await ask(`${url}/clients`)).json as unknown as { clients: Change['client'][] };
  const list = new Map(clients.map((client) => [client.index, client]));
  let taken = 0;
  const apply = () => {
    for (const event of alice.reader.events.slice(taken)) {
      if (event.event !== 'presence') continue;
      const { change, client } = changeOf(event);
      if (change === 'left') list.delete(client.index);
      else list.set(client.index, client);
    }
    taken = alice.reader.events.length;
  };
  const others = await Promise.all(
    Array.from({ length: 30 }, (_, i) => connect(`name=c${i}&rooms=r${i % 3}&presence=true`)),
  );
  for (const [i, { reader, token }] of others.entries()) {
    const index = Number(/^ict_(\d+)/.exec(token)?.[1]);
    if (i % 4 === 0) reader.close();
    if (i % 4 === 1) await ask(`${url}/clients/${index}`, { method: 'DELETE', token });
    if (i % 4 === 2) await ask(`${url}/rooms/other/members/${index}`, { method: 'PUT', token });
  }
  const shown = async () => {
    apply();
    const now = (await ask(`${url}/clients`)).json as unknown as { clients: Change['client'][] };
    const view = (all: Iterable<Change['client']>) =>
      JSON.stringify([...all].map(({ index, name, status, rooms }) => [index, name, status, rooms]).sort());
    return view(list.values()) === view(now.clients);
  };
  // Eight of the others leave by themselves, eight are gone when their grace is over.
  await waitFor(async () => (await ask(`${url}/clients`)).json.total === 15);
  await waitFor(shown);
  t.pass('the two are the same');
});

void t.test('the same as lines of JSON', async (t) => {
  const { url } = await serve(t);
  const response = await fetch(`${url}/events?presence=true`, { headers: { accept: 'application/x-ndjson' } });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  t.teardown(() => reader.cancel());
  await ask(`${url}/clients`, { method: 'POST', json: { name: 'bob' } });
  let text = '';
  while (!text.includes('presence"')) text += Buffer.from((await reader.read()).value as Uint8Array).toString();
  const line = text.split('\n').find((one) => one.includes('"presence"')) as string;
  t.match(JSON.parse(line), { event: 'presence', id: null, data: { change: 'joined', client: { name: 'bob' } } });
});
