import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { type Engine, EngineUnavailable, type NewEntry, type Seq } from '../../src/engine/engine.js';
import { hashOf } from '../../src/engine/nats/dedup.js';
import { Names } from '../../src/engine/nats/names.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { entry, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

const LONG = 'n'.repeat(100_000);

const keyed = (key: string, note: string, text = 'x'): NewEntry => entry('a', text, { dedup: { key, note } });

async function client(t: Test, servers: readonly { readonly url: string }[]) {
  const connection = await connect({ servers: servers.map(({ url }) => url) });
  t.teardown(() => connection.close());
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  return { streams, js: jetstream(connection) };
}

async function isRepeat(t: Test, { log }: Engine, key: string, seq: Seq | undefined, note: string): Promise<void> {
  const [repeat] = await log.append([keyed(key, 'another')]);
  t.equal(repeat?.seq, seq, key);
  t.ok(repeat?.duplicate?.note === note, `the note of ${key}`);
}

void t.test('what one node trims, drops or erases the other remembers', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t);
  const { open } = natsPlace(nats.url(placeName()), 1);
  const [one, other] = [await open({ maxEntries: 5 }), await open({ maxEntries: 5 })];
  for (const engine of [one, other]) t.teardown(() => engine.close());
  for (const [round, engine] of [one, other].entries()) {
    const key = (name: string) => `${name} ${round}`;
    const [trimmed, long] = await engine.log.append([keyed(key('trimmed'), 'note'), keyed(key('long'), LONG)]);
    await engine.log.append(Array.from({ length: 30 }, () => entry('a', 'x')));
    await waitFor(async () => (await engine.log.bounds(topic('a'))).floor >= (long?.seq as Seq));
    const [erased] = await engine.log.append([keyed(key('erased'), LONG)]);
    t.equal(await engine.log.erase(topic('a'), erased?.seq as Seq), true);
    const [dropped] = await engine.log.append([keyed(key('dropped'), LONG)]);
    await engine.log.drop(topic('a'));
    for (const each of [other, one]) {
      await isRepeat(t, each, key('trimmed'), trimmed?.seq, 'note');
      await isRepeat(t, each, key('long'), long?.seq, LONG);
      await isRepeat(t, each, key('erased'), erased?.seq, LONG);
      await isRepeat(t, each, key('dropped'), dropped?.seq, LONG);
    }
  }
});

void t.test('what is trimmed since storage is full is remembered', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t, 1, { maxFileStore: 6_000_000 });
  const { open } = natsPlace(nats.url(placeName()), 1);
  const filling = await open();
  const note = 'n'.repeat(30_000);
  const acknowledged: Seq[] = [];
  for (let isFull = false; !isFull;) {
    try {
      const [appended] = await filling.log.append([keyed(`${acknowledged.length}`, note, 'x'.repeat(10_000))]);
      acknowledged.push(appended?.seq as Seq);
    } catch (error) {
      t.ok(error instanceof EngineUnavailable);
      isFull = true;
    }
  }
  t.ok(acknowledged.length > 50);
  await filling.close();
  const engine = await open({ maxEntries: 5 });
  t.teardown(() => engine.close());
  await waitFor(async () => (await engine.log.count(topic('a'), 0 as Seq)) <= 6);
  await waitFor(async () => engine.health() === null);
  for (const [at, seq] of acknowledged.entries()) await isRepeat(t, engine, `${at}`, seq, note);
});

void t.test('a note of an earlier build is read, and one that is lost is refused', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t);
  const name = placeName();
  const names = new Names(name);
  const { streams, js } = await client(t, nats.servers);
  const engine = await natsPlace(nats.url(name), 1).open();
  t.teardown(() => engine.close());
  const hash = hashOf('earlier');
  const earlier = { seq: 7, note: 'of an earlier build', appendedAt: Date.now() };
  await js.publish(names.keySubject(`note.${hash}.1.writer-0`), JSON.stringify(earlier));
  await js.publish(names.dedupSubject(hash), 'a');
  await isRepeat(t, engine, 'earlier', 7 as Seq, earlier.note);

  const [short] = await engine.log.append([keyed('short', 'note'), keyed('long', LONG)]);
  const last = await engine.log.last();
  await streams.purge(names.keys);
  await isRepeat(t, engine, 'short', short?.seq, 'note');
  await t.rejects(engine.log.append([keyed('long', LONG)]), EngineUnavailable);
  t.equal(await engine.log.last(), last, 'nothing is stored');
});
