import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { startServer } from '../support/server.js';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { waitFor } from '../support/wait.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  for (const how of ['is killed', 'stands still'] as const) {
    await t.test(`NATS ${how}: sends are refused, streams stay, and all goes on when it is back`, async (t) => {
      const nats = await startNats(t);
      const [server] = nats.servers;
      if (!server) return;
      const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
      const settings = { engine, grace: 3, heartbeat: 0.3 };
      const [one, other] = await Promise.all([startServer(t, settings), startServer(t, settings)]);
      const readers = await Promise.all([one, other].map(({ url }) => EventReader.open(t, `${url}/events`)));
      for (const reader of readers) await reader.next();
      await waitFor(async () => (await ask(`${one.url}/clients?status=online`)).json.total === 2);
      const acknowledged: string[] = [];
      const send = async (text: string) => {
        const answer = await ask(`${one.url}/messages`, { body: text, headers: { 'content-type': 'text/plain' } });
        if (answer.status === 201) acknowledged.push(text);
        return answer;
      };
      for (let n = 0; n < 50; n++) await send(`before ${n}`);

      if (how === 'is killed') await server.end('SIGKILL');
      else server.process.kill('SIGSTOP');
      await waitFor(async () => (await ask(`${one.url}/readyz`)).status === 503);
      const refused = await send('during');
      t.equal(refused.status, 503);
      t.match(refused.json, { code: 'unavailable' });
      t.ok(Number(refused.headers['retry-after']) > 0);
      t.match((await ask(`${one.url}/readyz`)).text, /NATS|JetStream/);
      t.match((await ask(`${one.url}/healthz`)).status, 200, 'the process lives');
      // Longer than leases and grace time: who hears nobody takes nobody for gone.
      const beats = readers.map(({ comments }) => comments);
      await Promise.all(readers.map((reader, at) => reader.until(({ comments }) => comments > (beats[at] ?? 0) + 20)));
      const back = await EventReader.open(t, `${one.url}/events`, { 'last-event-id': readers[0]?.events[0]?.id ?? '' });
      t.equal((await back.next()).event, 'bye', 'an EventSource that comes back is told to try again');

      if (how === 'is killed') await server.start();
      else server.process.kill('SIGCONT');
      await waitFor(async () => (await send(`after ${acknowledged.length}`)).status === 201);
      for (let n = 0; n < 20; n++) await send(`then ${n}`);
      for (const reader of readers) {
        await reader.until(({ events }) => events.some(({ data }) => data.text === acknowledged.at(-1)));
        const texts = reader.events.flatMap(({ event, data }) => (event === 'message' ? [String(data.text)] : []));
        t.same(
          texts.filter((text) => acknowledged.includes(text)),
          acknowledged,
        );
        t.notOk(reader.events.some(({ event }) => event === 'bye'));
      }
      await waitFor(async () => (await ask(`${one.url}/readyz`)).status === 200);
      t.equal((await ask(`${one.url}/clients?status=online`)).json.total, 2);
      t.equal((await ask(`${other.url}/clients?status=online`)).json.total, 2);
    });
  }
}
