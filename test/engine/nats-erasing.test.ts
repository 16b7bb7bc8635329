import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import type { Engine, Entry, Relayed, Seq } from '../../src/engine/engine.js';
import { hashOf } from '../../src/engine/nats/dedup.js';
import { Names } from '../../src/engine/nats/names.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { entry, textsOf, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

const A = topic('room.a');
const START = 0 as Seq;

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);

  async function connection(t: Test) {
    const nc = await connect({ servers: nats.url() });
    t.teardown(() => nc.close());
    return nc;
  }

  /** Engines that share everything, and what is behind them. */
  async function shared(t: Test) {
    const name = placeName();
    const nc = await connection(t);
    const open = async () => {
      const engine = await natsPlace(nats.url(name), 1).open();
      t.teardown(() => engine.close());
      return engine;
    };
    return { open, names: new Names(name), js: jetstream(nc), jsm: await jetstreamManager(nc) };
  }

  async function appendAll(engine: Engine, texts: readonly string[]): Promise<Seq[]> {
    const appended = await engine.log.append(texts.map((text) => entry(A, text)));
    return appended.map(({ seq }) => seq);
  }

  void t.test('what one engine has erased no other gives any more, whatever it has looked at before', async (t) => {
    const { open, names, jsm } = await shared(t);
    const [near, far] = [await open(), await open()];
    const told: (Entry | Relayed)[] = [];
    for (let round = 0; round < 2; round++) {
      // In the second round it follows, and has not to look.
      if (round === 1) await far.log.follow(A, (one) => told.push(one));
      const seqs = await appendAll(near, ['0', '1', '2', '3']);
      t.equal(await far.log.count(A, START), 4);
      let left = [...seqs];
      for (const at of [1, 3, 0, 2]) {
        const seq = seqs[at] as Seq;
        t.equal(await (at % 2 ? near : far).log.erase(A, seq), true);
        left = left.filter((one) => one !== seq);
        for (const { log } of [near, far]) {
          const bounds = { floor: 0, oldest: left[0] ?? null, newest: left.at(-1) ?? null };
          t.same(await log.bounds(A), bounds);
          t.equal(await log.count(A, START), left.length);
          t.same(
            (await log.read(A, { limit: 10 })).map(({ seq }) => seq),
            left,
          );
          t.equal(await log.erase(A, seq), false);
        }
        t.equal(await jsm.streams.getMessage(names.log, { seq }), null);
      }
    }
    t.same(textsOf(told), ['0', '1', '2', '3']);
    await appendAll(near, ['next']);
    await waitFor(async () => told.length === 5);
    t.same(textsOf(await (await open()).log.read(A, { limit: 10 })), ['next']);
  });

  void t.test('a repeat that was on its way with what is erased does not take its place', async (t) => {
    const { open, names, js, jsm } = await shared(t);
    const [near, far] = [await open(), await open()];
    const told: (Entry | Relayed)[] = [];
    await far.log.follow(A, (one) => told.push(one));
    const keyed = entry(A, 'once', { dedup: { key: 'k', note: 'its note' } });
    const [first] = await near.log.append([keyed]);
    // As from a node that had looked before the first was stored.
    const repeat = async () => {
      const particulars = headers();
      particulars.set('Interchat-Times', String(Date.now()));
      particulars.set('Interchat-Key', `${hashOf('k')} 0`);
      return (await js.publish(names.subject(A), 'once', { headers: particulars })).seq;
    };
    const before = await repeat();
    await appendAll(near, ['other']);
    t.equal(await far.log.erase(A, first?.seq as Seq), true);
    t.equal(await jsm.streams.getMessage(names.log, { seq: before }), null, 'it says the same');
    await repeat();
    const late: (Entry | Relayed)[] = [];
    await near.log.follow(A, (one) => late.push(one));
    await repeat();
    for (const { log } of [near, far, await open()]) {
      t.same(textsOf(await log.read(A, { limit: 10 })), ['other']);
      t.equal(await log.count(A, START), 1);
      t.same(await log.append([keyed]), [{ seq: first?.seq, duplicate: { note: 'its note' } }]);
    }
    await appendAll(far, ['next']);
    await waitFor(async () => told.length >= 3 && late.length >= 1);
    t.same(textsOf(told), ['once', 'other', 'next']);
    t.same(textsOf(late), ['next']);
  });

  void t.test('what was begun is brought to its end', async (t) => {
    const { open, names, jsm } = await shared(t);
    const engine = await open();
    const [first, second] = (await appendAll(engine, ['0', '1', '2'])) as [Seq, Seq, Seq];
    await jsm.streams.update(names.log, { max_msg_size: 1 });
    for (const seq of [first, second]) {
      await t.rejects(engine.log.erase(A, seq), { name: 'EngineUnavailable', message: /NATS does not store it/ });
    }
    t.same(textsOf(await engine.log.read(A, { limit: 10 })), ['0', '1', '2']);
    await jsm.streams.update(names.log, { max_msg_size: -1 });
    await engine.log.erase(A, first);
    await waitFor(async () => (await jsm.streams.getMessage(names.log, { seq: second })) === null);
    t.same(textsOf(await engine.log.read(A, { limit: 10 })), ['2']);
    const begun = { subjects_filter: names.keySubject('erasing.>') };
    await waitFor(
      async () => Object.keys((await jsm.streams.info(names.bucketStream, begun)).state.subjects ?? {}).length <= 2,
    );
  });

  void t.test('it stays erased when NATS has been killed and started again', async (t) => {
    const { open, names } = await shared(t);
    const engine = await open();
    const seqs = await appendAll(engine, ['0', '1', '2']);
    for (const at of [0, 2]) t.equal(await engine.log.erase(A, seqs[at] as Seq), true);
    const [server] = nats.servers;
    await server?.end();
    await server?.start();
    await waitFor(async () => engine.health() === null);
    for (const { log } of [engine, await open()]) {
      t.same(textsOf(await log.read(A, { limit: 10 })), ['1']);
      t.same(await log.bounds(A), { floor: 0, oldest: seqs[1], newest: seqs[1] });
    }
    const { streams } = await jetstreamManager(await connection(t));
    for (const at of [0, 2]) t.equal(await streams.getMessage(names.log, { seq: seqs[at] as Seq }), null);
    await appendAll(engine, ['3']);
    t.same(textsOf(await engine.log.read(A, { limit: 10 })), ['1', '3']);
  });
}
