import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import {
  type Appended,
  Conflict,
  type Engine,
  EngineUnavailable,
  type Entry,
  type Holding,
  type Json,
  type NewEntry,
  type RecordChange,
  type Relayed,
  type Retention,
  type Revision,
  type Seq,
  type Topic,
} from '../../src/engine/engine.js';
import { waitFor } from '../support/wait.js';
import { closingContract } from './contract/closing.js';
import { erasingContract } from './contract/erasing.js';
import { keysContract } from './contract/keys.js';
import { retentionContract } from './contract/retention.js';
import { togetherContract } from './contract/together.js';
import { topicsContract } from './contract/topics.js';
import { trimmingModelContract } from './contract/trimming-model.js';
import { engineModel } from './model.js';

/** Where an engine keeps its things, so that it can be opened again. */
export interface Place {
  readonly open: (retention?: Partial<Retention>, now?: () => number) => Promise<Engine>;
  /** Leaves nothing of it behind, where what is left would burden the tests that follow. */
  readonly remove?: () => Promise<void>;
}

/** What all engines are opened with unless a test says otherwise: nothing is trimmed while it runs. */
export const RETENTION: Retention = { maxEntries: 1_000_000, maxAge: 1e12, dedupWindow: 600_000 };

export function topic(name: string): Topic {
  return name as Topic;
}

export function entry(name: string, text: string, more: Partial<NewEntry> = {}): NewEntry {
  return { topic: topic(name), body: Buffer.from(text), ...more };
}

export function textsOf(entries: readonly (Entry | Relayed)[]): string[] {
  return entries.map(({ body }) => Buffer.from(body).toString());
}

async function appendOne(engine: Engine, one: NewEntry): Promise<Appended> {
  const [appended] = await engine.log.append([one]);
  return appended as Appended;
}

const seq = (number: number) => number as Seq;

/**
 * What every engine owes to the hub, whatever it keeps things in: the words of src/engine/engine.ts as tests. Nothing in here
 * knows an engine, and what an engine may do in its own time is waited for.
 * @param place makes a new, empty place for each test
 */
export function engineContract(name: string, place: (t: Test) => Promise<Place>): void {
  const check = (what: string, run: (t: Test, open: Place['open']) => Promise<void>) =>
    void t.test(`${name}: ${what}`, async (t) => {
      const { open, remove } = await place(t);
      const opened: Engine[] = [];
      t.teardown(async () => {
        await Promise.all(opened.map((engine) => engine.close()));
        await remove?.();
      });
      await run(t, async (...args) => {
        const engine = await open(...args);
        opened.push(engine);
        return engine;
      });
    });

  check('entries get ascending places and are read in order, topic by topic', async (t, open) => {
    const { log } = await open();
    t.equal(await log.last(), 0);
    const appended = await log.append([entry('a', '1'), entry('b', '2'), entry('a', '3')]);
    const places = appended.map(({ seq }) => seq);
    t.same(
      places,
      [...places].sort((one, other) => one - other),
    );
    t.equal(new Set(places).size, 3);
    t.ok((places[0] as number) > 0);
    t.equal(await log.last(), places[2]);
    t.same(textsOf(await log.read(topic('a'), { limit: 10 })), ['1', '3']);
    t.same(
      (await log.read(topic('a'), { limit: 10 })).map(({ seq, topic }) => [seq, topic]),
      [
        [places[0], 'a'],
        [places[2], 'a'],
      ],
    );
    t.same(await log.read(topic('nobody'), { limit: 10 }), []);
    t.same(await log.append([]), []);
  });

  check('a topic whose name begins like another is another', async (t, open) => {
    const { log } = await open();
    for (const one of ['client.1', 'client.10', 'client.1.x', 'client', 'client.100'])
      await log.append([entry(one, one)]);
    for (const one of ['client.1', 'client.10', 'client.1.x', 'client', 'client.100']) {
      t.same(textsOf(await log.read(topic(one), { limit: 10 })), [one]);
    }
    await log.drop(topic('client.1'));
    t.same(await log.read(topic('client.1'), { limit: 10 }), []);
    t.same(textsOf(await log.read(topic('client.10'), { limit: 10 })), ['client.10']);
  });

  check('ranges are exclusive, and the newest come in ascending order too', async (t, open) => {
    const engine = await open();
    const { log } = engine;
    const places: Seq[] = [];
    for (let i = 0; i < 10; i++) {
      places.push((await appendOne(engine, entry('a', `${i}`))).seq);
      await log.append([entry('b', 'between')]);
    }
    const read = async (range: { after?: Seq; before?: Seq; limit: number; newest?: boolean }) =>
      textsOf(await log.read(topic('a'), range)).join('');
    t.equal(await read({ after: places[3], limit: 3 }), '456');
    t.equal(await read({ before: places[3], limit: 10 }), '012');
    t.equal(await read({ before: places[6], limit: 2, newest: true }), '45');
    t.equal(await read({ limit: 3, newest: true }), '789');
    t.equal(await read({ after: places[2], before: places[6], limit: 10 }), '345');
    t.equal(await read({ after: places[2], before: places[6], limit: 2, newest: true }), '45');
    t.equal(await read({ after: places[9], limit: 5 }), '');
    t.equal(await read({ after: seq(1e12), limit: 5 }), '');
    t.equal(await read({ after: places[5], before: places[5], limit: 5 }), '');
    t.equal(await read({ after: places[8], before: places[2], limit: 5 }), '');
  });

  check('reading forward behind the newest place gives what comes next and nothing older', async (t, open) => {
    const { log } = await open();
    let after = seq(0);
    for (let i = 0; i < 100; i++) {
      await log.append([entry('a', `${i}`)]);
      const page = await log.read(topic('a'), { after, limit: 7 });
      t.same(textsOf(page), [`${i}`]);
      after = (page[0] as Entry).seq;
      if ((await log.read(topic('a'), { after, limit: 7 })).length > 0) t.fail(`something came twice after ${i}`);
    }
  });

  check('bodies of any bytes and sizes come back as they were', async (t, open) => {
    const { log } = await open();
    const bodies = [
      Buffer.alloc(0),
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      randomBytes(65_536),
      randomBytes(1 << 20),
    ];
    await log.append(bodies.map((body) => ({ topic: topic('a'), body: Buffer.from(body) })));
    const read = await log.read(topic('a'), { limit: 10 });
    for (const [i, body] of bodies.entries())
      t.ok(body.equals(Buffer.from(read[i]?.body as Uint8Array)), `${body.length} bytes`);
  });

  check('what was appended is there after it is opened again, and no place is handed out twice', async (t, open) => {
    const first = await open();
    const { epoch } = first.log;
    await first.log.append([entry('a', '1'), entry('b', '2')]);
    const { seq: dropped } = await appendOne(first, entry('c', '3'));
    await first.log.drop(topic('c'));
    await first.close();
    const { log } = await open();
    t.equal(log.epoch, epoch);
    t.ok((await log.last()) >= dropped, 'not even that of an entry that is gone');
    const [appended] = await log.append([entry('a', '4')]);
    t.ok((appended as Appended).seq > dropped);
    t.same(textsOf(await log.read(topic('a'), { limit: 10 })), ['1', '4']);
    t.same(await log.read(topic('c'), { limit: 10 }), []);
  });

  check('another log has another epoch', async (t, open) => {
    const { log } = await open();
    const other = await (await place(t)).open();
    t.teardown(() => other.close());
    t.not(other.log.epoch, log.epoch);
  });

  check('many writers at once: each entry once, each writer in its order', async (t, open) => {
    const { log } = await open();
    const followed: Entry[] = [];
    await log.follow(topic('all'), (one) => followed.push(one as Entry));
    await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        for (let i = 0; i < 50; i++) await log.append([entry('all', `${writer} ${i}`)]);
      }),
    );
    const read = await log.read(topic('all'), { limit: 10_000 });
    t.equal(read.length, 1000);
    t.equal(new Set(textsOf(read)).size, 1000);
    t.same(textsOf(followed), textsOf(read), 'who follows sees the order of the log');
    for (let writer = 0; writer < 20; writer++) {
      const own = textsOf(read).filter((text) => text.startsWith(`${writer} `));
      t.same(
        own,
        Array.from({ length: 50 }, (_, i) => `${writer} ${i}`),
      );
    }
  });

  check('of two calls the first made comes first', async (t, open) => {
    const { log } = await open();
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => log.append([entry(`t${i % 3}`, `${i}`), entry('all', `${i}`)])),
    );
    const read = textsOf(await log.read(topic('all'), { limit: 1000 }));
    t.same(
      read,
      Array.from({ length: 200 }, (_, i) => `${i}`),
    );
  });

  check('all followers of a process see one order, over their topics too', async (t, open) => {
    const { log } = await open();
    const seen: Seq[] = [];
    for (const one of ['a', 'b', 'c']) await log.follow(topic(one), (each) => seen.push(each.seq as Seq));
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => log.append([entry(['a', 'b', 'c'][i % 3] as string, 'x')])),
    );
    t.equal(seen.length, 300);
    t.same(
      seen,
      [...seen].sort((one, other) => one - other),
    );
  });

  check('what a follower is told of can be read, and is durable', async (t, open) => {
    const { log } = await open();
    const missing: Seq[] = [];
    const reads: Promise<void>[] = [];
    await log.follow(topic('a'), ({ seq }) => {
      reads.push(
        log.read(topic('a'), { after: ((seq as number) - 1) as Seq, limit: 1 }).then(([found]) => {
          if (found?.seq !== seq) missing.push(seq as Seq);
        }),
      );
    });
    await Promise.all(Array.from({ length: 100 }, () => log.append([entry('a', 'x')])));
    await Promise.all(reads);
    t.equal(reads.length, 100);
    t.same(missing, []);
  });

  check('who follows first and then reads has everything', async (t, open) => {
    const { log } = await open();
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) await log.append([entry('a', `${i}`)]);
    })();
    for (let round = 0; round < 20; round++) {
      const live: Entry[] = [];
      const unfollow = await log.follow(topic('a'), (one) => live.push(one as Entry));
      const kept = await log.read(topic('a'), { limit: 1_000_000 });
      await waitFor(async () => live.length >= 3);
      unfollow();
      const end = kept.at(-1)?.seq ?? 0;
      const all = textsOf([...kept, ...live.filter(({ seq }) => seq > end)]);
      t.same(
        all,
        Array.from({ length: all.length }, (_, i) => `${i}`),
        `round ${round}`,
      );
    }
    writing = false;
    await writer;
  });

  check('who does not follow any more is told nothing; another follower of the same is', async (t, open) => {
    const { log } = await open();
    const told: string[][] = [[], []];
    const listener = (one: Entry | Relayed) => told[0]?.push(...textsOf([one]));
    const unfollow = await log.follow(topic('a'), listener);
    await log.follow(topic('a'), (one) => told[1]?.push(...textsOf([one])));
    await log.append([entry('a', '1')]);
    unfollow();
    unfollow();
    await log.append([entry('a', '2')]);
    t.same(told, [['1'], ['1', '2']]);
  });

  check('what is relayed reaches those who follow, and is kept nowhere', async (t, open) => {
    const { log } = await open();
    const told: (Entry | Relayed)[] = [];
    await log.follow(topic('a'), (one) => told.push(one));
    await log.relay(topic('a'), Buffer.from('now'));
    await log.relay(topic('b'), Buffer.from('elsewhere'));
    await waitFor(async () => told.length === 1);
    t.match(told, [{ seq: null, topic: 'a' }]);
    t.same(textsOf(told), ['now']);
    t.same(await log.read(topic('a'), { limit: 10 }), []);
    t.equal(await log.last(), 0);
  });

  check('a key is stored once: in one call, in calls at once, later, and after opening again', async (t, open) => {
    let engine = await open();
    const keyed = (text: string) => entry('a', text, { dedup: { key: 'k', note: `note of ${text}` } });
    const [first, second] = await engine.log.append([keyed('1'), keyed('2'), entry('a', 'other')]);
    t.equal(first?.duplicate, undefined);
    t.same(second, { seq: first?.seq, duplicate: { note: 'note of 1' } });
    const at = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        appendOne(engine, entry('b', `${i}`, { dedup: { key: 'at once', note: `${i}` } })),
      ),
    );
    t.equal(new Set(at.map(({ seq }) => seq)).size, 1);
    t.equal(at.filter(({ duplicate }) => duplicate === undefined).length, 1);
    t.ok(at.every(({ duplicate }) => duplicate === undefined || duplicate.note === '0'));
    await engine.close();
    engine = await open();
    t.same(await appendOne(engine, keyed('3')), { seq: first?.seq, duplicate: { note: 'note of 1' } });
    t.same(textsOf(await engine.log.read(topic('a'), { limit: 10 })), ['1', 'other']);
    const odd = [' ', '\0', 'ä'.repeat(250), 'x'.repeat(512)];
    for (const key of odd) {
      const { seq } = await appendOne(engine, entry('c', key, { dedup: { key, note: key } }));
      t.same(await appendOne(engine, entry('c', key, { dedup: { key, note: 'x' } })), {
        seq,
        duplicate: { note: key },
      });
    }
  });

  check('a key is forgotten after the window', async (t, open) => {
    let now = 1_000_000;
    const engine = await open({ dedupWindow: 1000 }, () => now);
    const keyed = () => appendOne(engine, entry('a', 'x', { dedup: { key: 'k', note: '' } }));
    const first = await keyed();
    now += 999;
    t.equal((await keyed()).seq, first.seq);
    now += 2;
    const second = await keyed();
    t.ok(second.seq > first.seq);
    t.equal((await keyed()).seq, second.seq);
  });

  check('an entry that expired is not read, counted or told of, and raises no floor', async (t, open) => {
    let now = 1_000_000;
    const { log } = await open({}, () => now);
    await log.append([
      entry('a', 'brief', { expiresAt: now + 100 }),
      entry('a', 'lasting'),
      entry('a', 'brief too', { expiresAt: now + 100 }),
    ]);
    t.same(textsOf(await log.read(topic('a'), { limit: 10 })), ['brief', 'lasting', 'brief too']);
    t.equal((await log.read(topic('a'), { limit: 1 }))[0]?.expiresAt, now + 100);
    now += 100;
    const told: unknown[] = [];
    await log.follow(topic('a'), (one) => told.push(one));
    const read = await log.read(topic('a'), { limit: 10 });
    t.same(textsOf(read), ['lasting']);
    t.match(await log.bounds(topic('a')), { floor: 0, oldest: read[0]?.seq, newest: read[0]?.seq });
    t.same(told, []);
  });

  check('a topic keeps so many entries, and says up to where it was trimmed', async (t, open) => {
    const engine = await open({ maxEntries: 5 });
    const { log } = engine;
    t.same(await log.bounds(topic('a')), { floor: 0, oldest: null, newest: null });
    for (let i = 0; i < 5; i++) await log.append([entry('a', `${i}`), entry('b', `${i}`)]);
    t.match(await log.bounds(topic('a')), { floor: 0 }, 'nothing is trimmed before there are too many');
    for (let i = 5; i < 40; i++) await log.append([entry('a', `${i}`)]);
    await waitFor(async () => (await log.read(topic('a'), { limit: 100 })).length === 5);
    const kept = await log.read(topic('a'), { limit: 100 });
    t.same(textsOf(kept), ['35', '36', '37', '38', '39']);
    const bounds = await log.bounds(topic('a'));
    t.match(bounds, { oldest: kept[0]?.seq, newest: kept[4]?.seq });
    t.ok(bounds.floor > 0 && bounds.floor < (kept[0]?.seq as number));
    t.match(await log.bounds(topic('b')), { floor: 0 });
    t.equal((await log.read(topic('b'), { limit: 100 })).length, 5, 'the other topic has all of its own');
    await engine.close();
    const again = await open({ maxEntries: 5 });
    t.same(await again.log.bounds(topic('a')), bounds);
  });

  check('a topic keeps entries so long', async (t, open) => {
    let now = 1_000_000;
    const { log } = await open({ maxAge: 500 }, () => now);
    await log.append([entry('a', 'old')]);
    now += 400;
    await log.append([entry('a', 'young')]);
    now += 200;
    await waitFor(async () => textsOf(await log.read(topic('a'), { limit: 10 })).join() === 'young');
    const bounds = await log.bounds(topic('a'));
    t.ok(bounds.floor > 0 && bounds.floor < (bounds.oldest as number));
  });

  check('a topic that is dropped is as if it had never been', async (t, open) => {
    const engine = await open({ maxEntries: 3 });
    const { log } = engine;
    for (let i = 0; i < 10; i++) await log.append([entry('a', `${i}`)]);
    await waitFor(async () => (await log.bounds(topic('a'))).floor > 0);
    await log.drop(topic('a'));
    t.same(await log.bounds(topic('a')), { floor: 0, oldest: null, newest: null });
    const { seq: next } = await appendOne(engine, entry('a', 'new'));
    t.same(textsOf(await log.read(topic('a'), { limit: 10 })), ['new']);
    await log.drop(topic('nobody'));
    await engine.close();
    const again = await open({ maxEntries: 3 });
    t.same(textsOf(await again.log.read(topic('a'), { limit: 10 })), ['new']);
    t.ok((await again.log.last()) >= next);
  });

  check('records are written by compare-and-set', async (t, open) => {
    const { directory } = await open();
    t.equal(await directory.get('client/1'), undefined);
    const one = await directory.put('client/1', { name: 'a' }, null);
    await t.rejects(directory.put('client/1', { name: 'b' }, null), Conflict);
    const two = await directory.put('client/1', { name: 'b' }, one);
    t.not(two, one);
    await t.rejects(directory.put('client/1', { name: 'c' }, one), Conflict);
    t.same(await directory.get('client/1'), { key: 'client/1', value: { name: 'b' }, revision: two });
    await t.rejects(directory.remove('client/1', one), Conflict);
    await directory.remove('client/1', two);
    t.equal(await directory.get('client/1'), undefined);
    await directory.remove('client/1');
    await t.rejects(directory.put('client/1', {}, two), Conflict);
    const three = await directory.put('client/1', null, null);
    t.not(three, two);
  });

  check('of many who change a record at once one succeeds; all do who try again', async (t, open) => {
    const { directory } = await open();
    const revision = await directory.put('n', 0, null);
    const results = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => directory.put('n', i, revision)));
    t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const increment = async () => {
      for (;;) {
        const record = (await directory.get('n')) as { value: number; revision: Revision };
        try {
          return await directory.put('n', record.value + 1, record.revision);
        } catch (error) {
          if (!(error instanceof Conflict)) throw error;
        }
      }
    };
    const before = (await directory.get('n'))?.value as number;
    await Promise.all(Array.from({ length: 20 }, increment));
    t.equal((await directory.get('n'))?.value, before + 20);
  });

  check('records are handed over by value', async (t, open) => {
    const { directory } = await open();
    const changes: RecordChange[] = [];
    await directory.watch('', (change) => changes.push(change));
    const value: { list: number[]; nothing?: undefined } = { list: [1], nothing: undefined };
    await directory.put('a', value, null);
    value.list.push(2);
    t.same((await directory.get('a'))?.value, { list: [1] });
    t.same(changes[0]?.record?.value, { list: [1] });
  });

  check('a watcher sees what is there, then every change in order, of its prefix', async (t, open) => {
    const engine = await open();
    const { directory } = engine;
    await directory.put('client/1', 'one', null);
    await directory.put('room/x', 'x', null);
    const seen: string[] = [];
    const stop = await directory.watch('client/', ({ key, record }) =>
      seen.push(`${key}=${(record?.value as string | undefined) ?? 'gone'}`),
    );
    t.same(seen, ['client/1=one']);
    const revision = await directory.put('client/2', 'two', null);
    t.equal(seen.at(-1), 'client/2=two', 'told by the time the promise resolves');
    await directory.put('client/2', 'zwei', revision);
    await directory.put('room/y', 'y', null);
    await directory.remove('client/1');
    t.same(seen, ['client/1=one', 'client/2=two', 'client/2=zwei', 'client/1=gone']);
    stop();
    await directory.put('client/3', 'three', null);
    t.equal(seen.length, 4);
    await engine.close();
    const again = await open();
    const there: Json[] = [];
    await again.directory.watch('client/', ({ record }) => there.push(record?.value as Json));
    t.same(there.sort(), ['three', 'zwei']);
  });

  check('numbers are handed out once, in order, also after opening again', async (t, open) => {
    let engine = await open();
    t.equal(await engine.directory.allocated('client'), 0);
    const numbers = await Promise.all(Array.from({ length: 100 }, () => engine.directory.allocate('client')));
    t.same(
      numbers,
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    t.equal(await engine.directory.allocate('room'), 1, 'each series has its own');
    await engine.directory.put('client/100', {}, null);
    await engine.close();
    engine = await open();
    t.ok((await engine.directory.allocated('client')) >= 100);
    t.ok((await engine.directory.allocate('client')) > 100);
  });

  check('leases tell what is held, to those who ask now and later', async (t, open) => {
    const engine = await open();
    const { leases } = engine;
    await leases.hold('a', { n: 1 });
    await leases.hold('b', { n: 1 });
    const seen: Holding[] = [];
    await leases.watch((holding) => seen.push(holding));
    const { node } = leases;
    t.same(seen, [
      { node, key: 'a', value: { n: 1 } },
      { node, key: 'b', value: { n: 1 } },
    ]);
    await leases.hold('a', { n: 2 });
    await leases.release('b');
    await leases.release('b');
    t.same(seen.slice(2), [
      { node, key: 'a', value: { n: 2 } },
      { node, key: 'b', value: undefined },
    ]);
    await engine.close();
    const again = await open();
    t.not(again.leases.node, node);
    const later: Holding[] = [];
    await again.leases.watch((holding) => later.push(holding));
    t.same(
      later.filter((holding) => holding.node === node && holding.value !== undefined),
      [],
      'gone with the process',
    );
  });

  check(
    'catching up gives all that was held and written before, and is refused once the engine is closed',
    async (t, open) => {
      const engine = await open();
      const seen: string[] = [];
      await engine.leases.watch(({ key }) => seen.push(key));
      await engine.directory.watch('client/', ({ key }) => seen.push(key));
      await engine.leases.hold('a', 1);
      await engine.directory.put('client/1', 1, null);
      await engine.leases.catchUp();
      t.same(seen, ['a', 'client/1']);
      await engine.close();
      await t.rejects(engine.leases.catchUp(), EngineUnavailable);
    },
  );

  check('closing waits for what is under way, and refuses what comes after', async (t, open) => {
    const engine = await open();
    const appends = Array.from({ length: 50 }, (_, i) => engine.log.append([entry('a', `${i}`)]));
    const put = engine.directory.put('k', 1, null);
    await Promise.all([engine.close(), ...appends, put]);
    await engine.close();
    await t.rejects(engine.log.append([entry('a', 'late')]), EngineUnavailable);
    await t.rejects(engine.log.read(topic('a'), { limit: 1 }), EngineUnavailable);
    await t.rejects(engine.directory.put('late', 1, null), EngineUnavailable);
    await t.rejects(engine.directory.allocate('client'), EngineUnavailable);
    const again = await open();
    t.equal((await again.log.read(topic('a'), { limit: 100 })).length, 50);
    t.equal((await again.directory.get('k'))?.value, 1);
    t.equal(again.health(), null);
  });

  check('it behaves as the model does, whatever is done to it in whatever order', async (t) => {
    await engineModel(t, () => place(t));
  });

  const chapters = {
    topics: topicsContract,
    'many at once': togetherContract,
    retention: retentionContract,
    keys: keysContract,
    erasing: erasingContract,
    'a closed engine': closingContract,
    'a model that trims': trimmingModelContract,
  };
  for (const [chapter, contract] of Object.entries(chapters)) {
    void t.test(`${name}: ${chapter}`, (t) => contract(t, place));
  }
}
