import t, { type Test } from 'tap';
import { EngineUnavailable, type Entry, type Log, type Seq, type Topic } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { type Delivery, Feeds } from '../../src/hub/feeds.js';
import type { Window } from '../../src/hub/memberships.js';
import { ReadTurns } from '../../src/hub/read-turns.js';
import { Subscription } from '../../src/hub/subscription.js';
import { temporaryFolder } from '../support/folder.js';
import { waitFor } from '../support/wait.js';
import { entry, RETENTION, textsOf, topic } from '../engine/contract.js';

const A = topic('client.1');
const B = topic('room.b');
const START = 0 as Seq;

/** A subscription to a real log, between which something stands that can keep entries back and tell them late. */
async function reader(t: Test, ...windows: Window[]) {
  const engine = await openLmdbEngine({ folder: await temporaryFolder(t), retention: RETENTION });
  t.teardown(() => engine.close());
  const { log } = engine;
  let keepBack: (one: Entry) => boolean = () => false;
  let unavailable = false;
  let pause: Promise<void> | undefined;
  const tellLate: (() => void)[] = [];
  const between = Object.create(log, {
    follow: {
      value: (followed: Topic, listener: Parameters<Log['follow']>[1]) =>
        log.follow(followed, (one) => {
          if (one.seq === null || !keepBack(one)) return listener(one);
          tellLate.push(() => listener({ ...one, late: true }));
        }),
    },
    append: { value: log.append.bind(log) },
    read: { value: log.read.bind(log) },
    bounds: { value: log.bounds.bind(log) },
    last: { value: () => (unavailable ? Promise.reject(new EngineUnavailable('for a while')) : log.last()) },
  }) as Log;
  const scope = { since: START, windows, forgotten: START };
  const got: Delivery[] = [];
  const subscription = new Subscription(
    {
      log: between,
      feeds: new Feeds(between),
      scopes: { scopeOf: () => scope },
      pauses: { of: () => pause },
      turns: new ReadTurns(),
    },
    1 as ClientIndex,
    { position: START },
  );
  t.teardown(() => subscription.end());
  const start = async () => {
    await subscription.follow();
    await subscription.start({
      deliver: (one) => got.push(one),
      gap: () => undefined,
      ready: () => undefined,
      broken: (error) => t.error(error),
    });
  };
  /** Another stream of the same client, from where this one was after so many messages; all it gets. */
  const resumed = async (after: number) => {
    const { position, low } = got[after - 1] as Delivery;
    const from = { position: position as Seq, ...(low === undefined ? {} : { low }) };
    const next: Delivery[] = [];
    const sources = {
      log: between,
      feeds: new Feeds(between),
      scopes: { scopeOf: () => scope },
      pauses: { of: () => pause },
      turns: new ReadTurns(),
    };
    const other = new Subscription(sources, 1 as ClientIndex, from);
    t.teardown(() => other.end());
    await other.follow();
    await other.start({
      deliver: (one) => next.push(one),
      gap: () => undefined,
      ready: () => undefined,
      broken: (error) => t.error(error),
    });
    return next.map(({ seq, isMarkedLate }) => [seq, isMarkedLate]);
  };
  const told = () => got.map(({ seq, position, body }) => [textsOf([{ seq, topic: A, body }])[0], position]);
  return {
    log,
    subscription,
    start,
    scope,
    told,
    resumed,
    /** The texts of those that are marked. */
    marked: () => got.flatMap((one) => (one.isMarkedLate ? textsOf([{ seq: START, topic: A, body: one.body }]) : [])),
    pause: (until: Promise<void> | undefined) => {
      pause = until;
      subscription.refresh();
    },
    keepBack: (which: (one: Entry) => boolean) => (keepBack = which),
    unavailable: (is: boolean) => (unavailable = is),
    tellLate: () => tellLate.splice(0).forEach((tell) => tell()),
  };
}

void t.test('what is told late is given with the place that was reached, so that no cursor goes back', async (t) => {
  const windows = [A, B].map((of) => ({ topic: of, from: START, to: null }));
  const { log, start, told, marked, keepBack, tellLate } = await reader(t, ...windows);
  await log.append([entry(A, 'before')]);
  await start();
  keepBack((one) => one.topic === B);
  await log.append([entry(B, 'late')]);
  await log.append([entry(A, 'in time')]);
  t.same(told(), [
    ['before', 1],
    ['in time', 3],
  ]);
  tellLate();
  t.same(told().at(-1), ['late', 3]);
  t.same(marked(), ['late']);
  await log.append([entry(A, 'next')]);
  t.same(told().at(-1), ['next', 4]);
  t.same(marked(), ['late']);
});

void t.test('what is told late to a reader that has had nothing behind it is not marked', async (t) => {
  const windows = [A, B].map((of) => ({ topic: of, from: START, to: null }));
  const { log, start, told, marked, keepBack, tellLate } = await reader(t, ...windows);
  await start();
  keepBack((one) => one.topic === B);
  await log.append([entry(B, 'late')]);
  await log.append([entry(topic('client.2'), "another's")]);
  tellLate();
  t.same(told(), [['late', 1]]);
  t.same(marked(), []);
});

void t.test('while its client enters a room a stream stands still, and goes on in the order of the log', async (t) => {
  const { log, start, scope, told, marked, pause } = await reader(t, { topic: A, from: START, to: null });
  await start();
  await log.append([entry(A, 'before')]);
  let over = () => {};
  pause(new Promise((resolve) => (over = resolve)));
  const entered = await log.last();
  await log.append([entry(B, 'in the room')]);
  await log.append([entry(A, 'mail')]);
  t.same(told(), [['before', 1]]);
  scope.windows.push({ topic: B, from: entered, to: null });
  pause(undefined);
  over();
  await waitFor(async () => told().length === 3);
  await log.append([entry(B, 'then')]);
  t.same(told(), [
    ['before', 1],
    ['in the room', 2],
    ['mail', 3],
    ['then', 4],
  ]);
  t.same(marked(), []);
});

void t.test('what is told late and was read is not given twice', async (t) => {
  const windows = [A, B].map((of) => ({ topic: of, from: START, to: null }));
  const { log, subscription, start, told, keepBack, tellLate } = await reader(t, ...windows);
  keepBack((one) => one.topic === B);
  await start();
  await log.append([entry(B, 'late')]);
  // It is read on the occasion, and only then told.
  subscription.refresh();
  await waitFor(async () => told().length === 1);
  tellLate();
  await log.append([entry(A, 'next')]);
  t.same(told(), [
    ['late', 1],
    ['next', 2],
  ]);
});

void t.test('of a room that is heard of late, nothing is missing that was sent since it was entered', async (t) => {
  const { log, subscription, start, scope, told, marked } = await reader(t, { topic: A, from: START, to: null });
  await start();
  await log.append([entry(B, 'not for it')]);
  const entered = await log.last();
  await log.append([entry(B, 'for it')]);
  await log.append([entry(A, 'mail')]);
  t.same(told(), [['mail', 3]]);
  scope.windows.push({ topic: B, from: entered, to: null });
  subscription.refresh();
  await waitFor(async () => told().length === 2);
  t.same(told().at(-1), ['for it', 3]);
  t.same(marked(), ['for it']);
  await log.append([entry(B, 'then')]);
  t.same(told().at(-1), ['then', 4]);
});

void t.test('a room that is entered while the engine is not there is read when it is back', async (t) => {
  const { log, subscription, start, scope, told, unavailable } = await reader(t, { topic: A, from: START, to: null });
  await log.append([entry(A, 'before')]);
  await start();
  unavailable(true);
  await log.append([entry(B, 'in the room')]);
  scope.windows = [...scope.windows, { topic: B, from: START, to: null }];
  subscription.refresh();
  await log.append([entry(A, 'meanwhile')]);
  t.same(told(), [['before', 1]]);
  unavailable(false);
  await waitFor(async () => told().length === 3);
  t.same(
    told().map(([text]) => text),
    ['before', 'in the room', 'meanwhile'],
  );
  await log.append([entry(B, 'after')]);
  t.same(told().at(-1), ['after', 4]);
});

void t.test('a stream that breaks off among late messages goes on with those that are left', async (t) => {
  const { log, subscription, start, scope, told, marked, resumed } = await reader(t, {
    topic: A,
    from: START,
    to: null,
  });
  await start();
  for (const text of ['one', 'two', 'three']) await log.append([entry(B, text)]);
  await log.append([entry(A, 'mail')]);
  scope.windows.push({ topic: B, from: START, to: null });
  subscription.refresh();
  await waitFor(async () => told().length === 4);
  await log.append([entry(A, 'next')]);
  t.same(told(), [
    ['mail', 4],
    ['one', 4],
    ['two', 4],
    ['three', 4],
    ['next', 5],
  ]);
  t.same(marked(), ['one', 'two', 'three']);
  t.same(
    await resumed(2),
    [
      [2, true],
      [3, true],
      [4, true],
      [5, false],
    ],
    'what was between comes again',
  );
  t.same(await resumed(3), [
    [3, true],
    [4, true],
    [5, false],
  ]);
  t.same(await resumed(4), [[5, false]], 'behind the last of them nothing comes again');
});
