/**
 * Writes a data folder of the format that `dist/` has, with something of everything, for upgrade.test.ts:
 *
 *     npm run build && node test/upgrade/make-fixture.js test/upgrade/format-2
 *
 * Those that are there stay as they are: a new format gets a new one.
 */
import { Buffer } from 'node:buffer';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { fetch } from 'undici';
import { startServer } from '../../dist/cli/server.js';
import { readConfig } from '../../dist/config.js';
import { operatorToken } from '../../dist/hub/credentials.js';

const PASSWORD = 'correct horse battery staple';

const [folder] = process.argv.slice(2);
const data = await mkdtemp(join(tmpdir(), 'interchat-'));
const server = await startServer({ ...readConfig(['--data', data], {}), port: 0, keepMessages: 5 });
const operator = operatorToken(Buffer.from((await readFile(join(data, 'secret'), 'utf8')).trim(), 'base64url'));

async function ask(method, path, { json, token, headers } = {}) {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: {
      ...(json && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: json && JSON.stringify(json),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

const client = async (name, rooms) => {
  const made = await ask('POST', '/clients', { json: { name, rooms } });
  return { index: made.client.index, token: made.token, cursor: made.cursor };
};
const say = async (path, text, options = {}) => (await ask('POST', path, { json: { text }, ...options })).id;

const madeAt = Date.now();
const alice = await client('alice', ['lobby']);
const bob = await client('bob', ['lobby']);
const gone = await client('gone', []);
await ask('DELETE', `/clients/${gone.index}`, { token: gone.token });
const lobby = [];
for (const text of ['one', 'two', 'three'])
  lobby.push(await say('/rooms/lobby/messages', text, { token: alice.token }));
const mailbox = [];
for (let n = 1; n <= 8; n++) mailbox.push(await say(`/clients/${bob.index}/messages`, `private ${n}`));
const key = 'once';
const keyed = await say(`/clients/${alice.index}/messages`, 'once', { headers: { 'idempotency-key': key } });
const everyone = (await ask('POST', '/messages', { json: { to: { everyone: true }, text: 'to all' } })).id;
await ask('POST', '/messages', { json: { to: { client: alice.index }, text: 'soon over', ttl: 1 } });
await ask('PUT', `/clients/${alice.index}/read`, { json: { rooms: { lobby: lobby[0] } }, token: alice.token });

await ask('PUT', '/rooms/team', { json: { private: true }, token: alice.token });
await ask('PUT', `/rooms/team/invitations/${bob.index}`, { token: alice.token });
const team = await say('/rooms/team/messages', 'among us', { token: alice.token });

await ask('POST', '/accounts', { json: { name: 'carol', password: PASSWORD, may: ['admin'] }, token: operator });
const carol = await ask('POST', '/sessions', { json: { name: 'carol', password: PASSWORD } });
await ask('PUT', `/rooms/lobby/members/${carol.client.index}`, { token: carol.token });
const robot = await ask('POST', '/keys', {
  json: { name: 'robot', may: ['list', 'send:room/lobby'] },
  token: operator,
});
const ban = { address: '192.0.2.1', reason: 'a test', seconds: 3600 };
await ask('POST', '/bans', { json: ban, token: operator });
await ask('DELETE', `/rooms/lobby/messages/${lobby[1]}`, { token: carol.token });

// The mailbox of bob has been trimmed by then.
for (;;) if ((await ask('GET', `/clients/${bob.index}/messages`, { token: bob.token })).messages.length === 5) break;
await server.stop();

const known = { madeAt, alice, bob, carol: { index: carol.client.index, password: PASSWORD }, robot: robot.key };
const ids = { lobby, mailbox, keyed, everyone, team };
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'log.mdb.gz'), gzipSync(await readFile(join(data, 'log.mdb')), { level: 9 }));
await writeFile(join(folder, 'secret'), await readFile(join(data, 'secret')));
await writeFile(join(folder, 'known.json'), `${JSON.stringify({ ...known, key, ids }, null, 2)}\n`);
await rm(data, { recursive: true });
