import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { connect as connectTo } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

const SECRET = 'a secret that somebody configured, long enough';

void t.test('the secret that a data folder keeps is for its owner alone', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await spawnServer(t, { folder });
  const { mode } = await stat(join(folder, 'secret'));
  t.equal((mode & 0o777).toString(8), '600');
  const { token } = await newClient(first);
  await first.end('SIGTERM');
  const second = await spawnServer(t, { folder });
  t.equal((await readMailbox(second, token)).status, 200, 'tokens outlive a restart');
  await second.end('SIGTERM');
});

void t.test('a secret that was configured counts instead, as a flag or as a variable', async (t) => {
  const folder = await temporaryFolder(t);
  const byFlag = await spawnServer(t, { folder, args: ['--secret', SECRET] });
  const { token, cursor } = await newClient(byFlag);
  await byFlag.end('SIGTERM');
  t.notOk((await readdir(folder)).includes('secret'), 'no other is made');

  const byVariable = await spawnServer(t, { folder, env: { INTERCHAT_SECRET: SECRET } });
  t.equal((await readMailbox(byVariable, token)).status, 200);
  const back = await EventReader.open(t, `${byVariable.url}/events`, { 'last-event-id': cursor });
  t.match((await back.next()).data, { client: { index: 1 }, resumed: true, token });
  await byVariable.end('SIGTERM');

  const another = await spawnServer(t, { folder, args: ['--secret', `${SECRET}!`] });
  t.equal((await readMailbox(another, token)).status, 401, 'with another, what was given out is void');
  const stranger = await EventReader.open(t, `${another.url}/events`, { 'last-event-id': cursor });
  t.match((await stranger.next()).data, { client: { index: 2 }, resumed: false });
  await another.end('SIGTERM');
});

void t.test('no token, no cursor and no secret is ever logged', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder, args: ['--log-level', 'trace', '--grace', '1', '--max-body', '2048'] });
  const secrets = new Set([(await readFile(join(folder, 'secret'), 'utf8')).trim()]);
  const { url } = server;

  const stream = await EventReader.open(t, `${url}/events?name=alice`);
  const alice = (await stream.next()).data as { token: string; cursor: string };
  const bob = await newClient(server);
  for (const { token, cursor } of [alice, bob]) secrets.add(token).add(cursor);
  const { token, cursor } = alice;
  // Whatever makes a log line: what goes well, and every kind of refusal, with the credential in each place it can be in.
  const tokens = [token, bob.token, `${token}x`, token.replace('_1_', '_2_')];
  const messages = `${url}/clients/1/messages`;
  for (const each of tokens) {
    secrets.add(each);
    const inQuery = encodeURIComponent(each);
    await ask(messages, { json: { text: 'well' }, token: each });
    await ask(messages, { body: '{', headers: { 'content-type': 'application/json' }, token: each });
    await ask(messages, { json: { text: 'x'.repeat(4000) }, token: each });
    await ask(messages, { body: Buffer.from([0xff]), headers: { 'content-type': 'text/plain' }, token: each });
    await ask(messages, { body: 'x', headers: { 'content-type': `text/${each}` }, token: each });
    await ask(messages, { token: each });
    await ask(`${messages}?after=${cursor}&limit=0`, { token: each });
    await ask(`${messages}?token=${inQuery}`);
    await ask(`${url}/clients/1`, { method: 'PATCH', json: { nam: each }, token: each });
    await ask(`${url}/clients/99`, { method: 'DELETE', token: each });
    await ask(`${url}/nowhere?token=${inQuery}`, { token: each });
    await ask(`${url}/nowhere#${inQuery}`);
    await ask(`${url}/%?token=${inQuery}`);
    await ask(`${url}/clients/1?token=${inQuery}`, { method: 'PUT' });
    await ask(`${url}/events?name=&token=${inQuery}`);
    await ask(`${url}/events?token=${inQuery}`, { headers: { accept: 'image/png' } });
    await ask(messages, { json: { text: 'x' }, headers: { origin: 'https://elsewhere.example' }, token: each });
    await ask(messages, { json: { text: 'x' }, headers: { host: 'elsewhere.example' }, token: each });
    await raw(server, `GET /events?token=${inQuery} HTTP/1.1\r\nbroken\r\n\r\n`);
    await raw(server, `GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${each.repeat(400)}\r\n\r\n`);
  }
  for (const query of [`token=${token}`, `after=${cursor}`, `lastEventId=${cursor}x`, `tokn=${token}&after=x`]) {
    const other = await EventReader.open(t, `${url}/events?${query}`, { 'last-event-id': cursor });
    const { token: given, cursor: place } = (await other.next()).data as { token: string; cursor: string };
    secrets.add(given).add(place);
    other.close();
  }
  const last = await ask(messages, { json: { text: 'the last' } });
  await stream.until(({ events }) => events.at(-1)?.data.id === last.json.id);
  for (const { id } of stream.events) if (id !== undefined) secrets.add(id);
  stream.close();
  await ask(`${url}/clients/2`, { method: 'DELETE', token: bob.token });
  // Away for its grace time, and then gone: that is logged or not, but never with what it was known by.
  while ((await ask(`${url}/clients/1`)).status !== 410) await new Promise((resolve) => setTimeout(resolve, 50));
  await ask(messages, { token });
  await server.end('SIGTERM');

  const output = server.output();
  t.match(output, /Server started listening/);
  t.ok(output.split('\n').length > 50, `there is a log (${output.split('\n').length} lines)`);
  // Their ends nobody can guess: one of those gives it away as well as the whole.
  const ends = [...secrets].map((secret) => secret.slice(-16));
  t.same(
    ends.filter((end) => output.includes(end)),
    [],
    `none of ${secrets.size} is in it`,
  );
});

interface Admission {
  readonly token: string;
  readonly cursor: string;
}

async function newClient(server: ServerProcess): Promise<Admission> {
  return (await ask(`${server.url}/clients`, { method: 'POST' })).json as unknown as Admission;
}

function readMailbox(server: ServerProcess, token: string) {
  return ask(`${server.url}/clients/1/messages`, { token });
}

/** Sends these bytes as they are, and reads whatever comes until the connection ends. */
async function raw(server: ServerProcess, bytes: string): Promise<string> {
  const socket = connectTo(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(bytes);
  // A reset is as good an end as any other here.
  return textOf(socket).catch(() => '');
}
