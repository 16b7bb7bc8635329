import type { Test } from 'tap';
import type { Engine, Entry, Relayed, Seq } from '../../../src/engine/engine.js';
import { textsOf } from '../contract.js';
import { all, append, entryOf, type NewPlace, openIn, seqsOf, topicOf, until } from './place.js';

const A = topicOf('client.1');
const B = topicOf('client.10');
const START = 0 as Seq;

/** Single entries are taken out. */
export async function erasingContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('wherever it is in its topic, it is gone, and nobody misses it', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const entries = Array.from({ length: 8 }, (_, n) => entryOf(n === 3 ? B : A, `${n}`));
    const seqs = seqsOf(await engine.log.append(entries));
    const at = (n: number) => seqs[n] as Seq;
    const last = await engine.log.last();
    const check = async ({ log }: Engine, texts: readonly string[], when: string) => {
      const kept = texts.map((text) => at(Number(text)));
      t.same(textsOf(await log.read(A, { limit: 100 })), texts, when);
      t.same(textsOf(await log.read(A, { limit: 2 })), texts.slice(0, 2), when);
      t.same(textsOf(await log.read(A, { limit: 2, newest: true })), texts.slice(-2), when);
      t.equal(await log.count(A, START), texts.length, when);
      t.equal(await log.count(A, at(4)), kept.filter((seq) => seq > at(4)).length, when);
      t.same(await log.bounds(A), { floor: 0, oldest: kept[0] ?? null, newest: kept.at(-1) ?? null }, when);
      t.ok((await log.last()) >= last, when);
    };
    let left = ['0', '1', '2', '4', '5', '6', '7'];
    for (const erased of ['0', '4', '7', '6', '1']) {
      t.equal(await engine.log.erase(A, at(Number(erased))), true);
      left = left.filter((text) => text !== erased);
      await check(engine, left, `without ${erased}`);
      t.equal(await engine.log.erase(A, at(Number(erased))), false, 'once');
    }
    await engine.close();

    const again = await openIn(t, place);
    await check(again, left, 'after reopening');
    for (const erased of ['2', '5']) {
      const twice = [again.log.erase(A, at(Number(erased))), again.log.erase(A, at(Number(erased)))];
      t.same(await Promise.all(twice), [true, false], 'of two at once the first');
    }
    await check(again, [], 'all of it');
    t.same(textsOf(await all(again, B)), ['3'], 'others stay');
    const { seq } = await append(again, entryOf(A, 'next'));
    t.ok(seq > last, 'no place is given twice');
    t.same(textsOf(await all(again, A)), ['next']);
    t.same(await again.log.bounds(A), { floor: 0, oldest: seq, newest: seq });
  });

  await t.test('what is not there is not erased', async (t) => {
    const engine = await openIn(t, await newPlace(t), { maxEntries: 5 });
    const { log } = engine;
    const [first] = seqsOf(await log.append(Array.from({ length: 30 }, (_, n) => entryOf(A, `${n}`))));
    const expired = await append(engine, entryOf(B, 'brief', { expiresAt: Date.now() - 1 }));
    const other = await append(engine, entryOf(B, 'other'));
    await until('it is trimmed', async () => (await log.count(A, START)) === 5);
    const before = await log.bounds(A);
    for (const [topic, seq] of [
      [A, 0],
      [A, (await log.last()) + 1],
      [A, first],
      [A, other.seq],
      [B, expired.seq],
      [topicOf('client'), other.seq],
      [topicOf('never.there'), other.seq],
    ] as [typeof A, Seq][]) {
      t.equal(await log.erase(topic, seq), false, `${topic} ${seq}`);
    }
    t.same(await log.bounds(A), before);
    t.same(textsOf(await all(engine, B)), ['other']);
    await log.drop(B);
    t.equal(await log.erase(B, other.seq), false, 'dropped');
  });

  await t.test('a repeat of what is erased is a repeat', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const keyed = (topic = A) => entryOf(topic, 'once', { dedup: { key: 'k', note: 'its note' } });
    const first = await append(engine, keyed());
    await append(engine, entryOf(A, 'other'));
    t.equal(await engine.log.erase(A, first.seq), true);
    const repeat = { seq: first.seq, duplicate: { note: 'its note' } };
    t.same(await append(engine, keyed()), repeat);
    t.same(await append(engine, keyed(B)), repeat, 'whatever the topic');
    await engine.close();
    const again = await openIn(t, place);
    t.same(await append(again, keyed()), repeat, 'after reopening');
    t.same(textsOf(await all(again, A)), ['other']);
    t.equal(await again.log.erase(A, first.seq), false);
  });

  await t.test('who follows is told of what comes behind it, and of nothing besides', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    const told: (Entry | Relayed)[] = [];
    for (const topic of [A, B]) await engine.log.follow(topic, (entry) => told.push(entry));
    const { seq } = await append(engine, entryOf(A, 'erased'));
    await until('it is told', () => told.length === 1);
    await engine.log.erase(A, seq);
    await engine.log.append([entryOf(B, 'elsewhere'), entryOf(A, 'next')]);
    await until('they are told', () => told.length === 3);
    t.same(textsOf(told), ['erased', 'elsewhere', 'next']);
    t.notOk(told.some((entry) => 'late' in entry));
  });

  await t.test('many at once, while others are written and trimmed', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place, { maxEntries: 200 });
    const { log } = engine;
    const seqs = seqsOf(await log.append(Array.from({ length: 150 }, (_, n) => entryOf(A, `${n}`))));
    const more = async () => {
      for (let n = 0; n < 40; n++) {
        await log.append([entryOf(A, 'more'), ...Array.from({ length: 40 }, () => entryOf(B, 'x'))]);
      }
    };
    const odd = seqs.filter((_, n) => n % 2 === 1);
    const [erased] = await Promise.all([Promise.all(odd.map((seq) => log.erase(A, seq))), more()]);
    t.ok(erased.every(Boolean));
    const check = async (engine: Engine) => {
      const kept = await all(engine, A);
      t.same(
        seqsOf(kept).slice(0, 75),
        seqs.filter((_, n) => n % 2 === 0),
      );
      t.equal(kept.length, 115);
      t.equal(await engine.log.count(A, START), 115);
      t.equal((await engine.log.bounds(A)).floor, 0, 'there are no more than may be');
    };
    await until('the other is trimmed', async () => (await log.count(B, START)) === 200);
    await check(engine);
    await engine.close();
    const again = await openIn(t, place, { maxEntries: 200 });
    await check(again);
    await again.log.append(Array.from({ length: 150 }, (_, n) => entryOf(A, `late ${n}`)));
    await until('it is trimmed', async () => (await again.log.count(A, START)) === 200);
    t.equal((await again.log.bounds(A)).floor, seqs[128], 'what is erased takes no room');
    t.equal((await all(again, A)).length, 200);
  });

  await t.test('it is done before the engine is closed', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const seqs = seqsOf(await engine.log.append(Array.from({ length: 5 }, (_, n) => entryOf(A, `${n}`))));
    const erasing = Promise.all(seqs.slice(0, 4).map((seq) => engine.log.erase(A, seq)));
    await Promise.all([engine.close(), erasing]);
    t.same(await erasing, [true, true, true, true]);
    t.same(textsOf(await all(await openIn(t, place), A)), ['4']);
  });
}
