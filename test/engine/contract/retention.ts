import type { Test } from 'tap';
import type { Seq } from '../../../src/engine/engine.js';
import { textsOf } from '../contract.js';
import { all, append, entryOf, isAscending, type NewPlace, openIn, seqsOf, topicOf, until } from './place.js';

const A = topicOf('client.1');
const B = topicOf('client.2');

const under = (key: string, note = `note of ${key}`) => ({ dedup: { key, note } });

/** What is kept, for how long, and how it is told what is not. */
export async function retentionContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('a topic keeps so many entries, and says up to where it does not', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place, { maxEntries: 10 });
    const entries = Array.from({ length: 1_300 }, (_, n) => entryOf(n < 5 ? B : A, `${n}`));
    const seqs = seqsOf(await engine.log.append(entries));
    await until('it is trimmed', async () => (await all(engine, A)).length === 10);
    t.same(seqsOf(await all(engine, A)), seqs.slice(-10));
    const bounds = { floor: seqs.at(-11), oldest: seqs.at(-10), newest: seqs.at(-1) };
    t.same(await engine.log.bounds(A), bounds);
    t.same(await engine.log.bounds(B), { floor: 0, oldest: seqs[0], newest: seqs[4] }, 'others are left alone');
    await engine.close();

    const again = await openIn(t, place, { maxEntries: 3 });
    t.equal((await again.log.bounds(A)).newest, seqs.at(-1));
    await until(
      'it keeps to the new number',
      async () => (await all(again, A)).length + (await all(again, B)).length === 6,
    );
    t.same(await again.log.bounds(A), { floor: seqs.at(-4), oldest: seqs.at(-3), newest: seqs.at(-1) });
    t.same(await again.log.bounds(B), { floor: seqs[1], oldest: seqs[2], newest: seqs[4] });
  });

  await t.test('whatever is above the floor is there, at every moment of trimming', async (t) => {
    const engine = await openIn(t, await newPlace(t), { maxEntries: 20 });
    const written: number[] = [];
    let stopped = false;
    const writers = Array.from({ length: 3 }, async () => {
      while (!stopped)
        written.push(...seqsOf(await engine.log.append([entryOf(A, 'x'), entryOf(B, 'y'), entryOf(A, 'z')])));
    });
    let floors = 0;
    let last = 0;
    await until('it was trimmed several times', async () => {
      const known = written.filter((_, at) => at % 3 !== 1);
      const read = new Set<number>(seqsOf(await all(engine, A)));
      // Asked after reading, as whoever resumes does it.
      const { floor } = await engine.log.bounds(A);
      if (floor < last) throw new Error(`the floor went from ${last} down to ${floor}`);
      if (floor > last) floors++;
      last = floor;
      const missing = known.filter((seq) => seq > floor && !read.has(seq));
      if (missing.length > 0) throw new Error(`above the floor ${floor} there is no ${missing.join()}`);
      return floors >= 3;
    });
    stopped = true;
    await Promise.all(writers);
    t.ok(floors >= 3);
  });

  await t.test('entries that are too old are trimmed', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place, { maxAge: 700 });
    const seqs = seqsOf(await engine.log.append([entryOf(A, '1'), entryOf(B, '2'), entryOf(A, '3')]));
    t.equal((await all(engine, A)).length, 2);
    await until('they are gone', async () => (await all(engine, A)).length + (await all(engine, B)).length === 0);
    t.same(await engine.log.bounds(A), { floor: seqs[2], oldest: null, newest: null });
    t.same(await engine.log.bounds(B), { floor: seqs[1], oldest: null, newest: null });
    t.equal(await engine.log.last(), seqs[2], 'though nothing is left');
    await engine.close();
    const again = await openIn(t, place);
    t.equal(await again.log.last(), seqs[2]);
    t.same(await again.log.bounds(A), { floor: seqs[2], oldest: null, newest: null });
    t.ok((await append(again, entryOf(A, '4'))).seq > (seqs[2] as number), 'no place is given twice');
  });

  await t.test('a topic that is kept for ever is not trimmed, and keeps no other from being trimmed', async (t) => {
    const place = await newPlace(t);
    const forever = topicOf('audit');
    const retention = { maxEntries: 10, maxAge: 700, forever: [forever] };
    const engine = await openIn(t, place, retention);
    const audit: Seq[] = [];
    const seqs: Seq[] = [];
    for (let n = 0; n < 3; n++) {
      audit.push(...seqsOf(await engine.log.append(Array.from({ length: 100 }, () => entryOf(forever, 'kept')))));
      seqs.push(...seqsOf(await engine.log.append(Array.from({ length: 30 }, () => entryOf(A, 'x')))));
    }
    const check = async ({ log }: typeof engine) => {
      t.same(seqsOf(await log.read(forever, { limit: 10_000 })), audit);
      t.equal(await log.count(forever, 0 as Seq), audit.length);
      t.same(await log.bounds(forever), { floor: 0, oldest: audit[0], newest: audit.at(-1) });
    };
    await until('the other is gone', async () => (await all(engine, A)).length === 0);
    t.equal((await engine.log.bounds(A)).floor, seqs.at(-1));
    await check(engine);
    await engine.close();
    const again = await openIn(t, place, retention);
    const later = await append(again, entryOf(A, 'later'));
    await until('that is gone, too', async () => (await again.log.bounds(A)).floor === later.seq);
    await check(again);
    t.equal(await again.log.erase(forever, audit[150] as Seq), true, 'but it can be erased');
    t.equal(await again.log.count(forever, 0 as Seq), audit.length - 1);
    await again.close();
    const no = await openIn(t, place, { maxEntries: 10, maxAge: 700 });
    await until('it is trimmed where that is not said', async () => (await all(no, forever)).length === 0);
  });

  await t.test('an entry that has expired is not there, and nobody misses it', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const expiresAt = Date.now() + 1_000;
    const entries = Array.from({ length: 30 }, (_, n) => entryOf(A, `${n}`, n % 3 === 1 ? {} : { expiresAt }));
    const seqs = seqsOf(await engine.log.append(entries));
    const before = await all(engine, A);
    // On a machine that is busy this may be too late already.
    if (Date.now() < expiresAt) {
      t.equal(before.length, 30);
      t.equal(before[0]?.expiresAt, expiresAt);
      t.equal(before[1]?.expiresAt, undefined);
    }
    await until('they have expired', () => Date.now() >= expiresAt);
    const staying = seqs.filter((_, n) => n % 3 === 1);
    const check = async ({ log }: typeof engine, when: string) => {
      t.same(seqsOf(await log.read(A, { limit: 100 })), staying, when);
      t.same(seqsOf(await log.read(A, { limit: 4 })), staying.slice(0, 4), when);
      t.same(seqsOf(await log.read(A, { limit: 4, newest: true })), staying.slice(-4), when);
      t.same(await log.bounds(A), { floor: 0, oldest: staying[0], newest: staying.at(-1) }, when);
      t.equal(await log.count(A, 0 as Seq), staying.length, when);
      t.equal(await log.count(A, staying[3] as Seq), staying.length - 4, when);
      t.ok((await log.last()) >= (seqs.at(-1) as number), when);
    };
    await check(engine, 'at once');
    await engine.close();
    const again = await openIn(t, place);
    await check(again, 'after reopening');
    const other = seqsOf(await again.log.append(Array.from({ length: 10 }, () => entryOf(B, 'x'))));
    t.same(seqsOf(await all(again, B)), other);
    await check(again, 'later');
  });

  await t.test('an entry that has expired before it is there is neither followed nor read', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    const heard: Parameters<Parameters<typeof engine.log.follow>[1]>[0][] = [];
    await engine.log.follow(A, (entry) => heard.push(entry));
    const seqs = seqsOf(
      await engine.log.append([entryOf(A, '1'), entryOf(A, '2', { expiresAt: Date.now() - 1 }), entryOf(A, '3')]),
    );
    t.ok(isAscending(seqs));
    await until('the last is followed', () => heard.at(-1)?.seq === seqs[2]);
    t.same(textsOf(heard), ['1', '3']);
    t.same(textsOf(await all(engine, A)), ['1', '3']);
  });

  await t.test('what expires does not take the room of what stays for longer than it is there', async (t) => {
    const engine = await openIn(t, await newPlace(t), { maxEntries: 50 });
    const stay = seqsOf(await engine.log.append(Array.from({ length: 20 }, (_, n) => entryOf(A, `${n}`))));
    for (let round = 0; round < 3; round++) {
      const expiresAt = Date.now() - 1;
      await engine.log.append(Array.from({ length: 20 }, () => entryOf(A, 'gone', { expiresAt })));
      await engine.log.append(Array.from({ length: 60 }, () => entryOf(B, 'x')));
      await until('it has had time to trim', async () => (await all(engine, B)).length === 50);
    }
    t.same(seqsOf(await all(engine, A)), stay);
    t.equal((await engine.log.bounds(A)).floor, 0);
  });

  await t.test('a repeat is answered as the first was', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const heard: unknown[] = [];
    await engine.log.follow(A, (entry) => heard.push(entry));
    const first = await append(engine, entryOf(A, 'once', under('k')));
    t.notOk(first.duplicate);
    const repeat = { seq: first.seq, duplicate: { note: 'note of k' } };
    t.same(await append(engine, entryOf(A, 'again', under('k', 'another note'))), repeat);
    t.same(await append(engine, entryOf(B, 'elsewhere', under('k'))), repeat, 'whatever the topic');
    t.notOk((await append(engine, entryOf(A, 'other', under('K')))).duplicate);
    await engine.log.drop(A);
    t.same(await append(engine, entryOf(A, 'again', under('k'))), repeat, 'though the entry is gone');
    await engine.close();
    const again = await openIn(t, place);
    t.same(await append(again, entryOf(A, 'again', under('k'))), repeat, 'after reopening');
    t.same([...(await all(again, A)), ...(await all(again, B))], []);
    t.equal(heard.length, 2);
  });

  await t.test('a key is forgotten after the window, which repeats do not prolong', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place, { dedupWindow: 500 });
    const first = await append(engine, entryOf(A, 'first', under('k')));
    await until('it is taken again', async () => !(await append(engine, entryOf(A, 'second', under('k')))).duplicate);
    t.same(textsOf(await all(engine, A)), ['first', 'second']);
    const [, second] = await all(engine, A);
    await engine.close();
    const repeat = await append(await openIn(t, place), entryOf(A, 'third', under('k')));
    t.ok(!repeat.duplicate || repeat.seq === second?.seq, 'the second is the one that counts now');
    t.not(repeat.seq, first.seq);
  });
}
