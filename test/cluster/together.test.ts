import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { EventReader, type StreamEvent } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { run, spawnServer, startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

interface Me {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

const text = (body: string, headers: Record<string, string> = {}) => ({
  body,
  headers: { 'content-type': 'text/plain', ...headers },
});

async function tests(): Promise<void> {
  const nats = await startNats(t);

  /** Two servers that are one. */
  async function two(t: Test, settings: Partial<Config> = {}): Promise<readonly [TestServer, TestServer]> {
    const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
    return Promise.all([startServer(t, { ...settings, engine }), startServer(t, { ...settings, engine })]);
  }

  async function connect(t: Test, { url }: TestServer, query = ''): Promise<{ reader: EventReader; me: Me }> {
    const reader = await EventReader.open(t, `${url}/events${query}`);
    return { reader, me: (await reader.next()).data as unknown as Me };
  }

  const listOf = async ({ url }: TestServer) =>
    (
      (await ask(`${url}/clients`)).json.clients as { index: number; name: string; status: string; rooms: string[] }[]
    ).map(({ index, name, status, rooms }) => ({ index, name, status, rooms }));

  void t.test('a client made on one is at once a client on the other', async (t) => {
    const [one, other] = await two(t);
    for (let round = 0; round < 20; round++) {
      const made = await ask(`${one.url}/clients`, { json: { name: 'a', rooms: ['r'] } });
      const { client, token, cursor } = made.json as unknown as Me;
      const sent = await ask(`${other.url}/clients/${client.index}/messages`, text('hello'));
      t.equal(sent.status, 201);
      t.equal((await ask(`${other.url}/rooms/r/messages`, text('room'))).status, 201);
      const { reader } = await connect(t, other, `?token=${token}&after=${cursor}`);
      t.same([(await reader.next()).data.text, (await reader.next()).data.text], ['hello', 'room']);
      t.equal(
        (await ask(`${one.url}/clients/${client.index}`, { method: 'PATCH', json: { name: 'b' }, token })).status,
        200,
      );
      t.equal((await ask(`${other.url}/clients/${client.index}`, { method: 'DELETE', token })).status, 204);
      t.equal((await ask(`${other.url}/clients/${client.index}`)).status, 410);
      t.equal((await reader.take('bye')).data.reason, 'left');
    }
    t.equal((await ask(`${one.url}/clients/21`)).status, 404);
    await waitFor(async () => (await listOf(one)).length === 0);
  });

  void t.test('what is sent after a room was entered by way of the other arrives', async (t) => {
    const [one, other] = await two(t);
    const { reader, me } = await connect(t, one);
    for (let round = 0; round < 30; round++) {
      const path = `/rooms/r${round}/members/${me.client.index}`;
      t.equal((await ask(other.url + path, { method: 'PUT', token: me.token })).status, 201);
      t.equal((await ask(`${other.url}/rooms/r${round}/messages`, text(String(round)))).status, 201);
      t.equal((await reader.take('message')).data.text, String(round));
      t.equal((await ask(other.url + path, { method: 'DELETE', token: me.token })).status, 204);
    }
  });

  void t.test('LIST and presence are the same on both', async (t) => {
    const [one, other] = await two(t);
    const { reader: watcher } = await connect(t, other, '?presence=true');
    const { reader, me } = await connect(t, one, '?name=alice&rooms=lobby');
    const isOnline = ({ data: { client } }: StreamEvent) =>
      (client as { name?: string }).name === 'alice' && (client as { status?: string }).status === 'online';
    // What is undone before it was told is not told at all.
    await watcher.until(({ events }) => events.some(isOnline));
    await waitFor(async () => JSON.stringify(await listOf(one)) === JSON.stringify(await listOf(other)));
    t.match((await listOf(other))[1], { name: 'alice', status: 'online', rooms: ['lobby'] });
    reader.close();
    await watcher.until(({ events }) => events.some(({ data }) => data.change === 'away'));
    t.match((await listOf(other))[1], { index: me.client.index, status: 'away' });
  });

  void t.test('a thousand connects at once on both give each another index', async (t) => {
    const [one, other] = await two(t);
    const made = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => ask(`${(n % 2 ? one : other).url}/clients`, { json: {} })),
    );
    const indexes = made.map(({ json }) => (json as unknown as Me).client.index).sort((a, b) => a - b);
    t.same(
      indexes,
      Array.from({ length: 1_000 }, (_, n) => n + 1),
    );
    await waitFor(async () => (await ask(`${one.url}/clients?limit=1`)).json.total === 1_000);
    await waitFor(async () => (await ask(`${other.url}/clients?limit=1`)).json.total === 1_000);
  });

  void t.test('a key that is used on both at once sends once', async (t) => {
    const [one, other] = await two(t);
    const { me } = await connect(t, one);
    for (let round = 0; round < 10; round++) {
      const send = ({ url }: TestServer) =>
        ask(`${url}/clients/${me.client.index}/messages`, text('x', { 'idempotency-key': `k${round}` }));
      const [first, second] = await Promise.all([send(one), send(other)]);
      t.same([first.status, second.status], [201, 201]);
      t.equal(first.json.id, second.json.id);
    }
  });

  void t.test('who asks one of them is not taken for gone by the other', async (t) => {
    const [one, other] = await two(t, { grace: 2 });
    const { client, token } = (await ask(`${one.url}/clients`, { json: {} })).json as unknown as Me;
    const { client: silent } = (await ask(`${one.url}/clients`, { json: {} })).json as unknown as Me;
    // Longer than the grace time, waiting and asking by turns.
    for (let round = 0; round < 3; round++) {
      const answer = await ask(`${other.url}/clients/${client.index}/messages?wait=1.5`, { token });
      t.equal(answer.status, 200);
    }
    t.equal((await ask(`${one.url}/clients/${client.index}`)).status, 200);
    t.equal((await ask(`${one.url}/clients/${silent.index}`)).status, 410);
    await waitFor(async () => (await ask(`${one.url}/clients/${client.index}`)).status === 410);
  });

  void t.test('the clients of a node that is killed are away on the others, and resume there', async (t) => {
    const name = placeName();
    const engine = ['--engine', nats.url(name)];
    const killed = await spawnServer(t, { folder: await temporaryFolder(t), args: engine });
    const other = await spawnServer(t, { folder: await temporaryFolder(t), args: engine });
    const { reader, me } = await connect(t, { ...killed, stop: () => Promise.resolve() }, '?name=alice');
    const { reader: watcher } = await connect(t, { ...other, stop: () => Promise.resolve() }, '?presence=true');
    await waitFor(async () => (await ask(`${other.url}/clients?status=online`)).json.total === 2);
    const began = performance.now();
    await killed.end('SIGKILL');
    await watcher.until(({ events }) => events.some(({ data }) => data.change === 'away'));
    t.comment(`away after ${Math.round(performance.now() - began)} ms`);
    await reader.end();
    t.equal((await ask(`${other.url}/clients/${me.client.index}/messages`, text('meanwhile'))).json.reach, 0);
    const again = await EventReader.open(t, `${other.url}/events`, { 'last-event-id': me.cursor });
    t.match((await again.next()).data, { resumed: true, client: { index: me.client.index, name: 'alice' } });
    t.equal((await again.next()).data.text, 'meanwhile');
  });

  void t.test('a node with other settings than those that run is refused', async (t) => {
    const engine = ['--engine', nats.url(placeName())];
    const secret = 's'.repeat(32);
    const first = await spawnServer(t, { folder: await temporaryFolder(t), args: [...engine, '--secret', secret] });
    const refused: Record<string, readonly string[]> = {
      'grace is 30 here and 60': ['--secret', secret, '--grace', '30'],
      'keep-messages is 5 here and 10000': ['--secret', secret, '--keep-messages', '5'],
      'The secret given here is not the one': ['--secret', 'x'.repeat(32)],
      'signed with a secret that was given': [],
    };
    for (const [reason, args] of Object.entries(refused)) {
      const { code, stderr } = await run(['serve', '--port', '0', ...engine, ...args]);
      t.equal(code, 1);
      t.match(stderr, new RegExp(`^interchat: [^\\n]*${reason}[^\\n]*\\n$`));
      t.notMatch(stderr, /xxxx|ssss/, 'no secret is printed');
    }
    t.equal(await first.end('SIGTERM'), 0);
    const args = [...engine, '--secret', secret, '--grace', '30'];
    const next = await spawnServer(t, { folder: await temporaryFolder(t), args });
    t.equal(await next.end('SIGTERM'), 0, 'where none runs, the settings are those of the first that does');
  });
}
