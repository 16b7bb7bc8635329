import type { Test } from 'tap';
import type { Appended, Engine, NewEntry, Retention, Seq, Topic } from '../../../src/engine/engine.js';
import { all, append, entryOf, type NewPlace, openIn, topicOf, until } from './place.js';

const A = topicOf('client.1');
const B = topicOf('room.1');

/** Bytes of notes around the limits that an engine may have: 48 KB as base64 is 64 KB. The longest is near 1 MiB. */
const LENGTHS = [0, 1, 16_384, 47_999, 48_000, 48_001, 49_152, 65_535, 65_536, 65_537, 200_000, 1_000_000];

const keyed = (topic: Topic, key: string, note = `note of ${key}`, more: Partial<NewEntry> = {}) =>
  entryOf(topic, `text of ${key}`, { ...more, dedup: { key, note } });

const many = (topic: Topic, count: number) => Array.from({ length: count }, (_, n) => entryOf(topic, `${n}`));

/** A dedup key is remembered for its window, whatever becomes of its entry and however long its note is. */
export async function keysContract(t: Test, newPlace: NewPlace): Promise<void> {
  /** Removes the entry of A in some way, then repeats it: at once, to another topic, and after the engine was opened again. */
  const isRemembered = (
    what: string,
    retention: Partial<Retention>,
    remove: (engine: Engine, first: Appended) => Promise<void>,
    more: () => Partial<NewEntry> = () => ({}),
  ) =>
    t.test(`a key is remembered though its entry ${what}`, async (t) => {
      const place = await newPlace(t);
      const engine = await openIn(t, place, retention);
      const long = 'ä'.repeat(100_000);
      const first = await append(engine, keyed(A, 'k', 'its note', more()));
      const second = await append(engine, keyed(A, 'long', long, more()));
      await remove(engine, second);
      const check = async (engine: Engine, when: string) => {
        const { log } = engine;
        const last = await log.last();
        for (const topic of [A, B]) {
          const short = { seq: first.seq, duplicate: { note: 'its note' } };
          t.same(await append(engine, keyed(topic, 'k', 'another')), short, `${topic}, ${when}`);
          const repeat = await append(engine, keyed(topic, 'long', 'another'));
          t.equal(repeat.seq, second.seq, `${topic}, ${when}`);
          t.ok(repeat.duplicate?.note === long, `the long note, ${topic}, ${when}`);
        }
        t.equal(await log.last(), last, `nothing was stored, ${when}`);
      };
      await check(engine, 'at once');
      await engine.close();
      await check(await openIn(t, place, retention), 'after reopening');
    });

  await isRemembered('is one too many', { maxEntries: 5 }, async (engine, { seq }) => {
    await engine.log.append(many(A, 30));
    await until('it is trimmed', async () => (await engine.log.bounds(A)).floor >= seq);
    await until('all are', async () => (await all(engine, A)).length === 5);
  });

  await isRemembered('is too old', { maxAge: 300 }, async (engine, { seq }) => {
    await until('it is trimmed', async () => (await engine.log.bounds(A)).floor >= seq);
  });

  await isRemembered(
    'has expired',
    { maxEntries: 5 },
    async (engine, { seq }) => {
      await engine.log.append(many(A, 3));
      // An engine may remove what has expired when it trims this topic or another.
      for (let round = 0; round < 2; round++) {
        await engine.log.append(many(B, 10));
        await until('the other topic is trimmed', async () => (await all(engine, B)).length === 5);
      }
      await engine.log.append(many(A, 30));
      await until('they are trimmed', async () => (await all(engine, A)).length === 5);
      await until('it is gone', async () => (await engine.log.bounds(A)).floor > seq);
    },
    () => ({ expiresAt: Date.now() + 50 }),
  );

  await isRemembered('was dropped with its topic', {}, async (engine) => {
    await engine.log.append(many(A, 3));
    await engine.log.drop(A);
  });

  await isRemembered('was erased, and trimmed what says so', { maxEntries: 5 }, async (engine, { seq }) => {
    await engine.log.append(many(A, 1));
    for (const { seq: place } of await all(engine, A)) if (place <= seq) await engine.log.erase(A, place);
    const newest = (await append(engine, entryOf(A, 'x'))).seq;
    await engine.log.append(many(A, 30));
    await until('all is trimmed', async () => (await engine.log.bounds(A)).floor >= newest);
  });

  await t.test('an entry with a key may be as long as any, and so may its note', async (t) => {
    const place = await newPlace(t);
    const engine = await openIn(t, place);
    const told: number[] = [];
    await engine.log.follow(A, ({ body }) => told.push(body.length));
    const seqs: Seq[] = [];
    for (const length of LENGTHS) {
      const note = 'n'.repeat(length);
      const entry = { topic: A, body: Buffer.alloc(length, 'b'), dedup: { key: `${length}`, note } };
      const first = await append(engine, entry);
      t.notOk(first.duplicate, `${length}`);
      seqs.push(first.seq);
      const repeat = await append(engine, keyed(A, `${length}`, ''));
      t.equal(repeat.seq, first.seq, `${length}`);
      t.ok(repeat.duplicate?.note === note, `the note of ${length}`);
    }
    await until('all are told of', () => told.length === LENGTHS.length);
    t.same(told, LENGTHS);
    await engine.close();
    const again = await openIn(t, place);
    const read = await all(again, A);
    t.same(
      read.map(({ seq, body }) => [seq, body.length]),
      seqs.map((seq, at) => [seq, LENGTHS[at]]),
    );
    for (const [at, length] of LENGTHS.entries()) {
      const repeat = await append(again, keyed(B, `${length}`, ''));
      t.equal(repeat.seq, seqs[at], `${length}, after reopening`);
      t.ok(repeat.duplicate?.note === 'n'.repeat(length), `the note of ${length}, after reopening`);
    }
  });

  await t.test('of long entries with one key at once one is stored', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    const notes = Array.from({ length: 5 }, (_, n) => `${n}`.repeat(70_000));
    const appended = await Promise.all(notes.map((note) => append(engine, keyed(A, 'k', note))));
    t.equal(new Set(appended.map(({ seq }) => seq)).size, 1);
    const [first] = notes;
    const repeats = appended.filter(({ duplicate }) => duplicate);
    t.equal(repeats.length, 4);
    t.ok(repeats.every(({ duplicate }) => duplicate?.note === first));
    t.equal((await all(engine, A)).length, 1);
  });
}
