import t, { type Test } from 'tap';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { Grace } from '../../src/hub/grace.js';
import { waitFor } from '../support/wait.js';

const GRACE = 200;

/** What keeps the process, as timers of a grace time do not. */
function keepAlive(t: Test): void {
  const ticking = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(ticking));
}

/** Keeps the event loop busy, as a process that stands still does. Milliseconds. */
function standStill(milliseconds: number): void {
  for (const until = performance.now() + milliseconds; performance.now() < until;);
}

void t.test('who sets the clock ends no grace time', async (t) => {
  for (const step of [3_600_000, -3_600_000]) {
    const { now } = Date;
    let wrong = 0;
    Date.now = () => now() + wrong;
    t.teardown(() => (Date.now = now));
    const [first, second] = [1, 2] as ClientIndex[];
    const ended: ClientIndex[] = [];
    let time = 0;
    await new Promise<void>((resolve) => {
      const grace = new Grace(GRACE, (index) => {
        ended.push(index);
        if (index === first) return;
        time += performance.now();
        clearInterval(ticking);
        resolve();
      });
      const began = performance.now();
      grace.begin(first as ClientIndex);
      // In between, so that one timer is set before the step, and another one after it. It keeps the process, too.
      const ticking = setInterval(() => {
        if (performance.now() < began + GRACE / 2 || grace.has(second as ClientIndex)) return;
        time = -performance.now();
        grace.begin(second as ClientIndex);
        wrong = step;
      }, 1);
    });
    Date.now = now;
    t.same(ended, [first, second]);
    t.ok(time >= GRACE, 'the second was given its time');
  }
});

void t.test('after a standstill all grace begins anew, whichever clock shows it', async (t) => {
  keepAlive(t);
  const { now } = Date;
  t.teardown(() => (Date.now = now));
  const ways: Record<string, () => void> = {
    'a process that is stopped': () => standStill(3 * GRACE),
    'a machine that is suspended': () => (Date.now = () => now() + 3_600_000),
  };
  for (const [what, happen] of Object.entries(ways)) {
    const ended = new Map<ClientIndex, number>();
    const grace = new Grace(GRACE, (index) => void ended.set(index, performance.now()));
    for (let index = 1; index <= 20; index++) grace.begin(index as ClientIndex);
    happen();
    const over = performance.now();
    // One returns in the turn in which the timers are late.
    setImmediate(() => grace.end(20 as ClientIndex));
    await waitFor(async () => ended.size === 19);
    t.ok(Math.min(...ended.values()) >= over + GRACE, what);
    t.notOk(ended.has(20 as ClientIndex));
    grace.stop();
  }
});

void t.test('all grace begins anew when an engine works again that did not', async (t) => {
  keepAlive(t);
  let isWell = true;
  const ended: number[] = [];
  const grace = new Grace(3 * GRACE, () => void ended.push(performance.now()), { isWell: () => isWell });
  t.teardown(() => grace.stop());
  for (let index = 1; index <= 20; index++) grace.begin(index as ClientIndex);
  isWell = false;
  let recovered = Infinity;
  // Shortly before the grace times would end.
  setTimeout(() => {
    isWell = true;
    recovered = performance.now();
  }, 2.5 * GRACE);
  await waitFor(async () => ended.length === 20);
  t.ok(Math.min(...ended) >= recovered + 3 * GRACE, 'they have all of it');
});

void t.test('none ends while it cannot be prepared, and none that begins anew meanwhile', async (t) => {
  keepAlive(t);
  const ended: ClientIndex[] = [];
  let asked = 0;
  let prepared: () => void = () => undefined;
  const prepare = async () => {
    if (asked++ === 0) throw new Error('not now');
    await new Promise<void>((resolve) => (prepared = resolve));
  };
  const grace = new Grace(GRACE, (index) => void ended.push(index), { prepare });
  t.teardown(() => grace.stop());
  for (const index of [1, 2, 3]) grace.begin(index as ClientIndex);
  await waitFor(async () => asked === 2);
  t.same(ended, []);
  grace.begin(1 as ClientIndex);
  grace.end(2 as ClientIndex);
  prepared();
  await waitFor(async () => ended.length === 1);
  t.same(ended, [3]);
  await waitFor(async () => asked === 3);
  prepared();
  await waitFor(async () => ended.length === 2);
  t.same(ended, [3, 1]);
});

void t.test('few of many end at once, and those that began together not at the same time', async (t) => {
  keepAlive(t);
  const COUNT = 5_000;
  let [underWay, most, ended] = [0, 0, 0];
  const grace = new Grace(GRACE, async () => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    ended++;
  });
  t.teardown(() => grace.stop());
  for (let index = 1; index <= COUNT; index++) grace.begin(index as ClientIndex);
  grace.restart();
  await waitFor(async () => ended > 0);
  t.ok(ended < COUNT);
  await waitFor(async () => ended === COUNT);
  t.ok(most <= 300, `${most} at once`);
});
