import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, NatsServer, startNats } from '../support/nats.js';
import { lastingPort } from '../support/port.js';
import { run, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

if (natsMissing) t.plan(0, natsMissing);
else tests();

/** A server with this in its configuration. */
async function startWith(t: Test, lines: (store: string) => readonly string[]): Promise<NatsServer> {
  const folder = await temporaryFolder(t);
  const port = await lastingPort();
  const config = join(folder, 'nats.conf');
  const store = join(folder, 'store');
  await writeFile(config, [`listen: "127.0.0.1:${port}"`, 'max_payload: 1048576', ...lines(store)].join('\n'));
  const server = new NatsServer(port, config, store);
  t.teardown(() => server.end());
  await server.start();
  return server;
}

function tests(): void {
  const withUser = (permissions: string) => (store: string) => [
    `jetstream { store_dir: "${store}" }`,
    `authorization { users: [{ user: me, password: right${permissions} }] }`,
  ];
  const cases: Record<string, readonly [lines: (store: string) => readonly string[], user: string, says: string]> = {
    'a wrong password': [withUser(''), 'me:hidden@', 'refuses the user or the password'],
    'a token where none is known': [withUser(''), 'hidden@', 'refuses the token'],
    'no credentials': [withUser(''), '', 'refuses a connection without credentials'],
    'no JetStream': [() => [], '', 'JetStream is not enabled in NATS'],
    'no JetStream for the account': [
      (store) => [
        `jetstream { store_dir: "${store}" }`,
        'accounts { A { jetstream: disabled, users: [{ user: me, password: right }] }, B { jetstream: enabled, users: [{ user: b, password: b }] } }',
      ],
      'me:right@',
      'JetStream is not enabled for this account',
    ],
    'a subject that may not be published to': [
      withUser(', permissions: { publish: { deny: ["interchat.>"] } }'),
      'me:right@',
      'publishing to "interchat[^"]*"',
    ],
    'a subject that may not be subscribed to': [
      withUser(', permissions: { subscribe: { deny: ["interchat.>"] } }'),
      'me:right@',
      'subscribing to "interchat[^"]*"',
    ],
    'no right to use JetStream': [
      withUser(', permissions: { publish: { deny: ["$JS.API.>"] } }'),
      'me:right@',
      'publishing to "\\$JS.API[^"]*"',
    ],
  };
  t.jobs = 4;
  for (const [what, [lines, user, says]] of Object.entries(cases)) {
    void t.test(`${what} is said at once`, async (t) => {
      const { port } = await startWith(t, lines);
      const began = performance.now();
      const args = ['serve', '--port', '0', '--engine', `nats://${user}127.0.0.1:${port}`];
      const { code, stderr } = await run(args);
      t.equal(code, 1);
      t.match(stderr, new RegExp(`^interchat: [^\\n]*${says}[^\\n]*\\n$`), stderr);
      t.notMatch(stderr, /hidden|right@/, 'no password is printed');
      // It waits for 30 s for servers that cannot be reached.
      t.ok(performance.now() - began < 25_000);
    });
  }

  void t.test('a start while the servers elect a leader waits for it', async (t) => {
    const nats = await startNats(t, 3);
    const args = ['--engine', nats.url(), '--allow-unsafe-nats'];
    const folder = await temporaryFolder(t);
    await (await spawnServer(t, { folder, args })).end('SIGTERM');
    // One of three elects nobody; two do.
    await Promise.all([nats.servers[1]?.end(), nats.servers[2]?.end()]);
    const starting = spawnServer(t, { folder, args });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await nats.servers[1]?.start();
    const { url } = await starting;
    await waitFor(async () => (await ask(`${url}/readyz`)).status === 200);
  });
}
