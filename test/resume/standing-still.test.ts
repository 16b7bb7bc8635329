import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

/** Seconds. */
const GRACE = 3;

/** For how many milliseconds the process is stopped. */
const STOPPED = 4_000;

interface Made {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

void t.test('clients that come back after the process stood still for longer than the grace time stay', async (t) => {
  const server = await spawnServer(t, { folder: await temporaryFolder(t), args: ['--grace', String(GRACE)] });
  const make = async () => (await ask(`${server.url}/clients`, { json: {} })).json as unknown as Made;
  const gone = await make();
  const made = await Promise.all(Array.from({ length: 20 }, make));
  const send = ({ client: { index } }: Made) =>
    ask(`${server.url}/clients/${index}/messages`, { json: { text: `to ${index}` } });
  for (const { status } of await Promise.all(made.map(send))) t.equal(status, 201);
  server.process.kill('SIGSTOP');
  t.teardown(() => server.process.kill('SIGCONT'));
  await new Promise((resolve) => setTimeout(resolve, STOPPED));
  // All at once, and before the process goes on: half of them by a stream, half of them by reading.
  const back = made.map(async ({ client, token, cursor }, at) => {
    if (at % 2 === 0) {
      const { status, json } = await ask(`${server.url}/clients/${client.index}/messages`, { token });
      return [status, (json.messages as { text: string }[] | undefined)?.map(({ text }) => text)];
    }
    const reader = await EventReader.open(t, `${server.url}/events?token=${token}&after=${cursor}`);
    t.equal((await reader.next()).data.resumed, true);
    return [200, [(await reader.next()).data.text]];
  });
  server.process.kill('SIGCONT');
  t.same(
    await Promise.all(back),
    made.map(({ client }) => [200, [`to ${client.index}`]]),
  );
  await waitFor(async () => (await ask(`${server.url}/clients/${gone.client.index}`)).status === 410);
  t.equal((await ask(`${server.url}/clients?status=online`)).json.total, 10);
});
