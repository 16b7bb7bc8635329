import fc from 'fast-check';
import type { Test } from 'tap';
import { Conflict, type Engine, type Revision, type Seq } from '../../src/engine/engine.js';
import { entry, type Place, textsOf, topic } from './contract.js';

const TOPICS = ['client.1', 'client.10', 'room.x'];
const KEYS = ['client/1', 'client/2'];

/** The smallest thing that does what an engine owes. */
interface Model {
  entries: { seq: number; topic: string; text: string }[];
  keys: Map<string, number>;
  records: Map<string, { value: number; revision: Revision }>;
  allocated: number;
  last: number;
}

interface Real {
  engine: Engine;
  reopen: () => Promise<Engine>;
  followed: string[];
}

type Step = (model: Model, real: Real) => Promise<void>;

function same(actual: unknown, expected: unknown, what: string): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`);
}

async function follow(real: Real): Promise<void> {
  for (const name of TOPICS) {
    await real.engine.log.follow(topic(name), (one) => real.followed.push(`${name} ${textsOf([one])[0]}`));
  }
}

const name = fc.constantFrom(...TOPICS);
const key = fc.constantFrom(...KEYS);

const append = fc
  .array(fc.tuple(name, fc.option(fc.constantFrom('k1', 'k2', 'k3'), { nil: undefined })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((added): Step => async (model, real) => {
    const entries = added.map(([topicName, dedup], i) => {
      const text = `${model.last}-${model.entries.length}-${i}`;
      return { topicName, dedup, text };
    });
    const appended = await real.engine.log.append(
      entries.map(({ topicName, dedup, text }) =>
        entry(topicName, text, dedup === undefined ? {} : { dedup: { key: dedup, note: dedup } }),
      ),
    );
    const told: string[] = [];
    for (const [i, { topicName, dedup, text }] of entries.entries()) {
      const result = appended[i] as (typeof appended)[number];
      const known = dedup === undefined ? undefined : model.keys.get(dedup);
      same(result.duplicate, known === undefined ? undefined : { note: dedup }, 'duplicate');
      if (known !== undefined) {
        same(result.seq, known, 'the place of the first');
        continue;
      }
      if (result.seq <= model.last) throw new Error(`${result.seq} does not ascend from ${model.last}`);
      model.last = result.seq;
      if (dedup !== undefined) model.keys.set(dedup, result.seq);
      model.entries.push({ seq: result.seq, topic: topicName, text });
      told.push(`${topicName} ${text}`);
    }
    same(real.followed.splice(0), told, 'what followers were told');
    same(await real.engine.log.last(), model.last, 'last');
  });

const read = fc
  .tuple(name, fc.nat(), fc.nat(), fc.boolean(), fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 5 }))
  .map(([topicName, a, b, useAfter, useBefore, newest, limit]): Step => async (model, { engine }) => {
    const after = useAfter ? a % (model.last + 2) : undefined;
    const before = useBefore ? b % (model.last + 2) : undefined;
    const found = await engine.log.read(topic(topicName), {
      after: after as Seq,
      before: before as Seq,
      limit,
      newest,
    });
    const all = model.entries.filter(
      (one) => one.topic === topicName && one.seq > (after ?? 0) && one.seq < (before ?? Infinity),
    );
    const expected = newest ? all.slice(-limit) : all.slice(0, limit);
    same(
      found.map((one) => [one.seq, textsOf([one])[0]]),
      expected.map((one) => [one.seq, one.text]),
      'read',
    );
  });

const bounds = name.map((topicName): Step => async (model, { engine }) => {
  const all = model.entries.filter((one) => one.topic === topicName);
  const expected = { floor: 0, oldest: all[0]?.seq ?? null, newest: all.at(-1)?.seq ?? null };
  const { floor, oldest, newest } = await engine.log.bounds(topic(topicName));
  same({ floor, oldest, newest }, expected, 'bounds');
});

const drop = name.map((topicName): Step => async (model, { engine }) => {
  await engine.log.drop(topic(topicName));
  model.entries = model.entries.filter((one) => one.topic !== topicName);
});

const erase = fc.tuple(name, fc.nat()).map(([topicName, which]): Step => async (model, { engine }) => {
  // Mostly one that is there.
  const all = [...model.entries.filter((one) => one.topic === topicName).map(({ seq }) => seq), model.last + 1, 1];
  const seq = all[which % all.length] as number;
  const left = model.entries.filter((one) => one.seq !== seq || one.topic !== topicName);
  same(await engine.log.erase(topic(topicName), seq as Seq), left.length < model.entries.length, 'erased');
  model.entries = left;
  const last = await engine.log.last();
  if (last < model.last) throw new Error(`the last place went from ${model.last} down to ${last}`);
  model.last = last;
  same(
    await engine.log.count(topic(topicName), 0 as Seq),
    left.filter((one) => one.topic === topicName).length,
    'count',
  );
});

const put = fc.tuple(key, fc.nat(9), fc.boolean()).map(([record, value, honest]): Step => async (model, { engine }) => {
  const there = model.records.get(record);
  const expected = honest ? (there?.revision ?? null) : (((there?.revision ?? 0) + 1_000_000) as Revision);
  try {
    const revision = await engine.directory.put(record, value, expected);
    if (!honest) throw new Error('a wrong revision was accepted');
    model.records.set(record, { value, revision });
  } catch (error) {
    if (honest || !(error instanceof Conflict)) throw error;
  }
  same((await engine.directory.get(record))?.value, model.records.get(record)?.value, 'get');
});

const remove = key.map((record): Step => async (model, { engine }) => {
  await engine.directory.remove(record);
  model.records.delete(record);
  same(await engine.directory.get(record), undefined, 'get of what was removed');
});

const allocate = fc.constant<Step>(async (model, { engine }) => {
  const number = await engine.directory.allocate('client');
  if (number <= model.allocated) throw new Error(`${number} was handed out before`);
  model.allocated = number;
  same(await engine.directory.allocated('client'), number, 'allocated');
  // A number counts for good as soon as a record written after it is durable.
  const revision = await engine.directory.put(
    'number',
    number,
    (await engine.directory.get('number'))?.revision ?? null,
  );
  same(typeof revision, 'number', 'revision');
});

const reopen = fc.constant<Step>(async (model, real) => {
  await real.engine.close();
  real.engine = await real.reopen();
  await follow(real);
  if ((await real.engine.log.last()) < model.last) throw new Error('the log forgot its last place');
});

const step = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 6, arbitrary: read },
  { weight: 2, arbitrary: bounds },
  { weight: 1, arbitrary: drop },
  { weight: 3, arbitrary: erase },
  { weight: 3, arbitrary: put },
  { weight: 1, arbitrary: remove },
  { weight: 2, arbitrary: allocate },
  { weight: 1, arbitrary: reopen },
);

/** Does the same to an engine and to the model, step by step, and compares what comes of it. */
export async function engineModel(t: Test, fresh: () => Promise<Place>): Promise<void> {
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (run) => {
      const { open, remove } = await fresh();
      const real: Real = { engine: await open(), reopen: () => open(), followed: [] };
      const model: Model = { entries: [], keys: new Map(), records: new Map(), allocated: 0, last: 0 };
      try {
        await follow(real);
        for (const one of run) {
          await one(model, real);
          steps++;
        }
      } finally {
        await real.engine.close();
        await remove?.();
      }
    }),
    { numRuns: 40 },
  );
  t.pass(`${steps} steps`);
}
