import t from 'tap';
import { TooManyAttempts } from '../../../src/hub/access/too-many-attempts.js';
import { Turns } from '../../../src/hub/access/turns.js';

/** Work that notes when it is begun, and ends when it is told to. */
class Work {
  readonly begun: string[] = [];
  atOnce = 0;
  mostAtOnce = 0;
  #end: (() => void) | undefined;

  do(name: string): () => Promise<string> {
    return async () => {
      this.begun.push(name);
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
      await new Promise<void>((resolve) => (this.#end = resolve));
      this.atOnce--;
      return name;
    };
  }

  /** Ends what is under way, and lets the next begin. */
  async next(): Promise<void> {
    this.#end?.();
    await new Promise(setImmediate);
  }
}

void t.test('lanes take turns, however many wait in one', async (t) => {
  const turns = new Turns({ most: 64, mostPerLane: 4, secondsEach: 1 });
  const work = new Work();
  const names = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1'];
  const done = names.map((name) => turns.take(name.slice(0, 1), work.do(name)));
  await work.next();
  const late = turns.take('d', work.do('d1'));
  for (let at = 0; at <= names.length; at++) await work.next();
  t.same(await Promise.all([...done, late]), [...names, 'd1'], 'each is told its own outcome');
  t.same(work.begun, ['a1', 'a2', 'b1', 'c1', 'a3', 'd1', 'b2', 'a4', 'a5']);
  t.equal(work.mostAtOnce, 1);
});

void t.test('who comes just as a turn ends does not go before those who wait', async (t) => {
  const turns = new Turns({ most: 64, mostPerLane: 4, secondsEach: 1 });
  const begun: string[] = [];
  const work = (name: string) => async () => void begun.push(name);
  const first = turns.take('a', work('first')).then(() => turns.take('a', work('again')));
  await Promise.all([first, turns.take('b', work('waiting'))]);
  t.same(begun, ['first', 'waiting', 'again']);
});

void t.test('work that fails passes the turn on', async (t) => {
  const turns = new Turns({ most: 1, mostPerLane: 1, secondsEach: 1 });
  const failing = turns.take('a', () => Promise.reject(new Error('no memory')));
  const next = turns.take('a', async () => 'done');
  await t.rejects(failing, /no memory/);
  t.equal(await next, 'done');
  t.equal(await turns.take('a', async () => 'and again'), 'and again');
});

void t.test('more than may wait are refused at once, in a lane and in all', async (t) => {
  const turns = new Turns({ most: 3, mostPerLane: 2, secondsEach: 0.4 });
  const work = new Work();
  const taken = ['a1', 'a2', 'a3'].map((name) => turns.take('a', work.do(name)));
  t.equal(await refused(turns.take('a', work.do('a4'))), 1);
  taken.push(turns.take('b', work.do('b1')));
  t.equal(await refused(turns.take('c', work.do('c1'))), 2);
  await work.next();
  taken.push(turns.take('c', work.do('c2')));
  for (let at = 0; at < taken.length; at++) await work.next();
  t.same(await Promise.all(taken), ['a1', 'a2', 'a3', 'b1', 'c2']);
});

/** After how many seconds it may be tried again. */
async function refused(taken: Promise<unknown>): Promise<number> {
  const error = await taken.catch((error: unknown) => error);
  if (error instanceof TooManyAttempts) return error.retryAfter;
  throw new Error('it was not refused');
}
