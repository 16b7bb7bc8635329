import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { type Engine, EngineUnavailable, type Seq } from '../../src/engine/engine.js';
import { Names } from '../../src/engine/nats/names.js';
import { natsFragile, natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { entry, textsOf, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

/** Appends entries of 20 KB until the engine refuses one. @returns the places of the others */
async function fillUp(t: Test, { log }: Engine): Promise<Seq[]> {
  const acknowledged: Seq[] = [];
  for (;;) {
    try {
      const [appended] = await log.append([entry('a', 'x'.repeat(20_000))]);
      if (appended) acknowledged.push(appended.seq);
    } catch (error) {
      t.ok(error instanceof EngineUnavailable);
      return acknowledged;
    }
  }
}

async function administrator(t: Test, servers: readonly { readonly url: string }[]) {
  const connection = await connect({ servers: servers.map(({ url }) => url) });
  t.teardown(() => connection.close());
  return (await jetstreamManager(connection, { checkAPI: false })).streams;
}

void t.test('a limit of the stream itself', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t);
  const streams = await administrator(t, nats.servers);
  for (const limit of [{ max_bytes: 1_000_000 }, { max_msgs: 40 }]) {
    const name = placeName();
    const engine = await natsPlace(nats.url(name), 1).open();
    t.teardown(() => engine.close());
    const { log } = new Names(name);
    await streams.update(log, limit);
    const acknowledged = await fillUp(t, engine);
    t.match(engine.health(), new RegExp(`the stream ${log} is at a limit of its own \\(maximum \\w+ exceeded\\)`));
    await t.rejects(engine.directory.put('client/1', {}, null), EngineUnavailable);
    t.equal(await engine.log.erase(topic('a'), acknowledged.shift() as Seq), true);
    await engine.directory.remove('client/1');
    t.equal(await engine.log.count(topic('a'), 0 as Seq), acknowledged.length);
    await streams.update(log, { max_bytes: -1, max_msgs: -1 });
    await waitFor(async () => engine.health() === null);
    await engine.log.append([entry('b', 'after')]);
    t.same(textsOf(await engine.log.read(topic('b'), { limit: 10 })), ['after']);
  }
});

void t.test('the limit of an account', { skip: natsMissing }, async (t) => {
  // Servers of version 2.9 delete the newest message of a topic when they refuse one, and find none of the topic then.
  if (natsFragile) return t.pass('only servers from 2.10 on keep to it');
  const more = 'accounts { A { users: [{ user: a, password: a }], jetstream { max_file: 8000000 } } }\nno_auth_user: a';
  const nats = await startNats(t, 1, { more });
  const name = placeName();
  const engine = await natsPlace(nats.url(name), 1).open();
  t.teardown(() => engine.close());
  const acknowledged = await fillUp(t, engine);
  t.match(engine.health(), /^NATS has no room left: the account is at its storage limit/);
  await engine.log.drop(topic('a'));
  await waitFor(async () => engine.health() === null);
  const [appended] = await engine.log.append([entry('a', 'after')]);
  t.ok((appended?.seq ?? 0) > (acknowledged.at(-1) ?? 0));
});

void t.test('what one node finds full all nodes refuse, until there is room', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t, 1, { maxFileStore: 6_000_000 });
  const { open } = natsPlace(nats.url(placeName()), 1);
  const engines = [await open(), await open()];
  for (const engine of engines) t.teardown(() => engine.close());
  const [one, other] = engines as [Engine, Engine];
  await fillUp(t, one);
  await waitFor(async () => other.health() !== null);
  await t.rejects(other.log.append([entry('b', 'refused')]), EngineUnavailable);
  await other.log.drop(topic('a'));
  await waitFor(async () => engines.every((engine) => engine.health() === null));
  for (const engine of engines) await engine.log.append([entry('b', 'taken')]);
  t.same(textsOf(await one.log.read(topic('b'), { limit: 10 })), ['taken', 'taken']);
});
