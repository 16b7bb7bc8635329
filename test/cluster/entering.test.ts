import t, { type Test } from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { enterUnderLoad } from '../support/room-load.js';
import { type ServerProcess, spawnServer, startServer } from '../support/server.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

interface Me {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

async function tests(): Promise<void> {
  const nats = await startNats(t);
  const serve = async (t: Test, count: number) => {
    const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
    const servers = Array.from({ length: count }, () => startServer(t, { rateLimit: 0, engine }));
    return (await Promise.all(servers)).map(({ url }) => url) as [string, string];
  };

  void t.test('on two nodes, whoever enters rooms under load gets all that follows, once and in order', async (t) => {
    const [one, other] = await serve(t, 2);
    const marked = await enterUnderLoad(t, { streams: [one, other], enters: [one, other], sends: [one, other] }, 12);
    t.equal(marked, 0, 'while both nodes answer none is late');
  });

  void t.test('what is sent to a room while a node stands still reaches the streams of that node', async (t) => {
    const args = ['--engine', nats.url(placeName()), '--rate-limit', '0'];
    const spawned = await Promise.all(
      [1, 2].map(async () => spawnServer(t, { folder: await temporaryFolder(t), args })),
    );
    const [still, other] = spawned as [ServerProcess, ServerProcess];
    const reader = await EventReader.open(t, `${still.url}/events`);
    const { client, token, cursor } = (await reader.next()).data as unknown as Me;
    const second = await EventReader.open(t, `${other.url}/events?token=${token}&after=${cursor}`);
    const send = async (path: string) => {
      const { json } = await ask(`${other.url}/${path}/messages`, { json: { text: 'x' } });
      return json.id as string;
    };
    const due = [await send(`clients/${client.index}`)];
    still.process.kill('SIGSTOP');
    try {
      due.push(await send(`clients/${client.index}`));
      const path = `${other.url}/rooms/one/members/${client.index}`;
      t.equal((await ask(path, { method: 'PUT', token })).status, 201);
      for (let i = 0; i < 10; i++) due.push(await send('rooms/one'), await send(`clients/${client.index}`));
    } finally {
      still.process.kill('SIGCONT');
    }
    due.push(await send('rooms/one'), await send(`clients/${client.index}`));
    for (const stream of [reader, second]) {
      const messages = () => stream.events.filter(({ event }) => event === 'message').map(({ data }) => data);
      await stream.until(() => messages().length >= due.length);
      const ids = messages().map(({ id }) => id as string);
      t.same(
        ids.toSorted((one, two) => Number(one) - Number(two)),
        due,
        'each once',
      );
      let highest = 0;
      const unmarked = messages().filter(({ id, late }) => {
        const isLower = Number(id) < highest;
        highest = Math.max(highest, Number(id));
        return isLower !== (late === true);
      });
      t.same(unmarked, [], 'those that come late are marked, and no others');
    }
  });
}
