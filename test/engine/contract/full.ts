import type { Test } from 'tap';
import { type Engine, EngineUnavailable, type Retention, type Seq } from '../../../src/engine/engine.js';
import { waitFor } from '../../support/wait.js';
import { entryOf, topicOf } from './place.js';

/** A place whose storage is so small that a test can use all of it. */
export interface SmallPlace {
  readonly open: (retention?: Partial<Retention>) => Promise<Engine>;
  /** Takes all storage but a little, for others than the engine. */
  readonly fill: () => Promise<void>;
  /** Gives that back. */
  readonly free: () => Promise<void>;
}

const KEPT = topicOf('client.1');
const LEFT = topicOf('client.2');
const RECORDS = 20;

/** What an engine owes when its storage is full. @param newPlace undefined where there can be none; the test is skipped then */
export async function fullContract(t: Test, newPlace: (t: Test) => Promise<SmallPlace | undefined>): Promise<void> {
  await t.test('storage that is full refuses messages, keeps what it has, and lets clients leave', async (t) => {
    const place = await newPlace(t);
    if (!place) return;
    let engine = await openIn(t, place);
    const acknowledged: Seq[] = [];
    const told: number[] = [];
    await engine.log.follow(KEPT, ({ seq }) => told.push(seq as number));
    for (let n = 0; n < RECORDS; n++) await engine.directory.put(`client/${n}`, { name: 'x'.repeat(64) }, null);
    await engine.log.append([entryOf(LEFT, 'of a client that leaves')]);
    for (let n = 0; n < 40; n++) acknowledged.push(...(await appendLarge(engine)));
    await place.fill();
    acknowledged.push(...(await fillUp(t, engine)));

    await t.rejects(engine.log.append([entryOf(KEPT, 'small')]), EngineUnavailable);
    await t.rejects(engine.directory.put('client/new', {}, null), EngineUnavailable);
    await t.rejects(engine.directory.allocate('client'), EngineUnavailable);
    t.same(await placesOf(engine), acknowledged, 'what was acknowledged is there, and nothing else');
    t.same(told, acknowledged);

    for (let n = 0; n < RECORDS; n++) await engine.directory.remove(`client/${n}`);
    await engine.log.drop(LEFT);
    t.equal(await engine.log.erase(KEPT, acknowledged.shift() as Seq), true);
    t.same(await placesOf(engine), acknowledged);
    await engine.close();

    engine = await openIn(t, place);
    t.same(await placesOf(engine), acknowledged, 'a start takes what is there');
    t.equal(await engine.directory.get('client/1'), undefined);
    t.same(await engine.log.read(LEFT, { limit: 10 }), []);
    // What was removed may have given some room.
    acknowledged.push(...(await fillUp(t, engine)));
    t.same(await placesOf(engine), acknowledged);

    await place.free();
    await waitFor(async () => engine.health() === null);
    const [appended] = await engine.log.append([entryOf(KEPT, 'there is room again')]);
    t.ok((appended?.seq ?? 0) > (acknowledged.at(-1) ?? 0));
    await engine.directory.put('client/new', {}, null);
    t.same(await placesOf(engine), [...acknowledged, appended?.seq]);
  });

  await t.test('less to keep gives full storage room', async (t) => {
    const place = await newPlace(t);
    if (!place) return;
    const engine = await openIn(t, place);
    const acknowledged: Seq[] = [];
    for (let n = 0; n < 40; n++) acknowledged.push(...(await appendLarge(engine)));
    await place.fill();
    acknowledged.push(...(await fillUp(t, engine)));
    await engine.close();

    const most = Math.floor(acknowledged.length / 4);
    const next = await openIn(t, place, { maxEntries: most });
    await waitFor(async () => (await placesOf(next)).length === most);
    t.same(await placesOf(next), acknowledged.slice(-most));
    t.equal((await next.log.bounds(KEPT)).floor, acknowledged.at(-most - 1), 'readers are told what they missed');
    await waitFor(async () => next.health() === null);
    const fresh: Seq[] = [];
    for (let n = 0; n < most / 2; n++) {
      const [appended] = await next.log.append([entryOf(KEPT, 'y'.repeat(2_000))]);
      if (appended) fresh.push(appended.seq);
    }
    t.same((await placesOf(next)).slice(-fresh.length), fresh);
    await next.close();

    const last = await openIn(t, place, { maxEntries: most });
    t.same((await placesOf(last)).slice(-fresh.length), fresh, 'nothing acknowledged is lost');
  });
}

async function openIn(t: Test, place: SmallPlace, retention?: Partial<Retention>): Promise<Engine> {
  const engine = await place.open(retention);
  t.teardown(() => engine.close());
  return engine;
}

/** Appends until the engine refuses. @returns the places of what was acknowledged */
async function fillUp(t: Test, engine: Engine): Promise<Seq[]> {
  const acknowledged: Seq[] = [];
  for (let failed = false; !failed;) {
    for (const outcome of await Promise.allSettled(Array.from({ length: 4 }, () => appendLarge(engine)))) {
      if (outcome.status === 'fulfilled') acknowledged.push(...outcome.value);
      else failed = t.ok(outcome.reason instanceof EngineUnavailable, (outcome.reason as Error).message);
    }
  }
  t.match(engine.health(), /no (room|space) left/i);
  return acknowledged.sort((one, other) => one - other);
}

async function appendLarge(engine: Engine): Promise<Seq[]> {
  return (await engine.log.append([entryOf(KEPT, 'x'.repeat(20_000))])).map(({ seq }) => seq);
}

async function placesOf(engine: Engine): Promise<Seq[]> {
  return (await engine.log.read(KEPT, { limit: 1_000_000 })).map(({ seq }) => seq);
}
