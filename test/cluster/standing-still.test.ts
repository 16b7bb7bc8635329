import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

/** Seconds. */
const GRACE = 3;

/** For how many milliseconds the node is stopped: longer than the grace time and its lease. */
const STOPPED = 5_000;

interface Made {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);

  await t.test('a node that stood still removes no client that is online at another', async (t) => {
    const engine = ['--engine', nats.url(placeName()), '--grace', String(GRACE)];
    const spawn = async () => spawnServer(t, { folder: await temporaryFolder(t), args: engine });
    const [stopped, other] = [await spawn(), await spawn()];
    const make = async () => (await ask(`${stopped.url}/clients`, { json: {} })).json as unknown as Made;
    const made = await Promise.all(Array.from({ length: 10 }, make));
    const away = await make();
    const open = ({ token, cursor }: Made) =>
      EventReader.open(t, `${other.url}/events?token=${token}&after=${cursor}`, {});
    await waitFor(async () => (await ask(`${other.url}/clients?limit=1`)).json.total === 11);
    stopped.process.kill('SIGSTOP');
    t.teardown(() => stopped.process.kill('SIGCONT'));
    const began = performance.now();
    const readers = await Promise.all(made.map(open));
    for (const { client } of made) {
      const sent = await ask(`${other.url}/clients/${client.index}/messages`, { json: { text: 'kept' } });
      t.equal(sent.status, 201);
    }
    for (const reader of readers) t.equal((await reader.take('message')).data.text, 'kept');
    await new Promise((resolve) => setTimeout(resolve, STOPPED - (performance.now() - began)));
    stopped.process.kill('SIGCONT');
    // It serves nothing until it has compared itself with the other.
    await waitFor(async () => (await ask(`${stopped.url}/readyz`)).status === 200);
    // When this one has left the node has had the time to decide of the others.
    const later = await make();
    for (const { client } of [away, later]) {
      await waitFor(async () => (await ask(`${stopped.url}/clients/${client.index}`)).status === 410);
    }
    for (const [at, { client, token }] of made.entries()) {
      t.equal((await ask(`${stopped.url}/clients/${client.index}`)).json.status, 'online');
      const { status, json } = await ask(`${other.url}/clients/${client.index}/messages`, { token });
      t.equal(status, 200);
      t.equal((json.messages as unknown[]).length, 1, 'its mailbox is there');
      t.notOk(readers[at]?.events.some(({ event }) => event === 'bye'));
    }
  });
}
