import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Topic } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

/** What make-fixture.js has written beside each data folder. */
interface Known {
  readonly madeAt: number;
  readonly alice: Client;
  readonly bob: Client;
  readonly carol: { readonly index: number; readonly password: string };
  readonly robot: string;
  readonly key: string;
  readonly ids: Readonly<Record<'lobby' | 'mailbox', string[]> & Record<'keyed' | 'everyone' | 'team', string>>;
}

interface Client {
  readonly index: number;
  readonly token: string;
  readonly cursor: string;
}

/** In the sources, as they are not compiled along. */
const FIXTURES = new URL('../../test/upgrade/', import.meta.url);

/** A copy of what an earlier version has left. */
async function copyOf(t: Test, name: string): Promise<{ folder: string; known: Known }> {
  const fixture = new URL(`${name}/`, FIXTURES);
  const folder = join(await temporaryFolder(t), 'data');
  await mkdir(folder, { mode: 0o700 });
  const file = gunzipSync(await readFile(new URL('log.mdb.gz', fixture)));
  await writeFile(join(folder, 'log.mdb'), file, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), await readFile(new URL('secret', fixture)), { mode: 0o600 });
  return { folder, known: JSON.parse(await readFile(new URL('known.json', fixture), 'utf8')) as Known };
}

for (const name of ['format-2', 'format-3']) {
  void t.test(`${name}: whoever was there is there, with all that was theirs`, async (t) => {
    const { folder, known } = await copyOf(t, name);
    const { alice, bob, carol, ids } = known;
    const { url } = await startServer(t, { data: folder, engine: 'lmdb', keepMessages: 5, keepDays: 36_500 });
    const texts = ({ json }: { json: Record<string, unknown> }) =>
      (json.messages as { id: string; text: string }[]).map(({ id, text }) => [id, text]);

    t.same(texts(await ask(`${url}/rooms/lobby/messages`)), [
      [ids.lobby[0], 'one'],
      [ids.lobby[2], 'three'],
    ]);
    t.same(texts(await ask(`${url}/messages`, { token: alice.token })), [[ids.everyone, 'to all']]);
    const mailbox = await ask(`${url}/clients/${bob.index}/messages?after=${bob.cursor}`, { token: bob.token });
    t.same(
      texts(mailbox),
      ids.mailbox.slice(3).map((id, n) => [id, `private ${n + 4}`]),
    );
    t.match(mailbox.json, { gap: true });
    t.same(texts(await ask(`${url}/clients/${alice.index}/messages`, { token: alice.token })), [[ids.keyed, 'once']]);
    const read = await ask(`${url}/clients/${alice.index}/read`, { token: alice.token });
    t.match(read.json, { rooms: { lobby: ids.lobby[0] }, unread: { rooms: { lobby: 1 } } });
    t.equal((await ask(`${url}/clients/3`)).status, 410, 'who has left has');

    t.equal((await ask(`${url}/rooms/team/messages`)).status, 404);
    const team = await ask(`${url}/rooms/team/messages`, { token: alice.token });
    t.same(texts(team), [[ids.team, 'among us']]);
    t.match((await ask(`${url}/clients/${bob.index}/invitations`, { token: bob.token })).json, {
      invitations: [{ room: 'team', owner: alice.index }],
    });

    const session = await ask(`${url}/sessions`, { json: { name: 'carol', password: carol.password } });
    t.match(session.json, { client: { index: carol.index, rooms: ['lobby'] } });
    const { token } = session.json as { token: string };
    const audit = await ask(`${url}/audit`, { token });
    t.equal(audit.status, 200);
    t.match(audit.text, /message.delete/);
    t.equal((await ask(`${url}/rooms/lobby/messages`, { json: { text: 'beep' }, token: known.robot })).status, 201);

    const back = await EventReader.open(t, `${url}/events`, { 'last-event-id': bob.cursor });
    t.match((await back.next()).data, { resumed: true, client: { index: bob.index, name: 'bob' }, token: bob.token });
    const sent = await ask(`${url}/clients/${bob.index}/messages`, { json: { text: 'today' } });
    t.equal(sent.status, 201);
    t.ok(Number(sent.json.id) > Number(ids.everyone), 'ids go on');
    await back.until(({ events }) => events.some(({ data }) => data.text === 'today'));
    t.same(
      back.events.filter(({ event }) => event === 'message').map(({ data }) => data.text),
      ['one', 'three', ...[4, 5, 6, 7, 8].map((n) => `private ${n}`), 'to all', 'beep', 'today'],
    );
    t.ok(back.events.some(({ event, data }) => event === 'deleted' && data.id === ids.lobby[1]));
    const { client } = (await ask(`${url}/clients`, { method: 'POST' })).json as { client: { index: number } };
    t.ok(client.index > carol.index, 'indexes go on');
  });

  void t.test(`${name}: a message is repeated under its key, and is the same`, async (t) => {
    const { folder, known } = await copyOf(t, name);
    const retention = { maxEntries: 1_000, maxAge: 1e12, dedupWindow: 600_000 };
    const engine = await openLmdbEngine({ folder, retention, now: () => known.madeAt + 60_000 });
    const topic = `client.${known.alice.index}` as Topic;
    const dedup = { key: ` ${known.key}`, note: '' };
    const [again] = await engine.log.append([{ topic, body: Buffer.from('{}'), dedup }]);
    t.match(again, { seq: Number(known.ids.keyed), duplicate: {} });
    await engine.close();
  });
}
