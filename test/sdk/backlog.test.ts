import t from 'tap';
import { Backlog } from '../../src/sdk/backlog.js';

void t.test('items come out in order, whoever is first: the one who puts or the one who takes', async (t) => {
  const backlog = new Backlog<number>(10);
  await backlog.put(1);
  await backlog.put(2);
  t.equal(await backlog.take(), 1);
  t.equal(await backlog.take(), 2);
  const taking = backlog.take();
  await backlog.put(3);
  t.equal(await taking, 3);
});

void t.test('whoever puts more than it holds waits until something is taken', async (t) => {
  const backlog = new Backlog<number>(1);
  await backlog.put(1);
  let placed = false;
  const putting = backlog.put(2).then(() => (placed = true));
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(placed);
  t.equal(await backlog.take(), 1);
  await putting;
  t.equal(await backlog.take(), 2);
});

void t.test('after the end, what is there can be taken, and nothing else is put', async (t) => {
  const backlog = new Backlog<number>(1);
  await backlog.put(1);
  const putting = backlog.put(2);
  backlog.end();
  await putting;
  await backlog.put(3);
  t.equal(await backlog.take(), 1);
  t.equal(await backlog.take(), undefined);
  t.equal(await backlog.take(), undefined);
});

void t.test('an end with an error is thrown behind the last item, to everybody who waits too', async (t) => {
  const backlog = new Backlog<number>(5);
  const first = backlog.take();
  const second = backlog.take();
  await backlog.put(1);
  backlog.end(new Error('gone'));
  t.equal(await first, 1);
  await t.rejects(second, { message: 'gone' });
  await t.rejects(backlog.take(), { message: 'gone' });
});
