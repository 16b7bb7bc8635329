import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

const GRACE = 5_000;

// The time that clients may be away is waited for in each: side by side that is waited for once.
t.jobs = 2;

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  void t.test(`what a server that ends by ${signal} gives to the next one`, { buffered: true }, async (t) => {
    const folder = await temporaryFolder(t);
    const args = ['--grace', String(GRACE / 1000)];
    const first = await spawnServer(t, { folder, args });

    const stream = await EventReader.open(t, `${first.url}/events?name=alice`);
    const alice = (await stream.next()).data as { token: string; cursor: string };
    const bob = await enter(first, 'bob');
    const gone = await enter(first, 'gone');
    const left = await ask(`${first.url}/clients/3`, { method: 'DELETE', token: gone.token });
    t.equal(left.status, 204);
    const toAlice = await send(first, 1, 'for alice', bob.token);
    t.match((await stream.next()).data, { id: toAlice.id, text: 'for alice' });
    const toBob = await send(first, 2, 'for bob', alice.token);

    // Late in bob's grace time: what is left of it would not be much.
    const before = performance.now();
    while (performance.now() - before < GRACE / 2) {
      const { status } = await ask(`${first.url}/clients/2`);
      if (status !== 200) throw new Error(`bob is gone before his time: ${status}`);
      await pause();
    }
    const ended = await first.end(signal);
    t.equal(ended, signal === 'SIGTERM' ? 0 : null, 'exit code');
    const restarted = performance.now();
    const second = await spawnServer(t, { folder, args });

    const list = await ask(`${second.url}/clients`);
    t.match(list.json, {
      total: 2,
      clients: [
        { index: 1, name: 'alice', status: 'away' },
        { index: 2, name: 'bob' },
      ],
    });
    t.equal((await ask(`${second.url}/clients/3`)).status, 410, 'who had left stays gone');
    t.equal((await ask(`${second.url}/clients/3/messages`, { body: 'x', headers: TEXT })).status, 410);
    t.equal((await ask(`${second.url}/events?token=${gone.token}`)).status, 410);
    t.equal((await ask(`${second.url}/clients/4`)).status, 404, 'who never was still never was');
    const carol = await enter(second, 'carol');
    t.equal(carol.client.index, 4, 'indexes go on');

    const mailbox = await ask(`${second.url}/clients/1/messages`, { token: alice.token });
    t.match(mailbox.json, { messages: [{ id: toAlice.id, from: { index: 2, name: 'bob' }, text: 'for alice' }] });
    const back = await EventReader.open(t, `${second.url}/events`, { 'last-event-id': alice.cursor });
    t.match((await back.next()).data, {
      client: { index: 1, name: 'alice', status: 'online' },
      resumed: true,
      token: alice.token,
    });
    t.match((await back.next()).data, { id: toAlice.id }, 'a cursor of before goes on where it stood');
    const next = await send(second, 1, 'from the other side', carol.token);
    t.ok(Number(next.id) > Number(toBob.id), 'ids go on');
    t.match((await back.next()).data, { id: next.id });

    while ((await ask(`${second.url}/clients/2`)).status === 200) await pause();
    const stayed = performance.now() - restarted;
    t.ok(stayed >= GRACE, `bob had his grace time anew: ${stayed.toFixed(0)} ms`);
    t.equal((await ask(`${second.url}/clients/2`)).status, 410);
    t.equal((await ask(`${second.url}/clients/1`)).status, 200, 'who is back stays');
    t.equal(await second.end('SIGTERM'), 0);
  });
}

const TEXT = { 'content-type': 'text/plain' };

interface Admission {
  readonly client: { readonly index: number };
  readonly token: string;
}

async function enter(server: ServerProcess, name: string): Promise<Admission> {
  const answer = await ask(`${server.url}/clients`, { json: { name } });
  return answer.json as unknown as Admission;
}

async function send(server: ServerProcess, to: number, text: string, token: string): Promise<{ id: string }> {
  const answer = await ask(`${server.url}/clients/${to}/messages`, { body: text, headers: TEXT, token });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.json as { id: string };
}

/** Between two questions about something that only time brings. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
