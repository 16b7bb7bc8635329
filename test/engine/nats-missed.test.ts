import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import type { Engine, Entry, Relayed, Seq } from '../../src/engine/engine.js';
import { lastingPort } from '../support/port.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait.js';
import { entry, textsOf, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

const TOPICS = ['client.1', 'client.2', 'room.a'];

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);

  /** One engine that reaches NATS directly, and one that does so through a proxy; both share everything. */
  async function two(t: Test): Promise<{ near: Engine; far: Engine; proxy: TcpProxy }> {
    const name = placeName();
    const proxy = await TcpProxy.open(await lastingPort(), nats.servers[0]?.port ?? 0);
    const near = await natsPlace(nats.url(name), 1).open();
    const far = await natsPlace(`nats://127.0.0.1:${proxy.port}/${name}`, 1).open();
    t.teardown(async () => {
      proxy.heal();
      await Promise.all([near.close(), far.close()]);
      proxy.close();
    });
    return { near, far, proxy };
  }

  async function append(engine: Engine, from: number, to: number): Promise<void> {
    const numbers = Array.from({ length: to - from }, (_, at) => from + at);
    await Promise.all(numbers.map((n) => engine.log.append([entry(TOPICS[n % 3] as string, String(n))])));
  }

  function textsUpTo(count: number): string[] {
    return Array.from({ length: count }, (_, n) => String(n));
  }

  void t.test(
    'what was appended while the connection was cut is told when it is back, in order and once',
    async (t) => {
      const { near, far, proxy } = await two(t);
      const told: (Entry | Relayed)[] = [];
      for (const name of TOPICS) await far.log.follow(topic(name), (one) => told.push(one));
      await append(near, 0, 30);
      await waitFor(async () => told.length >= 30);
      for (let round = 0; round < 5; round++) {
        const before = told.length;
        proxy.cut();
        await waitFor(async () => far.health() !== null);
        await append(near, before, before + 200);
        t.equal(told.length, before, 'nothing comes through');
        proxy.heal();
        // Some more come while it makes up for the others.
        await append(near, before + 200, before + 230);
        await waitFor(async () => told.length >= before + 230);
      }
      t.same(textsOf(told), textsUpTo(told.length));
      t.notOk(told.some((one) => 'late' in one));
      await waitFor(async () => far.health() === null);
      await far.log.append([entry('room.a', 'from the other side')]);
      t.equal(told.length, 30 + 5 * 230 + 1);
    },
  );

  void t.test('changes of records and what is held come through a cut as well', async (t) => {
    const { near, far, proxy } = await two(t);
    const records = new Map<string, unknown>();
    const held = new Map<string, unknown>();
    await far.directory.watch('client/', ({ key, record }) => records.set(key, record?.value));
    await far.leases.watch(({ key, value }) => held.set(key, value));
    const revision = await near.directory.put('client/1', 'before', null);
    await near.leases.hold('client/1', 1);
    await waitFor(async () => records.get('client/1') === 'before' && held.get('client/1') === 1);
    proxy.cut();
    await waitFor(async () => far.health() !== null);
    await near.directory.put('client/1', 'after', revision);
    await near.directory.put('client/2', 'new', null);
    await near.leases.release('client/1');
    await near.leases.hold('client/2', 2);
    t.equal(records.get('client/1'), 'before');
    proxy.heal();
    await waitFor(async () => records.get('client/1') === 'after' && records.get('client/2') === 'new');
    await waitFor(async () => held.get('client/1') === undefined && held.get('client/2') === 2);
    t.same(await far.directory.get('client/2').then((record) => record?.value), 'new');
  });

  void t.test('records come before what was appended after them, through a cut as well', async (t) => {
    const { near, far, proxy } = await two(t);
    const told: string[] = [];
    await far.directory.watch('client/', ({ key }) => told.push(key));
    await far.log.follow(topic('room.a'), (one) => told.push(textsOf([one])[0] as string));
    for (let round = 0; round < 3; round++) {
      proxy.cut();
      await waitFor(async () => far.health() !== null);
      // More than is read of the directory at a time.
      const keys = Array.from({ length: 300 }, (_, n) => `client/${1 + round * 300 + n}`);
      for (const key of keys) await near.directory.put(key, 1, null);
      await near.log.append([entry('room.a', `sent ${round}`)]);
      proxy.heal();
      await waitFor(async () => told.includes(`sent ${round}`));
      t.same(told.splice(0), [...keys, `sent ${round}`]);
    }
  });

  void t.test('numbers are unique though two engines hand them out', async (t) => {
    const { near, far } = await two(t);
    const numbers = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => (n % 2 ? near : far).directory.allocate('client')),
    );
    t.same(
      numbers.sort((one, other) => one - other),
      Array.from({ length: 1_000 }, (_, n) => n + 1),
    );
  });

  void t.test('of two engines that write a record at once one succeeds, again and again', async (t) => {
    const { near, far } = await two(t);
    const increment = async (engine: Engine) => {
      for (let done = 0; done < 50;) {
        const record = await engine.directory.get('n');
        await engine.directory
          .put('n', Number(record?.value ?? 0) + 1, record?.revision ?? null)
          .then(() => done++)
          .catch((error: Error) => t.equal(error.name, 'Conflict'));
      }
    };
    await Promise.all([increment(near), increment(far)]);
    t.equal((await near.directory.get('n'))?.value, 100);
  });

  void t.test('a key that both engines append at once counts once, for whoever reads, counts or follows', async (t) => {
    const { near, far } = await two(t);
    const told = { near: [] as (Entry | Relayed)[], far: [] as (Entry | Relayed)[], late: [] as (Entry | Relayed)[] };
    await near.log.follow(topic('room.a'), (one) => told.near.push(one));
    await far.log.follow(topic('room.a'), (one) => told.far.push(one));
    const texts: string[] = [];
    for (let round = 0; round < 20; round++) {
      const one = entry('room.a', `${round}`, { dedup: { key: `k${round}`, note: 'n' } });
      const appending = [near.log.append([one]), far.log.append([one])];
      // Who begins to follow in the midst of it cannot have seen what tells a repeat from the first.
      const unfollow = await far.log.follow(topic('room.a'), (entry) => told.late.push(entry));
      const both = await Promise.all(appending);
      const [first, second] = both.map(([appended]) => appended);
      t.equal(first?.seq, second?.seq);
      t.equal([first, second].filter((each) => each?.duplicate).length, 1);
      texts.push(`${round}`);
      await waitFor(async () => told.near.length >= texts.length && told.far.length >= texts.length);
      unfollow();
    }
    await near.log.append([entry('room.a', 'end')]);
    texts.push('end');
    await waitFor(async () => told.near.length >= texts.length && told.far.length >= texts.length);
    t.same(textsOf(told.near), texts);
    t.same(textsOf(told.far), texts);
    t.equal(new Set(textsOf(told.late)).size, told.late.length, 'nothing twice');
    for (const { log } of [near, far]) {
      t.same(textsOf(await log.read(topic('room.a'), { limit: 100 })), texts);
      t.equal(await log.count(topic('room.a'), 0 as Seq), texts.length);
    }
  });

  void t.test(
    'a key that is sent again while its first is on its way is known, by way of the other engine, too',
    async (t) => {
      const { near, far, proxy } = await two(t);
      const texts = Array.from({ length: 200 }, (_, n) => `${n}`);
      const keyed = texts.map((text) => entry('client.1', text, { dedup: { key: text, note: text } }));
      for (let round = 0; round < 5; round++) {
        const part = keyed.slice(round * 40, round * 40 + 40);
        const first = Promise.allSettled(part.map((one) => far.log.append([one])));
        proxy.cut();
        await first;
        // Which of them were stored nobody knows.
        await Promise.all(part.map((one) => near.log.append([one])));
        proxy.heal();
        await waitFor(async () => far.health() === null);
        const again = await Promise.all(part.map((one) => far.log.append([one])));
        t.ok(again.every(([one]) => one?.duplicate));
      }
      const read = textsOf(await near.log.read(topic('client.1'), { limit: 1_000 }));
      t.same([...read].sort(), [...texts].sort());
    },
  );

  void t.test('what NATS refuses to store is unavailable, and not an error of nobody knows what', async (t) => {
    const name = placeName();
    const engine = await natsPlace(nats.url(name), 1).open();
    t.teardown(() => engine.close());
    await engine.log.append([entry('room.a', 'x')]);
    const revision = await engine.directory.put('client/1', 1, null);
    const nc = await connect({ servers: nats.url() });
    const jsm = await jetstreamManager(nc);
    const streams = [`${name}-log`, `KV_${name}-directory`, `${name}-keys`];
    for (const stream of streams) await jsm.streams.update(stream, { max_bytes: 1, discard: DiscardPolicy.New });
    await nc.close();
    const keyed = entry('room.a', 'x', { dedup: { key: 'k', note: 'n' } });
    const writes: (() => Promise<unknown>)[] = [
      () => engine.log.append([entry('room.a', 'y')]),
      () => engine.log.append([keyed]),
      () => engine.directory.put('client/1', 2, revision),
      () => engine.directory.allocate('client'),
    ];
    for (const write of writes) {
      await t.rejects(write(), { name: 'EngineUnavailable', message: /NATS has no room left: the stream/ });
    }
  });

  void t.test('what an engine holds is gone when its process is, and not when it alone is cut off', async (t) => {
    const { near, far, proxy } = await two(t);
    const seenNear = new Map<string, unknown>();
    const seenFar = new Map<string, unknown>();
    await near.leases.watch(({ key, value }) => seenNear.set(key, value));
    await far.leases.watch(({ key, value }) => seenFar.set(key, value));
    await near.leases.hold('near', 1);
    await far.leases.hold('far', 1);
    await waitFor(async () => seenNear.get('far') === 1 && seenFar.get('near') === 1);
    proxy.cut();
    await waitFor(async () => seenNear.get('far') === undefined);
    t.equal(seenFar.get('near'), 1, 'who hears nobody takes nobody for dead');
    proxy.heal();
    await waitFor(async () => seenNear.get('far') === 1);
    t.equal(seenFar.get('near'), 1);
  });
}
