import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import type { ArchiveSource, ArchiveSummary } from '../../src/engine/archive.js';
import { type Engine, EngineUnusable, type Entry, type Seq } from '../../src/engine/engine.js';
import { openFileSource } from '../../src/engine/file/source.js';
import { openFileTarget, openNewFileTarget } from '../../src/engine/file/target.js';
import { openLmdbBackupSource, openLmdbSource } from '../../src/engine/lmdb/archive-source.js';
import { openLmdbRestoration, openLmdbTarget } from '../../src/engine/lmdb/archive-target.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { move } from '../../src/engine/move.js';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { openNatsBackupSource, openNatsSource } from '../../src/engine/nats/archive-source.js';
import { openNatsRestoration, openNatsTarget } from '../../src/engine/nats/archive-target.js';
import { openNatsEngine } from '../../src/engine/nats/index.js';
import { type LogSegment, LogPlaces } from '../../src/engine/nats/log-places.js';
import { Names } from '../../src/engine/nats/names.js';
import { temporaryFolder } from '../support/folder.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { entry, RETENTION, textsOf, topic } from './contract.js';
import { erasingContract } from './contract/erasing.js';
import { type NewPlace } from './contract/place.js';
import { togetherContract } from './contract/together.js';
import { topicsContract } from './contract/topics.js';
import { natsPlace } from './nats-place.js';

const A = topic('client.1');
const B = topic('room.lobby');
const ALL = { limit: 1_000 };

/** More than a log without segments could leave out. */
const FAR = 1e14;

void t.test('places and sequences of a log with segments', async (t) => {
  const places = new LogPlaces();
  const segments: LogSegment[] = [
    { fromSeq: 4, fromPlace: 100 },
    { fromSeq: 6, fromPlace: 1_000 },
  ];
  const bucket = { read: async () => ({ value: segments }) };
  t.equal(places.toPlace(7), 7);
  t.equal(places.toSequence(7), 7);
  await places.load(bucket as unknown as Parameters<LogPlaces['load']>[0]);
  const expected = [0, 1, 2, 3, 100, 101, 1_000, 1_001];
  t.same(
    expected.map((_, seq) => places.toPlace(seq)),
    expected,
  );
  for (let place = 0; place <= 1_001; place++) {
    const before = expected.findLastIndex((one) => one <= place);
    if (places.toSequence(place) !== before) t.fail(`place ${place}`);
    if (places.sequenceAt(place) !== (expected[before] === place ? before : undefined)) t.fail(`exactly ${place}`);
  }
});

if (natsMissing) t.comment(natsMissing);
else await run();

async function run(): Promise<void> {
  const nats = await startNats(t);
  const newAddress = () => parseNatsAddress(nats.url(placeName())) as NatsAddress;
  const open = (t: Test, address: NatsAddress, retention = RETENTION) =>
    opened(t, openNatsEngine({ address, retention }));

  void t.test('a backup of a folder is restored into NATS, and goes on from there', async (t) => {
    const [folder, archives] = [await temporaryFolder(t), await temporaryFolder(t)];
    const old = await openLmdbEngine({ folder, retention: RETENTION });
    const [, kept] = await old.log.append(['0', '1', '2', '3'].map((text, n) => entry(n % 2 ? B : A, text)));
    await old.directory.allocate('client');
    await old.directory.put('client/1', { name: 'alice' }, null);
    const file = join(archives, 'backup');
    await through(await openLmdbBackupSource(folder), () => openNewFileTarget(file));
    const [lost] = await old.log.append([entry(A, 'lost')]);
    const { epoch } = old.log;
    await old.close();

    const address = newAddress();
    await through(await openFileSource(file, 'backup'), () => openNatsRestoration({ address }));
    t.equal(await through(await openFileSource(file, 'backup'), () => openNatsRestoration({ address })), undefined);
    const [one, two] = [await open(t, address), await open(t, address)];
    t.not(one.log.epoch, epoch);
    const [restoration] = one.log.restorations;
    t.match(restoration, { epoch, after: 4, series: { client: 1 } });
    t.ok((restoration?.upTo as number) > (lost?.seq as number));
    t.equal(await one.log.last(), restoration?.upTo);
    t.same(placesOf(await one.log.read(A, ALL)), { 1: '0', 3: '2' });
    t.equal(((await one.directory.get('client/1'))?.value as { name?: string }).name, 'alice');

    const told: Entry[] = [];
    await two.log.follow(A, (arrived) => told.push(arrived as Entry));
    const [five, six] = await one.log.append([entry(A, '5'), entry(A, '6', { dedup: { key: 'k', note: 'n' } })]);
    t.ok((five?.seq as number) > (restoration?.upTo as number), 'no place is given twice');
    t.match(await two.log.append([entry(A, 'again', { dedup: { key: 'k', note: 'n' } })]), [
      { seq: six?.seq, duplicate: { note: 'n' } },
    ]);
    await waitFor(async () => told.length === 2);
    t.same(placesOf(told), { [five?.seq as number]: '5', [six?.seq as number]: '6' });
    for (const { log } of [one, two]) {
      t.same(textsOf(await log.read(A, ALL)), ['0', '2', '5', '6']);
      t.same(textsOf(await log.read(A, { after: 3 as Seq, limit: 9 })), ['5', '6']);
      t.same(textsOf(await log.read(A, { after: FAR as Seq, limit: 9 })), ['5', '6'], 'from within the gap');
      t.same(textsOf(await log.read(A, { before: FAR as Seq, limit: 1, newest: true })), ['2']);
      t.same(textsOf(await log.read(A, { after: five?.seq, limit: 9 })), ['6']);
      t.equal(await log.count(A, FAR as Seq), 2);
      t.match(await log.bounds(A), { oldest: 1, newest: six?.seq });
    }
    t.notOk(await one.log.erase(B, FAR as Seq), 'there is nothing in the gap');
    t.ok(await one.log.erase(B, kept?.seq as Seq));
    t.ok(await two.log.erase(A, five?.seq as Seq));
    t.same(textsOf(await one.log.read(A, ALL)), ['0', '2', '6']);
    t.same(textsOf(await two.log.read(B, ALL)), ['3']);
    await one.log.drop(B);
    await two.log.append([entry(B, 'anew')]);
    t.same(textsOf(await one.log.read(B, ALL)), ['anew']);
    await Promise.all([one.close(), two.close()]);

    const trimming = await open(t, address, { ...RETENTION, maxEntries: 1 });
    await waitFor(async () => (await trimming.log.bounds(A)).oldest === six?.seq);
    t.equal((await trimming.log.bounds(A)).floor, 3);
    t.same(textsOf(await trimming.log.read(A, ALL)), ['6']);
    await trimming.close();
  });

  void t.test('a restored log moves to NATS and back, and is backed up and restored again', async (t) => {
    const [folder, archives] = [await temporaryFolder(t), await temporaryFolder(t)];
    const first = await openLmdbEngine({ folder, retention: RETENTION });
    await first.log.append([entry(A, 'first')]);
    await first.close();
    const restored = join(archives, 'restored');
    const backup = join(archives, 'backup');
    await through(await openLmdbBackupSource(folder), () => openNewFileTarget(backup));
    await through(await openFileSource(backup), () => openLmdbRestoration(restored));
    const second = await openLmdbEngine({ folder: restored, retention: RETENTION });
    await second.log.append([entry(B, 'second')]);
    const before = await stateOf(second);
    await second.close();

    const address = newAddress();
    const exported = join(archives, 'exported');
    await through(await openLmdbSource(restored), () => openFileTarget(exported));
    await through(await openFileSource(exported, 'export'), () => openNatsTarget({ address }));
    const moved = await open(t, address);
    t.same(await stateOf(moved), before);
    await moved.log.append([entry(A, 'third')]);
    const third = await stateOf(moved);

    const again = newAddress();
    await through(await openNatsBackupSource({ address }), () => openNatsRestoration({ address: again }));
    await moved.close();
    const engine = await open(t, again);
    const there = await stateOf(engine);
    t.same(there.entries, third.entries);
    t.match(there.restorations, [{ upTo: before.restorations[0]?.upTo }, { epoch: third.epoch, after: third.last }]);
    await engine.log.append([entry(A, 'fourth')]);
    const last = await stateOf(engine);
    t.ok(last.last > there.last && there.last > third.last);
    await engine.close();

    const back = join(archives, 'back');
    await through(await openNatsSource({ address: again }), () => openLmdbTarget(back));
    const folderAgain = await opened(t, openLmdbEngine({ folder: back, retention: RETENTION }));
    t.same(await stateOf(folderAgain), last);
  });

  void t.test('an interrupted restoration is gone on with; until its end no node opens it', async (t) => {
    const address = newAddress();
    const places = [1, 2, 3, FAR, FAR + 1];
    const archive = (end: number): ArchiveSource => ({
      ...archiveOf(places),
      async *entries(after) {
        yield* archiveOf(places.slice(0, end)).entries(after);
        if (end <= places.length) throw new Error('cut');
      },
    });
    const restore = (end: number) => move(archive(end), () => openNatsRestoration({ address }));
    for (let end = 1; end <= places.length; end++) await t.rejects(restore(end), /cut/);
    const refused = { constructor: EngineUnusable, message: /^A restoration into [^\n]*Run it again[^\n]*$/ };
    await t.rejects(openNatsEngine({ address, retention: RETENTION }), refused);
    await t.rejects(openNatsSource({ address }), refused);
    const other = await openNatsTarget({ address });
    await t.rejects(other.begin(SUMMARY), /or restoration, has not come to its end/);
    await other.close();
    t.ok(await restore(Infinity));
    const engine = await open(t, address);
    t.same(Object.keys(placesOf(await engine.log.read(A, ALL))).map(Number), places);
    t.equal(engine.log.restorations.length, 1);
    await engine.close();
  });

  for (const lost of ['bucketStream', 'log'] as const) {
    void t.test(`places go on after the loss of a stream of a restored log: ${lost}`, async (t) => {
      const address = newAddress();
      await move(archiveOf([1, FAR]), () => openNatsRestoration({ address }));
      const before = await open(t, address);
      const [appended] = await before.log.append([entry(A, 'before')]);
      const known = await before.log.last();
      await before.close();
      const connection = await connect({ servers: nats.servers.map(({ url }) => url) });
      t.teardown(() => connection.close());
      const { streams } = await jetstreamManager(connection, { checkAPI: false });
      await streams.delete(new Names(address.name)[lost]);
      await t.rejects(openNatsEngine({ address, retention: RETENTION }), EngineUnusable);
      const retention = { ...RETENTION, forever: [A] };
      const { log } = await opened(t, openNatsEngine({ address, retention, acceptLoss: true }));
      const there = lost === 'log' ? {} : { 1: '1', [FAR]: String(FAR), [appended?.seq as number]: 'before' };
      t.same(placesOf(await log.read(A, ALL)), there);
      const [after] = await log.append([entry(A, 'after')]);
      t.ok((after?.seq as number) > known, 'no place is given twice');
      t.ok((log.restorations.at(-1)?.upTo as number) >= known);
    });
  }

  const beginsFar: NewPlace = async () => {
    const url = nats.url(placeName());
    const address = parseNatsAddress(url) as NatsAddress;
    const target = await openNatsRestoration({ address });
    await target.begin({ ...SUMMARY, last: 0 as Seq });
    await target.finish();
    await target.close();
    return natsPlace(url, 1);
  };
  for (const contract of [erasingContract, togetherContract, topicsContract]) {
    void t.test(`${contract.name} in a log that begins with a gap`, (t) => contract(t, beginsFar));
  }
}

/** An archive with an entry at each of these places. */
function archiveOf(places: readonly number[]): ArchiveSource {
  return {
    summary: async () => SUMMARY,
    async *floors() {},
    async *records() {},
    async *entries(after) {
      for (const seq of places)
        if (seq > after) yield { ...entry(A, String(seq)), seq: seq as Seq, appendedAt: Date.now() };
    },
    close: async () => undefined,
  };
}

const SUMMARY: ArchiveSummary = { epoch: 'epoch', snapshot: '1', last: (FAR + 1) as Seq, series: {} };

async function opened(t: Test, opening: Promise<Engine>): Promise<Engine> {
  const engine = await opening;
  t.teardown(() => engine.close());
  return engine;
}

async function through(source: ArchiveSource, openTarget: Parameters<typeof move>[1]) {
  try {
    return await move(source, openTarget);
  } finally {
    await source.close();
  }
}

function placesOf(entries: readonly Entry[]): Record<number, string> {
  return Object.fromEntries(entries.map(({ seq, body }) => [seq, Buffer.from(body).toString()]));
}

async function stateOf({ log }: Engine) {
  return {
    epoch: log.epoch,
    last: await log.last(),
    restorations: log.restorations,
    entries: [placesOf(await log.read(A, ALL)), placesOf(await log.read(B, ALL))],
  };
}
