import t, { type Test } from 'tap';
import type { Directory, Engine, Json, Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { Hub } from '../../src/hub/hub.js';
import { entry, type Place, RETENTION, topic } from '../engine/contract.js';
import { natsPlace } from '../engine/nats-place.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const SECRET = 's'.repeat(32);

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function recordsOf(directory: Directory, prefix = ''): Promise<Map<string, Json>> {
  const records = new Map<string, Json>();
  const stop = await directory.watch(prefix, ({ key, record }) => record && records.set(key, record.value));
  stop();
  return records;
}

async function openIn(t: Test, place: Place): Promise<Engine> {
  const engine = await place.open();
  t.teardown(() => engine.close());
  return engine;
}

async function openHub(t: Test, engine: Engine): Promise<Hub> {
  const hub = await Hub.open(engine, { secret: SECRET, grace: 60_000, onError: (error) => t.error(error) });
  t.teardown(() => hub.close());
  return hub;
}

async function tests(): Promise<void> {
  const nats = await startNats(t);
  const folder = async (t: Test): Promise<Place> => {
    const folder = await temporaryFolder(t);
    return { open: () => openLmdbEngine({ folder, retention: RETENTION }) };
  };
  const places: Record<string, (t: Test) => Promise<Place>> = {
    embedded: folder,
    nats: async () => natsPlace(nats.url(placeName()), 1),
  };

  for (const [name, newPlace] of Object.entries(places)) {
    await t.test(
      `${name}: what belonged to clients that are gone goes at the next start, and nothing else`,
      async (t) => {
        const place = await newPlace(t);
        const before = await place.open();
        const { directory, log } = before;
        const hub = await Hub.open(before, { secret: SECRET, grace: 60_000 });
        const stays = (await hub.clients.join('stays', ['lobby'], 0 as Seq)).index;
        const first = await hub.clients.ofSubject('jwt.a', 'a', 0 as Seq);
        const room = await hub.clients.makePrivateRoom(stays, 'den', 0 as Seq);
        await hub.markRead(stays, { mailbox: 1 as Seq });
        await log.append([entry(`client.${stays}`, 'kept')]);
        hub.close();
        const value = (await directory.get(`client/${first}`))?.value as Record<string, Json>;
        const [second, removed, gone, mute] = [
          await directory.allocate('client'),
          await directory.allocate('client'),
          await directory.allocate('client'),
          await directory.allocate('client'),
        ] as [number, number, number, number];
        // As processes leave them that are killed between two writes.
        await directory.put(`client/${second}`, value, null);
        await directory.put(`client/${removed}`, { ...value, subject: undefined, removed: true }, null);
        await directory.put(`subject/jwt.b`, { client: gone }, null);
        for (const index of [removed, gone]) {
          await directory.put(`read/${index}`, { mailbox: 1, rooms: [] }, null);
          await log.append([entry(`client.${index}`, 'of nobody')]);
        }
        await log.append([entry(`client.${mute}`, 'of nobody')]);
        const den = await directory.get(`room/${room}`);
        const invited = [gone, first, mute];
        await directory.put(`room/${room}`, { ...(den?.value as object), invited }, den?.revision ?? null);
        // An index that was not handed out yet may be another process's in a moment.
        await directory.put('read/1000', { mailbox: 1, rooms: [] }, null);
        await before.close();

        const after = await openIn(t, place);
        await openHub(t, after);
        const keysWanted = [
          `client/${first}`,
          `client/${stays}`,
          'read/1000',
          `read/${stays}`,
          `room/${room}`,
          'room/lobby',
          'subject/jwt.a',
        ].sort();
        await waitFor(async () => (await recordsOf(after.directory)).size <= keysWanted.length);
        t.same([...(await recordsOf(after.directory)).keys()].sort(), keysWanted);
        await waitFor(async () => {
          const { invited } = (await recordsOf(after.directory, 'room/')).get(`room/${room}`) as { invited: number[] };
          return invited.length === 1 && invited[0] === first;
        });
        await waitFor(async () => (await after.log.topics('client.')).length === 1);
        t.same(await after.log.topics('client.'), [`client.${stays}`]);
        t.equal(await after.log.count(topic(`client.${stays}`), 0 as Seq), 1);
      },
    );
  }

  await t.test('what clients have that are made meanwhile stays', async (t) => {
    const place = natsPlace(nats.url(placeName()), 1);
    const engine = await openIn(t, place);
    const hub = await openHub(t, engine);
    let [begun, made] = [0, 0];
    const make = async () => {
      const { index } = await hub.clients.join(null, [`r${begun++}`], 0 as Seq);
      await engine.log.append([entry(`client.${index}`, 'x')]);
      await hub.markRead(index, { mailbox: 1 as Seq });
      made++;
    };
    let opening = true;
    const making = (async () => {
      while (opening) await Promise.all(Array.from({ length: 10 }, make));
    })();
    for (let round = 0; round < 3; round++) {
      const other = await place.open();
      (await Hub.open(other, { secret: SECRET, grace: 60_000 })).close();
      await other.close();
    }
    opening = false;
    await making;
    t.ok(made > 0);
    t.equal((await recordsOf(engine.directory, 'client/')).size, made);
    t.equal((await recordsOf(engine.directory, 'read/')).size, made);
    t.equal((await recordsOf(engine.directory, 'room/')).size, made);
    t.equal((await engine.log.topics('client.')).length, made);
  });

  await t.test('what is left of clients that leave while their server is killed goes', async (t) => {
    const COUNT = 300;
    const server = await spawnServer(t, {
      folder: await temporaryFolder(t),
      args: ['--grace', '1', '--engine', 'lmdb'],
    });
    await Promise.all(
      Array.from({ length: COUNT }, async () => {
        const { json } = await ask(`${server.url}/clients`, { json: {} });
        const { client, token } = json as unknown as { client: { index: number }; token: string };
        const path = `${server.url}/clients/${client.index}`;
        await ask(`${path}/messages`, { json: { text: 'x' } });
        await ask(`${path}/read`, { method: 'PUT', json: { mailbox: '1' }, token });
      }),
    );
    await waitFor(async () => ((await ask(`${server.url}/clients?limit=1`)).json.total as number) < COUNT);
    await server.end('SIGKILL');
    const engine = await openLmdbEngine({ folder: server.folder, retention: RETENTION });
    t.teardown(() => engine.close());
    t.comment(`${(await recordsOf(engine.directory, 'read/')).size} marks of ${COUNT} were left`);
    await openHub(t, engine);
    await waitFor(async () => {
      const [clients, read, topics] = [
        await recordsOf(engine.directory, 'client/'),
        await recordsOf(engine.directory, 'read/'),
        await engine.log.topics('client.'),
      ];
      return (
        [...read.keys()].every((key) => clients.has(key.replace('read', 'client'))) &&
        topics.every((topic) => clients.has(topic.replace('.', '/')))
      );
    });
  });
}
