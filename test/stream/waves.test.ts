import t from 'tap';
import { Waves } from '../../src/stream/waves.js';

/** What was flushed, in order; something that is flushed, and takes so many milliseconds each time. */
function recorder() {
  const flushed: string[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const stream = (name: string, milliseconds = 0) => ({
    flush() {
      for (const end = performance.now() + milliseconds; performance.now() < end;);
      flushed.push(name);
      for (const { count, resolve } of waiting) if (flushed.length >= count) resolve();
    },
  });
  const until = (count: number) => new Promise<void>((resolve) => waiting.push({ count, resolve }));
  return { flushed, stream, until };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

void t.test('all that have something in a turn of the loop are written to at its end, in order', async (t) => {
  const { flushed, stream, until } = recorder();
  const waves = new Waves();
  waves.add(stream('a'));
  waves.add(stream('b'));
  await Promise.resolve();
  t.same(flushed, [], 'not before the turn has ended');
  waves.add(stream('c'));
  await turn();
  t.same(flushed, ['a', 'b', 'c']);
  waves.add(stream('d'));
  await until(4);
  t.same(flushed, ['a', 'b', 'c', 'd']);
});

void t.test('after a wave that took long the next one waits, with all that comes meanwhile', async (t) => {
  const { flushed, stream, until } = recorder();
  const waves = new Waves();
  waves.add(stream('slow', 3));
  await until(1);
  const ended = performance.now();
  waves.add(stream('b'));
  waves.add(stream('c'));
  await until(3);
  t.same(flushed, ['slow', 'b', 'c']);
  // Four times as long as the wave took, but five at the most; a timer may be a millisecond early.
  t.ok(performance.now() - ended > 3.5, 'it rests');
});

void t.test('what is added while a wave is under way comes with the next, and nothing is forgotten', async (t) => {
  const { flushed, stream, until } = recorder();
  const waves = new Waves();
  let again = 3;
  const self = {
    flush() {
      stream('self').flush();
      if (again-- > 0) waves.add(self);
    },
  };
  waves.add(self);
  waves.add(stream('other'));
  await until(5);
  t.same(flushed, ['self', 'other', 'self', 'self', 'self']);
});

void t.test('a long wave lets others have their turn', async (t) => {
  const { flushed, stream, until } = recorder();
  const waves = new Waves();
  for (let i = 0; i < 640; i++) waves.add(stream(String(i), 0.1));
  let between = 0;
  const count = () => {
    if (flushed.length > 0) between++;
    if (flushed.length < 640) setImmediate(count);
  };
  setImmediate(count);
  await turn();
  waves.add(stream('late'));
  await until(641);
  t.ok(between > 1, `${between} turns`);
  t.same(flushed, [...Array.from({ length: 640 }, (_, i) => String(i)), 'late']);
});
