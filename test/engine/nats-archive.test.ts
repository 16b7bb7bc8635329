import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { EngineUnusable, type Engine, type Entry, type Seq, type Topic } from '../../src/engine/engine.js';
import { openFileSource } from '../../src/engine/file/source.js';
import { openFileTarget } from '../../src/engine/file/target.js';
import { openLmdbSource } from '../../src/engine/lmdb/archive-source.js';
import { openLmdbRestoration, openLmdbTarget } from '../../src/engine/lmdb/archive-target.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { keptSecret } from '../../src/engine/lmdb/secret.js';
import { move } from '../../src/engine/move.js';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { openNatsBackupSource, openNatsSource } from '../../src/engine/nats/archive-source.js';
import { openNatsTarget } from '../../src/engine/nats/archive-target.js';
import { openNatsEngine } from '../../src/engine/nats/index.js';
import { temporaryFolder } from '../support/folder.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { archiveContract } from './archive.js';
import { entry, RETENTION, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

const TOPICS = ['client.1', 'client.2', 'room.lobby'].map(topic);

if (natsMissing) t.plan(0, natsMissing);
else await run();

async function run(): Promise<void> {
  const nats = await startNats(t);
  const addressOf = (name: string) => parseNatsAddress(nats.url(name)) as NatsAddress;

  archiveContract(
    'nats',
    async () => {
      const name = placeName();
      const address = addressOf(name);
      return {
        ...natsPlace(nats.url(name), 1),
        source: (now) => openNatsSource({ address, now }),
        target: () => openNatsTarget({ address }),
      };
    },
    8,
  );

  void t.test('from a folder to NATS and back, with places far apart, all is the same', async (t) => {
    const [from, back] = [await temporaryFolder(t), await temporaryFolder(t)];
    const address = addressOf(placeName());
    const old = await openLmdbEngine({ folder: from, retention: RETENTION });
    for (const [name, count] of [
      ['gone', 3_000],
      ['client.1', 5],
      ['gone', 5_000],
      ['room.lobby', 3],
      ['gone', 70],
    ] as const) {
      await old.log.append(Array.from({ length: count }, (_, n) => entry(topic(name), `${name} ${n}`)));
    }
    await old.log.drop(topic('gone'));
    await old.directory.allocate('client');
    await old.directory.put('client/1', { name: 'alice.b' }, null);
    const before = await contentOf(old);
    t.equal(before.last, 8_078);
    await old.close();
    const secret = await keptSecret(from);
    const folder = await temporaryFolder(t);
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];

    await through(await openLmdbSource(from), () => openFileTarget(one));
    await through(await openFileSource(one), () => openNatsTarget({ address }));
    const moved = await openNatsEngine({ address, retention: RETENTION });
    t.same(await contentOf(moved), before);
    t.same(moved.secret, secret);
    await moved.close();
    await through(await openNatsSource({ address }), () => openFileTarget(two));
    const contents = async (path: string) => (await readFile(path, 'utf8')).split('\n').slice(1);
    t.same(await contents(two), await contents(one), 'but for the header the same file');
    await through(await openFileSource(two), () => openLmdbTarget(back));
    const again = await openLmdbEngine({ folder: back, retention: RETENTION });
    t.same(await contentOf(again), before);
    await again.close();
    t.same(await keptSecret(back), secret);
  });

  void t.test(
    'what is in use is neither written out nor filled; where there is nothing, nothing is made',
    async (t) => {
      const address = addressOf(placeName());
      const none = { constructor: EngineUnusable, message: /^There is no data[^\n]*$/ };
      await t.rejects(openNatsSource({ address }), none);
      await t.rejects(openNatsSource({ address }), none);
      const engine = await openNatsEngine({ address, retention: RETENTION });
      const refused = { constructor: EngineUnusable, message: /^Another InterChat uses[^\n]*$/ };
      await t.rejects(openNatsSource({ address }), refused);
      const target = await openNatsTarget({ address });
      const summary = { epoch: 'other', snapshot: '1', last: 0 as Seq, series: {} };
      await t.rejects(target.begin(summary), refused);
      await target.close();
      await engine.close();
    },
  );

  void t.test('to write it out changes nothing; a change while that is done is noticed', async (t) => {
    const address = addressOf(placeName());
    await (await openNatsEngine({ address, retention: RETENTION })).close();
    const first = await openNatsSource({ address });
    const summary = await first.summary();
    await first.close();
    const second = await openNatsSource({ address });
    t.same(await second.summary(), summary);
    const engine = await openNatsEngine({ address, retention: RETENTION });
    await engine.directory.put('client/1', 1, null);
    const file = join(await temporaryFolder(t), 'file');
    await engine.close();
    const rest = { ...second, summary: async () => summary, entries: (after: Seq) => second.entries(after) };
    await t.rejects(
      move(
        { ...rest, floors: () => second.floors(), records: () => second.records(), close: () => second.close() },
        () => openFileTarget(file),
      ),
      { constructor: EngineUnusable, message: /^Something was changed[^\n]*$/ },
    );
    await second.close();
  });

  void t.test('a backup while nodes write and trim hides no gap, and no number in it is given again', async (t) => {
    const address = addressOf(placeName());
    const retention = { ...RETENTION, maxEntries: 20 };
    const engines = [await openNatsEngine({ address, retention }), await openNatsEngine({ address, retention })];
    t.teardown(() => Promise.all(engines.map((engine) => engine.close())));
    const acknowledged = new Map<Topic, number[]>(TOPICS.map((one) => [one, []]));
    let records = 0;
    let writing = true;
    const writers = engines.map(async ({ log, directory }) => {
      while (writing) {
        for (const one of TOPICS) {
          const [appended] = await log.append([entry(one, 'x'.repeat(500))]);
          acknowledged.get(one)?.push(appended?.seq as number);
        }
        await directory.put(`client/${await directory.allocate('client')}`, { name: 'x' }, null);
        records++;
      }
    });
    await waitFor(async () => records >= 20);
    for (let round = 0; round < 3; round++) {
      const before = new Map([...acknowledged].map(([one, seqs]) => [one, [...seqs]]));
      const source = await openNatsBackupSource({ address });
      const { last, series } = await source.summary();
      const floors = new Map<Topic, number>();
      for await (const { topic, floor } of source.floors()) floors.set(topic, floor);
      const clients: number[] = [];
      for await (const { key } of source.records()) clients.push(Number(key.slice('client/'.length)));
      const seqs = new Set<number>();
      for await (const { seq } of source.entries(0 as Seq)) seqs.add(seq);
      await source.close();
      t.ok(Math.max(...clients) <= (series.client ?? 0));
      t.ok(Math.max(...seqs) <= last);
      for (const [one, places] of before) {
        const missing = places.filter((seq) => seq > (floors.get(one) ?? 0) && !seqs.has(seq));
        t.same(missing, [], `${one}: what was acknowledged before is in the backup, or below the floor`);
      }
    }
    writing = false;
    await Promise.all(writers);

    const folder = await temporaryFolder(t);
    await through(await openNatsBackupSource({ address }), () => openLmdbRestoration(folder));
    const restored = await openLmdbEngine({ folder, retention: RETENTION });
    t.teardown(() => restored.close());
    const one = engines[0] as Engine;
    for (const name of TOPICS) {
      const bodies = (found: readonly Entry[]) => found.map(({ seq, body }) => [seq, Buffer.from(body).toString()]);
      const there = bodies(await restored.log.read(name, { limit: 1_000 }));
      const newest = bodies(await one.log.read(name, { limit: 1_000 }));
      t.same(there.slice(-newest.length), newest);
    }
    t.equal(await restored.directory.allocated('client'), await one.directory.allocated('client'));
    t.ok((await restored.log.last()) > (await one.log.last()), 'the next id was not given before');
  });
}

async function through(source: Awaited<ReturnType<typeof openFileSource>>, openTarget: Parameters<typeof move>[1]) {
  try {
    return await move(source, openTarget);
  } finally {
    await source.close();
  }
}

async function contentOf({ log, directory }: Engine) {
  const entries = await Promise.all(TOPICS.map((one) => log.read(one, { limit: 100 })));
  return {
    epoch: log.epoch,
    last: await log.last(),
    entries: entries.flat().map((one) => ({ ...one, body: Buffer.from(one.body).toString() })),
    bounds: await Promise.all(TOPICS.map((one) => log.bounds(one))),
    allocated: await directory.allocated('client'),
    record: (await directory.get('client/1'))?.value,
  };
}
