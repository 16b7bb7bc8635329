import type { Test } from 'tap';
import type { Entry, Json, Revision } from '../../../src/engine/engine.js';
import { textsOf } from '../contract.js';
import { all, append, entryOf, isAscending, type NewPlace, openIn, seqsOf, topicOf, until } from './place.js';

const A = topicOf('room.a');

/** Many write, follow and watch at once. */
export async function togetherContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('all followers see the one order of the log, whoever writes', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    const topics = Array.from({ length: 5 }, (_, n) => topicOf(`client.${n}`));
    const heard: Entry[] = [];
    for (const topic of topics) await engine.log.follow(topic, (entry) => heard.push(entry as Entry));
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      const seqs: number[] = [];
      for (let n = 0; n < 40; n++) {
        const entries = Array.from({ length: 1 + (n % 3) }, (_, part) =>
          entryOf(topics[(writer + n + part) % 5] as (typeof topics)[0], `${writer}.${n}.${part}`),
        );
        seqs.push(...seqsOf(await engine.log.append(entries)));
      }
      return seqs;
    });
    const seqs = await Promise.all(writers);
    t.ok(seqs.every(isAscending), 'each writer sees its entries in order');
    const written = seqs.flat().sort((one, other) => one - other);
    await until('all were told of', () => heard.length >= written.length);
    t.same(seqsOf(heard), written, 'in order, each once');
    const read = (await Promise.all(topics.map((topic) => all(engine, topic)))).flat();
    read.sort((one, other) => one.seq - other.seq);
    t.same(seqsOf(read), seqsOf(heard), 'what was followed is what is read');
    t.same(textsOf(read), textsOf(heard));
  });

  await t.test('who first follows and then reads misses nothing', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    const written: number[] = [];
    let stopped = false;
    const writers = Array.from({ length: 4 }, async () => {
      while (!stopped) written.push((await append(engine, entryOf(A, 'x'))).seq);
    });
    const readers = Array.from({ length: 20 }, async (_, n) => {
      await until('there is something', () => written.length > n * 5);
      const told: number[] = [];
      await engine.log.follow(A, ({ seq }) => told.push(seq as number));
      const read = seqsOf(await all(engine, A));
      return { told, read };
    });
    const views = await Promise.all(readers);
    stopped = true;
    await Promise.all(writers);
    const last = await engine.log.last();
    await until('all were told of the last', () => views.every(({ told }) => told.at(-1) === last));
    for (const { told, read } of views) {
      t.ok(isAscending(told) && isAscending(read));
      const seen = new Set([...read, ...told]);
      t.same(
        [...seen].sort((one, other) => one - other),
        [...written].sort((one, other) => one - other),
      );
    }
  });

  await t.test('a watch that begins in the middle of writes misses none', async (t) => {
    const { directory } = await openIn(t, await newPlace(t));
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      let revision: Revision | null = null;
      for (let n = 0; n <= 30; n++) revision = await directory.put(`k/${writer}`, n, revision);
    });
    const views = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const view = new Map<string, Json[]>();
        await directory.watch('k/', ({ key, record }) => {
          view.set(key, [...(view.get(key) ?? []), record?.value ?? null]);
        });
        await directory.get('k/0');
        return view;
      }),
    );
    await Promise.all(writers);
    await until('all know', () => views.every((view) => [...view.values()].every((values) => values.at(-1) === 30)));
    for (const view of views) {
      t.equal(view.size, 6);
      for (const values of view.values()) {
        t.same(
          [...new Set(values)],
          Array.from({ length: 31 - Number(values[0]) }, (_, n) => Number(values[0]) + n),
          'in order, none left out',
        );
      }
    }
  });
}
