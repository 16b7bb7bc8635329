import t from 'tap';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { Grace } from '../../src/hub/grace.js';

const GRACE = 200;

void t.test('who sets the clock ends no grace time, and makes none longer', async (t) => {
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
