import { join } from 'node:path';
import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { findKeepsake, leaveKeepsake } from './keepsake.js';
import { smallDisk } from './small-disk.js';

/** How a start without room ends: it says so in one line. */
const NO_ROOM = /before it listened: interchat: [^\n]*(no space|No space)[^\n]*\n$/;

void t.test('a start on a full disk', async (t) => {
  const disk = await smallDisk(t, '4m');
  if (!disk) return;
  const folder = join(disk.folder, 'data');
  const keepsake = await leaveKeepsake(t, folder);
  // What is there can be served without any room.
  for (const kib of [0, 4, 12]) {
    await disk.fill(kib * 1024);
    t.equal(await start(folder), 'started', `what is there is served with ${kib} KiB left`);
    await disk.free();
  }
  await findKeepsake(t, folder, keepsake);

  const fresh = join(disk.folder, 'new');
  // At each of these sizes LMDB would come to its end in another place.
  for (const kib of [0, 4, 8, 12, 16, 24, 32, 48, 64]) {
    await disk.fill(kib * 1024);
    t.match(await start(fresh), NO_ROOM, `with ${kib} KiB left`);
    await disk.free();
  }
  t.equal(await start(fresh), 'started', 'nothing is left behind that would hinder the next start');

  async function start(folder: string): Promise<string> {
    try {
      const server = await spawnServer(t, { folder });
      t.equal(await server.end('SIGTERM'), 0, 'exit code');
      return 'started';
    } catch (error) {
      return (error as Error).message;
    }
  }
});

void t.test('a disk that fills while the server runs', async (t) => {
  const disk = await smallDisk(t, '3m');
  if (!disk) return;
  const folder = join(disk.folder, 'data');
  const server = await spawnServer(t, { folder });
  const stream = await EventReader.open(t, `${server.url}/events?name=alice`);
  const alice = (await stream.next()).data as { token: string; cursor: string };
  const bob = (await ask(`${server.url}/clients`, { json: { name: 'bob' } })).json as { token: string };
  const carol = (await ask(`${server.url}/clients`, { json: { name: 'carol' } })).json as { token: string };

  const acknowledged: string[][] = [[], []];
  let refusal;
  for (let n = 0; !refusal; n++) {
    const to = n % 2;
    const answer = await send(server, to + 1, `${n} ${'x'.repeat(20_000)}`);
    if (answer.status === 201) acknowledged[to]?.push(String(answer.json.id));
    else refusal = answer;
  }
  t.match([refusal.status, refusal.json], [503, { code: 'unavailable', status: 503 }]);
  t.match(refusal.headers['content-type'], 'application/problem+json');
  t.ok(Number(refusal.headers['retry-after']) > 0, 'Retry-After');
  t.match(refusal.text, /no space left/i, 'it says what is the matter');

  const ready = await ask(`${server.url}/readyz`);
  t.match([ready.status, ready.json], [503, { code: 'unavailable' }]);
  t.ok(Number(ready.headers['retry-after']) > 0);
  t.equal((await ask(`${server.url}/healthz`)).status, 200, 'it lives');
  t.equal((await ask(`${server.url}/metrics`)).status, 200);
  const list = await ask(`${server.url}/clients`);
  t.match(
    list.json,
    {
      total: 3,
      clients: [
        { index: 1, status: 'online' },
        { index: 2, name: 'bob' },
      ],
    },
    'LIST works',
  );
  t.same(await idsOf(server, 2, bob.token), acknowledged[1], 'reading works');
  await stream.until(({ events }) => events.length === 1 + (acknowledged[0] as string[]).length);
  t.notOk(stream.ended, 'streams stay open');
  const again = await EventReader.open(t, `${server.url}/events`, { 'last-event-id': alice.cursor });
  t.match((await again.next()).data, { client: { index: 1 }, resumed: true }, 'whoever was there can come back');
  t.equal((await again.next()).data.id, acknowledged[0]?.[0], 'and gets what was kept');
  for (const { status, text } of [
    await send(server, 1, 'still no room'.repeat(1000)),
    await ask(`${server.url}/clients`, { method: 'POST' }),
    await ask(`${server.url}/events`),
    await ask(`${server.url}/clients/2`, { method: 'PATCH', json: { name: 'rob' }, token: bob.token }),
  ]) {
    t.equal(status, 503, text.slice(0, 200));
  }
  const left = await ask(`${server.url}/clients/3`, { method: 'DELETE', token: carol.token });
  t.equal(left.status, 204, `a client can leave ${left.text}`);

  await disk.remount('size=8m');
  while ((await ask(`${server.url}/readyz`)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const to of [1, 2]) {
    const answer = await send(server, to, 'there is room again');
    t.equal(answer.status, 201, answer.text.slice(0, 200));
    acknowledged[to - 1]?.push(String(answer.json.id));
  }
  const last = acknowledged[0]?.at(-1);
  await stream.until(({ events }) => events.at(-1)?.data.id === last);
  const came = stream.events.slice(1).map(({ data }) => data.id);
  t.same(came, acknowledged[0], 'the stream that was open all along has everything, once and in order');

  // At the worst moment: nothing that was acknowledged may hang on an orderly end.
  await server.end('SIGKILL');
  const next = await spawnServer(t, { folder });
  t.same(await idsOf(next, 1, alice.token), acknowledged[0], 'nothing acknowledged is lost');
  t.same(await idsOf(next, 2, bob.token), acknowledged[1], 'nothing acknowledged is lost');
  t.equal(await next.end('SIGTERM'), 0);
});

function send(server: ServerProcess, to: number, text: string) {
  return ask(`${server.url}/clients/${to}/messages`, { body: text, headers: { 'content-type': 'text/plain' } });
}

async function idsOf(server: ServerProcess, index: number, token: string): Promise<string[]> {
  const { json } = await ask(`${server.url}/clients/${index}/messages?limit=1000`, { token });
  return (json as { messages: { id: string }[] }).messages.map(({ id }) => id);
}
