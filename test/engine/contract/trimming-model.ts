import fc from 'fast-check';
import type { Test } from 'tap';
import type { Engine, Entry, Range, Relayed, Revision, Seq, Topic } from '../../../src/engine/engine.js';
import { Conflict } from '../../../src/engine/engine.js';
import type { Place } from '../contract.js';
import { entryOf, isAscending, type NewPlace, seqsOf, topicOf, until } from './place.js';

const TOPICS = ['client.1', 'client.10', 'room.a'].map(topicOf);
const KEYS = ['client/1', 'client/2'];
const MAX_ENTRIES = 12;

/** What an engine should have in it. Of a topic it may have trimmed what is not above its floor. */
interface Model {
  readonly topics: Map<Topic, Seq[]>;
  /** How many were erased of a topic since it was dropped last. */
  readonly erased: Map<Topic, number>;
  readonly dedups: Map<string, { seq: Seq; note: string }>;
  readonly records: Map<string, { value: number; revision: Revision }>;
  last: number;
}

/** The engine, and what its followers were told since it was opened. */
interface Real {
  readonly place: Place;
  engine: Engine;
  told: Seq[];
  /** What they should have been told. */
  expected: Seq[];
}

type Command = fc.AsyncCommand<Model, Real>;

abstract class Always implements Command {
  check(): boolean {
    return true;
  }
  abstract run(model: Model, real: Real): Promise<void>;
  abstract toString(): string;
}

class Append extends Always {
  constructor(private readonly entries: readonly { topic: number; key?: string }[]) {
    super();
  }

  async run(model: Model, { engine, expected }: Real): Promise<void> {
    const entries = this.entries.map(({ topic, key }, n) =>
      entryOf(TOPICS[topic] as Topic, `${n}`, key === undefined ? {} : { dedup: { key, note: `${model.last} ${n}` } }),
    );
    const appended = await engine.log.append(entries);
    for (const [at, { seq, duplicate }] of appended.entries()) {
      const { topic, dedup } = entries[at] as (typeof entries)[0];
      const known = dedup && model.dedups.get(dedup.key);
      equal(duplicate?.note, known?.note, 'the note of the first');
      if (known) equal(seq, known.seq, 'the place of the first');
      else {
        if (seq <= model.last) throw new Error(`the place ${seq} after ${model.last}`);
        model.last = seq;
        model.topics.set(topic, [...(model.topics.get(topic) ?? []), seq]);
        expected.push(seq);
        if (dedup) model.dedups.set(dedup.key, { seq, note: dedup.note });
      }
    }
    equal(await engine.log.last(), model.last, 'the last place');
  }

  toString(): string {
    return `append(${JSON.stringify(this.entries)})`;
  }
}

class Read extends Always {
  constructor(private readonly of: { topic: number; after: number; before?: number; limit: number; newest: boolean }) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const { limit, newest } = this.of;
    const topic = TOPICS[this.of.topic] as Topic;
    // Parts of what there is: places that are known to be interesting are rare among all numbers.
    const place = (part: number) => Math.floor((model.last + 2) * part) as Seq;
    const range: Range = {
      after: place(this.of.after),
      ...(this.of.before === undefined ? {} : { before: place(this.of.before) }),
      limit,
      newest,
    };
    const entries = await engine.log.read(topic, range);
    const { floor } = await engine.log.bounds(topic);
    const within = (model.topics.get(topic) ?? []).filter(
      (seq) => seq > (range.after ?? 0) && seq < (range.before ?? Infinity),
    );
    const seqs = seqsOf(entries);
    if (!isAscending(seqs)) throw new Error(`not in order: ${seqs.join()}`);
    const first = seqs.length > 0 ? within.indexOf(seqs[0] as Seq) : within.length;
    const from = newest ? Math.max(within.length - limit, 0) : 0;
    const skipped = within.slice(from, first < 0 ? undefined : first).filter((seq) => seq > floor);
    equal(skipped.join(), '', `left out though above the floor ${floor}`);
    equal(seqs.join(), within.slice(first).slice(0, limit).join(), 'what was read');
  }

  toString(): string {
    return `read(${JSON.stringify(this.of)})`;
  }
}

class Bounds extends Always {
  constructor(private readonly topic: number) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const topic = TOPICS[this.topic] as Topic;
    const { floor, oldest, newest } = await engine.log.bounds(topic);
    const there = model.topics.get(topic) ?? [];
    const above = there.filter((seq) => seq > floor);
    // When those behind it were erased, nothing may be left but what was trimmed.
    if (above.length > 0) equal(newest, above.at(-1), 'the newest');
    const least = Math.min(there.length, MAX_ENTRIES - (model.erased.get(topic) ?? 0));
    if (above.length < least) throw new Error(`only ${above.length} are above the floor`);
    if (above.length > 0 && (oldest === null || oldest > (above[0] as Seq))) throw new Error(`oldest ${oldest}`);
  }

  toString(): string {
    return `bounds(${this.topic})`;
  }
}

class Drop extends Always {
  constructor(private readonly topic: number) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const topic = TOPICS[this.topic] as Topic;
    await engine.log.drop(topic);
    model.topics.delete(topic);
    model.erased.delete(topic);
    equal(JSON.stringify(await engine.log.bounds(topic)), '{"floor":0,"oldest":null,"newest":null}', 'bounds');
  }

  toString(): string {
    return `drop(${this.topic})`;
  }
}

class Erase extends Always {
  constructor(
    private readonly topic: number,
    private readonly part: number,
  ) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const topic = TOPICS[this.topic] as Topic;
    const there = model.topics.get(topic) ?? [];
    const seq = there[Math.floor(there.length * this.part)] ?? ((model.last + 1) as Seq);
    const { floor } = await engine.log.bounds(topic);
    const erased = await engine.log.erase(topic, seq);
    if (!erased && seq > (await engine.log.bounds(topic)).floor) equal(there.includes(seq), false, `${seq} is there`);
    if (erased) {
      equal(there.includes(seq), true, `${seq} was there`);
      equal((await engine.log.read(topic, { after: (seq - 1) as Seq, limit: 1 }))[0]?.seq === seq, false, 'it is read');
      model.topics.set(
        topic,
        there.filter((one) => one !== seq),
      );
      model.erased.set(topic, (model.erased.get(topic) ?? 0) + 1);
    }
    const last = await engine.log.last();
    if (last < model.last) throw new Error(`the last place went from ${model.last} down to ${last}`);
    model.last = last;
    if ((await engine.log.bounds(topic)).floor < floor) throw new Error(`the floor went down from ${floor}`);
  }

  toString(): string {
    return `erase(${this.topic}, ${this.part})`;
  }
}

class Put extends Always {
  constructor(
    private readonly key: number,
    private readonly value: number,
    private readonly isStale: boolean,
  ) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const key = KEYS[this.key] as string;
    const there = model.records.get(key)?.revision ?? null;
    const expected = this.isStale ? (((there ?? 0) + 1_000_000) as Revision) : there;
    const revision = await engine.directory.put(key, this.value, expected).catch((error: unknown) => error);
    if (this.isStale) equal(revision instanceof Conflict, true, 'a conflict');
    else model.records.set(key, { value: this.value, revision: revision as Revision });
    await compareRecord(model, engine, key);
  }

  toString(): string {
    return `put(${this.key}, ${this.value}${this.isStale ? ', stale' : ''})`;
  }
}

class Remove extends Always {
  constructor(private readonly key: number) {
    super();
  }

  async run(model: Model, { engine }: Real): Promise<void> {
    const key = KEYS[this.key] as string;
    await engine.directory.remove(key);
    model.records.delete(key);
    await compareRecord(model, engine, key);
  }

  toString(): string {
    return `remove(${this.key})`;
  }
}

class Reopen extends Always {
  async run(model: Model, real: Real): Promise<void> {
    await settle(real);
    await real.engine.close();
    real.engine = await openFollowed(real.place, real);
    equal(await real.engine.log.last(), model.last, 'the last place');
    for (const key of KEYS) await compareRecord(model, real.engine, key);
  }

  toString(): string {
    return 'reopen()';
  }
}

const topic = fc.nat({ max: TOPICS.length - 1 });
const part = fc.double({ min: 0, max: 1, noNaN: true });
const entry = fc.record({ topic, key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined, freq: 4 }) });
const append = fc.array(entry, { minLength: 1, maxLength: 8 }).map((entries) => new Append(entries));
const read = fc
  .record({
    topic,
    after: part,
    before: fc.option(part, { nil: undefined }),
    limit: fc.integer({ min: 1, max: 20 }),
    newest: fc.boolean(),
  })
  .map((of) => new Read(of));
const key = fc.nat({ max: KEYS.length - 1 });
const commands = [
  append,
  append,
  append,
  read,
  read,
  topic.map((of) => new Bounds(of)),
  topic.map((of) => new Drop(of)),
  fc.tuple(topic, part).map(([of, at]) => new Erase(of, at)),
  fc.tuple(key, fc.nat(), fc.boolean()).map(([of, value, isStale]) => new Put(of, value, isStale)),
  key.map((of) => new Remove(of)),
  fc.constant(new Reopen()),
];

/** Whatever is done to an engine while it trims, nothing is missing that should be there. */
export async function trimmingModelContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('any sequence of calls, while it trims', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (calls) => {
        const place = await newPlace(t);
        const told: Pick<Real, 'told' | 'expected'> = { told: [], expected: [] };
        const engine = await openFollowed(place, told);
        const real: Real = { ...told, place, engine };
        const model: Model = { topics: new Map(), erased: new Map(), dedups: new Map(), records: new Map(), last: 0 };
        try {
          await fc.asyncModelRun(() => ({ model, real }), calls);
          await settle(real);
        } finally {
          await real.engine.close();
        }
      }),
      // Shrinking takes long where each run opens files, so that it is to be cut short.
      { numRuns: 25, interruptAfterTimeLimit: 8_000, endOnFailure: process.env.CI === undefined },
    );
    t.pass('as the model');
  });
}

async function openFollowed(place: Place, told: Pick<Real, 'told' | 'expected'>): Promise<Engine> {
  const engine = await place.open({ maxEntries: MAX_ENTRIES });
  const listener = ({ seq }: Entry | Relayed) => void told.told.push(seq as Seq);
  for (const topic of TOPICS) await engine.log.follow(topic, listener);
  return engine;
}

/** The followers have been told of everything, once and in order. */
async function settle({ told, expected }: Real): Promise<void> {
  await until('followers know', () => told.length >= expected.length);
  equal(told.join(), expected.join(), 'what followers were told');
}

async function compareRecord(model: Model, engine: Engine, key: string): Promise<void> {
  const record = await engine.directory.get(key);
  equal(record?.value, model.records.get(key)?.value, `the value of ${key}`);
  equal(record?.revision, model.records.get(key)?.revision, `the revision of ${key}`);
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
}
