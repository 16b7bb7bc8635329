import type { Test } from 'tap';
import type { Range, Seq } from '../../../src/engine/engine.js';
import { textsOf } from '../contract.js';
import { all, append, entryOf, type NewPlace, openIn, seqsOf, topicOf, until } from './place.js';

const A = topicOf('client.1');
const B = topicOf('client.10');

/** A topic is read in pages, and dropped as a whole. */
export async function topicsContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('those of which something is kept', async (t) => {
    const engine = await openIn(t, await newPlace(t), { maxEntries: 5 });
    const { log } = engine;
    const topics = async () => (await log.topics('client.')).sort();
    t.same(await topics(), []);
    for (const one of [A, B, topicOf('client'), topicOf('room.a')]) await log.append([entryOf(one, 'x')]);
    t.same(await topics(), [A, B]);
    await log.append(Array.from({ length: 20 }, (_, n) => entryOf(B, `${n}`)));
    await until('it is trimmed', async () => (await log.bounds(B)).floor > 0);
    t.same(await topics(), [A, B]);
    await log.drop(A);
    t.same(await topics(), [B]);
    await log.append([entryOf(A, 'again')]);
    t.same(await topics(), [A, B]);
    await log.drop(B);
    t.same(await topics(), [A]);
  });

  await t.test('pages of so many bytes', async (t) => {
    const { log } = await openIn(t, await newPlace(t));
    const lengths = Array.from({ length: 90 }, (_, n) => (n % 9 === 0 ? 5_000 : 100));
    await log.append(lengths.map((length) => entryOf(A, 'x'.repeat(length))));
    const kept = await log.read(A, { limit: 1_000 });
    t.equal(kept.length, lengths.length);
    for (const bytes of [1, 99, 100, 101, 5_000, 5_001, 12_345, 1_000_000]) {
      for (const limit of [1, 30, 1_000]) {
        for (const newest of [false, true]) {
          const read = await log.read(A, { limit, bytes, newest });
          const within: typeof kept = [];
          for (let sum = 0, at = 0; at < Math.min(limit, kept.length) && sum < bytes; at++) {
            const entry = kept.at(newest ? -1 - at : at) as (typeof kept)[number];
            within.push(entry);
            sum += entry.body.length;
          }
          if (newest) within.reverse();
          t.same(seqsOf(read), seqsOf(within), JSON.stringify({ limit, bytes, newest }));
        }
      }
    }
    const [, second] = kept;
    t.same(seqsOf(await log.read(A, { after: second?.seq, limit: 100, bytes: 150 })), seqsOf(kept.slice(2, 4)));
  });

  await t.test('pages', async (t) => {
    // Trimming makes an engine settle the older entries; the newer ones are as fresh as can be.
    const engine = await openIn(t, await newPlace(t), { maxEntries: 40 });
    const write = (from: number, to: number) =>
      engine.log.append(
        Array.from({ length: to - from }, (_, n) =>
          [A, B, topicOf('client.100')].map((topic) => entryOf(topic, `${from + n}`)),
        ).flat(),
      );
    await write(0, 60);
    await until(
      'it is trimmed',
      async () => (await all(engine, A)).length === 40 && (await all(engine, B)).length === 40,
    );
    await write(60, 70);
    const { floor } = await engine.log.bounds(A);
    const kept = (await all(engine, A)).filter(({ seq }) => seq > floor);
    t.ok(kept.length >= 40);
    const check = async (range: Range, want: readonly { seq: Seq }[]) =>
      t.same(seqsOf(await engine.log.read(A, range)), seqsOf(want), JSON.stringify(range));
    const seqAt = (at: number) => kept.at(at)?.seq as Seq;
    for (const at of [0, 1, 10, kept.length - 11, kept.length - 1]) {
      t.equal(await engine.log.count(A, seqAt(at)), kept.length - 1 - at, `behind ${seqAt(at)}`);
    }
    t.equal(await engine.log.count(A, (seqAt(-1) + 5) as Seq), 0);
    t.equal(await engine.log.count(topicOf('client.1000'), 0 as Seq), 0);
    for (const limit of [1, 7, 1_000]) {
      for (const [first, end] of [
        [0, 5],
        [3, 20],
        [10, 40],
        [30, kept.length],
      ] as const) {
        const after = (seqAt(first) - 1) as Seq;
        const before = end === kept.length ? ((seqAt(-1) + 5) as Seq) : seqAt(end);
        const within = kept.slice(first, end);
        await check({ after, before, limit }, within.slice(0, limit));
        await check({ after, before, limit, newest: true }, within.slice(-limit));
        await check({ after, limit }, kept.slice(first).slice(0, limit));
        await check({ after, limit, newest: true }, kept.slice(first).slice(-limit));
        await check({ before, limit, newest: true }, kept.slice(0, end).slice(-Math.min(limit, end)));
      }
    }
    await check({ after: seqAt(-1), limit: 10 }, []);
    await check({ after: seqAt(-1), limit: 10, newest: true }, []);
    await check({ after: (seqAt(-1) + 1_000) as Seq, limit: 10 }, []);
    await check({ after: seqAt(3), before: seqAt(4), limit: 10 }, []);
    await check({ after: seqAt(4), before: seqAt(3), limit: 10 }, []);
    await check({ before: 1 as Seq, limit: 10, newest: true }, []);
  });

  await t.test('dropping a topic', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const { log } = engine;
    await log.append(Array.from({ length: 1_500 }, (_, n) => entryOf(n % 2 ? A : B, `${n}`)));
    const last = await log.last();
    const before = append(engine, entryOf(A, 'called before'));
    const dropping = log.drop(A);
    const after = append(engine, entryOf(A, 'called after'));
    await Promise.all([before, dropping, after]);
    t.same(textsOf(await all(engine, A)), ['called after']);
    t.same(await log.bounds(A), { floor: 0, oldest: (await after).seq, newest: (await after).seq });
    t.equal((await all(engine, B)).length, 750, 'others stay');
    t.same([await log.count(A, 0 as Seq), await log.count(B, 0 as Seq)], [1, 750]);
    await log.drop(A);
    await log.drop(topicOf('never.there'));
    t.same(await log.bounds(A), { floor: 0, oldest: null, newest: null });
    t.ok((await log.last()) > last, 'the place of the newest is not forgotten');
    await engine.close();

    const again = await openIn(t, place);
    t.equal(await again.log.last(), (await after).seq);
    t.same(await all(again, A), []);
    t.equal((await all(again, B)).length, 750);
    const { seq } = await append(again, entryOf(A, 'again'));
    t.ok(seq > (await after).seq);
    t.same(textsOf(await all(again, A)), ['again']);
  });
}
