import { once } from 'node:events';
import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { run, type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const SECRET = 's'.repeat(32);
const JWT = ['--jwt-secret', 'j'.repeat(32), '--jwt-issuer', 'https://id.example', '--jwt-audience', 'chat'];

if (natsMissing) t.plan(0, natsMissing);
else await tests();

/** A node that stood still is taken for dead: others may start with other settings meanwhile, and it must not go on beside them. */
async function tests(): Promise<void> {
  t.jobs = 4;
  const nats = await startNats(t);
  const start = async (t: Test, args: readonly string[]): Promise<ServerProcess> =>
    spawnServer(t, { folder: await temporaryFolder(t), args });

  const newcomers: Record<string, { readonly args: readonly string[]; readonly says: RegExp }> = {
    'another secret': { args: ['--secret', 'x'.repeat(32)], says: /The secret given here is not the one/ },
    'other settings': { args: ['--secret', SECRET, '--grace', '30'], says: /--grace is 60 here and 30 on the nodes/ },
    'an identity provider': { args: ['--secret', SECRET, ...JWT], says: /--jwt-[a-z]+ is not / },
  };
  for (const [what, { args, says }] of Object.entries(newcomers)) {
    void t.test(`a node that stood still ends itself beside a newcomer with ${what}`, async (t) => {
      const engine = ['--engine', nats.url(placeName())];
      const still = await start(t, [...engine, '--secret', SECRET]);
      const reader = await EventReader.open(t, `${still.url}/events`);
      await reader.next();
      still.process.kill('SIGSTOP');
      const newcomer = await start(t, [...engine, ...args]);
      // With all that it has printed.
      const ended = once(still.process, 'close');
      still.process.kill('SIGCONT');
      // What comes before it has compared itself is refused as well; at the end nothing listens.
      const sends = Array.from({ length: 20 }, () => send(still));
      for (const status of await Promise.all(sends)) t.not(status, 201);
      t.same((await ended)[0], 1);
      t.match(still.output(), says);
      t.match(still.output(), /^interchat: [^\n]* They were started while this node did not answer\.$/m);
      t.notMatch(still.output(), /ssss|xxxx|jjjj/, 'no secret is printed');
      t.equal(await send(newcomer), 201);
    });
  }

  void t.test('a node that stood still goes on where nothing has changed', async (t) => {
    const engine = ['--engine', nats.url(placeName()), '--secret', SECRET, ...JWT];
    const [still, other] = [await start(t, engine), await start(t, engine)];
    still.process.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    still.process.kill('SIGCONT');
    await waitFor(async () => (await send(still)) === 201);
    t.equal(await send(other), 201);
    t.equal((await ask(`${still.url}/readyz`)).status, 200);
    const refused: [says: string, args: readonly string[]][] = [
      ['--jwt-audience is other here and chat', ['--jwt-audience', 'other']],
      ['--jwt-skew is 5 here and 30', ['--jwt-skew', '5']],
      ['--jwt-secret is not the same', ['--jwt-secret', 'k'.repeat(32)]],
    ];
    for (const [says, args] of refused) {
      const { code, stderr } = await run(['serve', '--port', '0', ...engine, ...args]);
      t.equal(code, 1);
      t.match(stderr, new RegExp(`^interchat: ${says}[^\\n]*\\n$`));
      t.notMatch(stderr, /kkkk|jjjj/, 'no secret is printed');
    }
  });
}

/** The status of a message to everyone; 0 where nothing listens any more. */
async function send({ url }: ServerProcess): Promise<number> {
  try {
    return (await ask(`${url}/messages`, { body: 'x', headers: { 'content-type': 'text/plain' } })).status;
  } catch {
    return 0;
  }
}
