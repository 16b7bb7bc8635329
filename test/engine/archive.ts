import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type ArchiveSource, type ArchiveTarget, ArchiveUnusable } from '../../src/engine/archive.js';
import { type Engine, EngineUnusable, type Json, type Retention, type Seq } from '../../src/engine/engine.js';
import { openFileSource } from '../../src/engine/file/source.js';
import { openFileTarget } from '../../src/engine/file/target.js';
import { move, type Moved } from '../../src/engine/move.js';
import { temporaryFolder } from '../support/folder.js';
import { entry, textsOf, topic } from './contract.js';
import { until } from './contract/place.js';

/** Where an engine keeps its things, so that they can be written out and filled in. */
export interface ArchivePlace {
  readonly open: (retention?: Partial<Retention>, now?: () => number) => Promise<Engine>;
  /** Opened with the same clock as the engine that is not open meanwhile. */
  readonly source: (now?: () => number) => Promise<ArchiveSource>;
  readonly target: () => Promise<ArchiveTarget>;
}

const ALL = { limit: 1_000_000 };
const A = topic('client.1');
const B = topic('room.lobby');

/**
 * What every engine owes to whoever moves: the words of src/engine/archive.ts as tests. What is in one place goes to a file
 * and from there to another, and has to be the same.
 * @param place makes a new, empty place
 * @param runs how many contents are made up
 */
export function archiveContract(name: string, place: (t: Test) => Promise<ArchivePlace>, runs = 30): void {
  const check = (what: string, run: (t: Test) => Promise<void>) => void t.test(`${name}: ${what}`, run);

  check('what was moved is as it was, and is gone on with', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    const old = await from.open();
    await old.log.append([entry(A, 'one'), entry(B, 'two'), entry(A, 'three'), entry(topic('client.10'), 'four')]);
    await old.directory.put('client/1', { name: 'alice', rooms: ['lobby'] }, null);
    await old.directory.allocate('client');
    await old.directory.allocate('client');
    await old.directory.put('client/2', null, null);
    const before = await stateOf(old);
    await old.close();
    t.match(await moveThrough(t, from, to), [
      { after: 0, entries: 4, records: 2 },
      { after: 0, entries: 4, records: 2 },
    ]);

    const moved = await to.open();
    t.same(await stateOf(moved), before);
    const [{ seq } = { seq: 0 }] = await moved.log.append([entry(A, 'five')]);
    t.ok(seq > before.last, 'its places go on');
    t.equal(await moved.directory.allocate('client'), 3, 'its numbers go on');
    const record = await moved.directory.get('client/1');
    t.ok(record);
    if (record) await moved.directory.put('client/1', 'changed', record.revision);
    await moved.close();

    const again = await to.open();
    t.same(textsOf(await again.log.read(A, ALL)), ['one', 'three', 'five']);
    t.equal((await again.directory.get('client/1'))?.value, 'changed');
    t.equal((await again.directory.get('client/2'))?.value, null);
    await again.close();
  });

  check('an engine that holds nothing', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    const old = await from.open();
    const { epoch } = old.log;
    await old.close();
    await moveThrough(t, from, to);
    const moved = await to.open();
    t.equal(moved.log.epoch, epoch);
    t.equal(await moved.log.last(), 0);
    await moved.close();
  });

  check('what was trimmed is missed as before, and what is too much is trimmed', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    const old = await from.open({ maxEntries: 10 });
    await old.log.append(Array.from({ length: 100 }, (_, n) => entry(n < 5 ? B : A, `${n}`)));
    await until('it is trimmed', async () => (await old.log.count(A, 0 as Seq)) === 10);
    const before = await stateOf(old);
    t.ok((before.topics[A]?.bounds.floor ?? 0) > 0);
    await old.close();
    await moveThrough(t, from, to);
    const moved = await to.open({ maxEntries: 10 });
    t.same(await stateOf(moved), before);
    await moved.close();
    const fewer = await to.open({ maxEntries: 3 });
    await until('it keeps to the new number', async () => (await fewer.log.count(A, 0 as Seq)) === 3);
    t.same(textsOf(await fewer.log.read(A, ALL)), ['97', '98', '99']);
    await fewer.close();
  });

  check('when it was appended counts, not when it was moved', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    let now = Date.now() - 60_000;
    const old = await from.open({}, () => now);
    await old.log.append([entry(A, 'old')]);
    now += 30_000;
    const [young] = await old.log.append([entry(A, 'young')]);
    await old.close();
    await moveThrough(t, from, to);
    const moved = await to.open({ maxAge: 45_000 });
    await until('the old one is trimmed', async () => (await moved.log.bounds(A)).oldest === young?.seq);
    t.same(textsOf(await moved.log.read(A, ALL)), ['young']);
    await moved.close();
  });

  check('what has expired or was dropped stays behind; what expires later does', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    let now = Date.now();
    const clock = () => now;
    const old = await from.open({}, clock);
    await old.log.append([
      entry(A, 'soon', { expiresAt: now + 1_000 }),
      entry(A, 'later', { expiresAt: now + 100_000 }),
      entry(A, 'never'),
      entry(B, 'dropped'),
    ]);
    await old.log.drop(B);
    await old.log.append([entry(B, 'anew')]);
    await old.close();
    now += 2_000;
    await moveThrough(t, from, to, clock);
    const moved = await to.open({}, clock);
    t.same(textsOf(await moved.log.read(A, ALL)), ['later', 'never']);
    t.same(textsOf(await moved.log.read(B, ALL)), ['anew']);
    t.equal((await moved.log.bounds(A)).floor, 0, 'nobody misses it');
    now += 200_000;
    t.same(textsOf(await moved.log.read(A, ALL)), ['never']);
    t.equal(await moved.log.count(A, 0 as Seq), 1);
    await moved.close();
  });

  check('what was erased stays behind, and nobody misses it', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    const old = await from.open();
    const keyed = { dedup: { key: 'k', note: 'n' } };
    const appended = await old.log.append([entry(A, 'one'), entry(A, 'hushed', keyed), entry(A, 'newest')]);
    const [, erased, newest] = appended.map(({ seq }) => seq);
    t.ok(await old.log.erase(A, erased as Seq));
    t.ok(await old.log.erase(A, newest as Seq));
    await old.log.append([entry(A, 'hushed', keyed)]);
    const before = await stateOf(old);
    await old.close();
    const path = join(await temporaryFolder(t), 'file');
    await closing(await from.source(), (source) => move(source, () => openFileTarget(path)));
    t.notMatch(await readFile(path, 'utf8'), /hushed|newest/);
    await closing(await openFileSource(path), (source) => move(source, to.target));
    const moved = await to.open();
    t.same(await stateOf(moved), before);
    t.same(textsOf(await moved.log.read(A, ALL)), ['one']);
    const [next] = await moved.log.append([entry(A, 'next')]);
    t.ok((next?.seq ?? 0) > (newest as Seq), 'no place is given twice');
    await moved.close();
  });

  check('interrupted anywhere, it is gone on with, and comes to the same', async (t) => {
    const [from, to] = [await place(t), await place(t)];
    const old = await from.open();
    for (let n = 0; n < 30; n++)
      await old.log.append(Array.from({ length: 300 }, (_, i) => entry(`t${i % 7}`, `${n}-${i}`)));
    for (let n = 0; n < 20; n++) await old.directory.put(`client/${n}`, n, null);
    const before = await stateOf(old);
    await old.close();
    const folder = await temporaryFolder(t);
    const [whole, file] = [join(folder, 'whole'), join(folder, 'file')];
    const toFile = async (path: string, breaking?: Breaking) =>
      closing(await from.source(), (source) => move(broken(source, breaking), () => openFileTarget(path)));
    const toPlace = async (breaking?: Breaking) =>
      closing(await openFileSource(file), (source) => move(broken(source, breaking), to.target));

    await toFile(whole);
    await t.rejects(toFile(file, { entries: 0 }), INTERRUPTED);
    await t.rejects(toFile(file, { entries: 4_500 }), INTERRUPTED);
    // In the middle of a line.
    await truncate(file, (await stat(file)).size - 7);
    await t.rejects(toFile(file, { records: 10 }), INTERRUPTED);
    const last = await toFile(file);
    t.match(last, { entries: 9_000 - 3_999, records: 20 }, 'two batches were there, but for the line that was cut');
    t.ok((last?.after ?? 0) > 0);
    t.equal(await toFile(file), undefined, 'there is nothing left to do');
    t.ok((await readFile(whole)).equals(await readFile(file)), 'the same file');

    await t.rejects(toPlace({ entries: 0 }), INTERRUPTED);
    await t.rejects(toPlace({ entries: 4_500 }), INTERRUPTED);
    await t.rejects(to.open(), { constructor: EngineUnusable, message: /^[^\n]+$/ }, 'no server opens the half of it');
    await t.rejects(to.source(), { constructor: EngineUnusable, message: /^[^\n]+$/ }, 'nor is it written out');
    await t.rejects(toPlace({ records: 10 }), INTERRUPTED);
    t.match(await toPlace(), { records: 20 });
    t.equal(await toPlace(), undefined, 'there is nothing left to do');
    const moved = await to.open();
    t.same(await stateOf(moved), before);
    await moved.log.append([entry(A, 'more')]);
    await moved.close();
    t.equal(await toPlace(), undefined, 'not even when it has been used since');
  });

  check('nothing is put to what is there already', async (t) => {
    const [from, to, half] = [await place(t), await place(t), await place(t)];
    const old = await from.open();
    await old.log.append([entry(A, 'moved')]);
    await old.close();
    const other = await to.open();
    await other.log.append([entry(A, 'there')]);
    await other.close();
    const path = join(await temporaryFolder(t), 'file');
    const oneLine = { constructor: ArchiveUnusable, message: /^[^\n]+$/ };
    await closing(await from.source(), (source) => move(source, () => openFileTarget(path)));
    await t.rejects(
      closing(await openFileSource(path), (source) => move(source, to.target)),
      oneLine,
    );
    const still = await to.open();
    t.same(textsOf(await still.log.read(A, ALL)), ['there']);
    await still.close();
    await t.rejects(
      closing(await to.source(), (source) => move(source, () => openFileTarget(path))),
      { ...oneLine, message: /another epoch/ },
      'a file of another engine',
    );

    await t.rejects(
      closing(await openFileSource(path), (source) => move(broken(source, { entries: 0 }), half.target)),
      INTERRUPTED,
    );
    const elsewhere = join(await temporaryFolder(t), 'file');
    await closing(await to.source(), (source) => move(source, () => openFileTarget(elsewhere)));
    await t.rejects(
      closing(await openFileSource(elsewhere), (source) => move(source, half.target)),
      oneLine,
    );
    await closing(await openFileSource(path), (source) => move(source, half.target));

    const changed = await from.open();
    await changed.directory.put('client/1', 1, null);
    await changed.close();
    await t.rejects(
      closing(await from.source(), (source) => move(source, () => openFileTarget(path))),
      { ...oneLine, message: /another time/ },
      'a file of the same engine before it was changed',
    );
  });

  check('a file that was cut short, or changed, is noticed', async (t) => {
    const from = await place(t);
    const old = await from.open();
    await old.log.append(Array.from({ length: 20 }, (_, n) => entry(A, `${n}`)));
    await old.directory.put('client/1', 1, null);
    await old.close();
    const path = join(await temporaryFolder(t), 'file');
    await closing(await from.source(), (source) => move(source, () => openFileTarget(path)));
    const lines = (await readFile(path, 'utf8')).split(/(?<=\n)/);
    t.equal(lines.length, 23);
    const wrong: [string[], RegExp][] = [
      [[], /is not an archive/],
      [['{"format":"other"}\n', ...lines.slice(1)], /is not an archive/],
      [[(lines[0] as string).replace('"version":2', '"version":3'), ...lines.slice(1)], /newer InterChat/],
      [lines.slice(0, 1), /cut short after line 1\./],
      [lines.slice(0, 10), /cut short after line 10\./],
      [lines.slice(0, -1), /cut short after line 22\./],
      [[...lines.slice(0, -1), (lines.at(-1) as string).trimEnd()], /cut short/],
      [[...lines.slice(0, 10), ...lines.slice(11)], /more or fewer/],
      [[...lines.slice(0, -2), ...lines.slice(-1)], /more or fewer/],
      [[...lines.slice(0, 10), ...lines.slice(9)], /line 11 /],
      [[...lines.slice(0, 5), 'nonsense\n', ...lines.slice(5)], /line 6 /],
      [[...lines.slice(0, 5), '\0\0\0\0\n', ...lines.slice(5)], /line 6 /],
    ];
    for (const [text, message] of wrong) {
      const to = await place(t);
      await writeFile(path, text.join(''));
      await t.rejects(
        closing(await openFileSource(path), (source) => move(source, to.target)),
        {
          constructor: ArchiveUnusable,
          message,
        },
      );
    }
  });

  check('a file in which any byte was changed is refused, and nothing else is made of it', async (t) => {
    const from = await place(t);
    const old = await from.open({ maxEntries: 3 });
    await old.log.append(Array.from({ length: 6 }, (_, n) => entry(A, `"text ${n}"`)));
    await old.directory.put('client/1', { name: 'alice' }, null);
    await old.directory.allocate('client');
    await until('it is trimmed', async () => (await old.log.bounds(A)).floor > 0);
    await old.close();
    const path = join(await temporaryFolder(t), 'file');
    await closing(await from.source(), (source) => move(source, () => openFileTarget(path)));
    const whole = await readFile(path);
    const readAll = async () => contentOf(await openFileSource(path));
    const expected = await readAll();
    t.equal(expected.floors.length, 1);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      // A letter becomes another letter, a digit another digit.
      changed[at] = (changed[at] as number) ^ 1;
      await writeFile(path, changed);
      const read = await readAll().catch((error: unknown) => error);
      if (!(read instanceof ArchiveUnusable)) t.fail(`byte ${at} of ${whole.toString('latin1', at - 20, at + 20)}`);
    }
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      await t.rejects(readAll(), { constructor: ArchiveUnusable, message: /is cut short|is not an archive/ });
    }
    await writeFile(path, Buffer.concat([whole, Buffer.from('x')]));
    await t.rejects(readAll(), { constructor: ArchiveUnusable, message: /more after its end/ });
    const lines = whole.toString().split(/(?<=\n)/);
    await writeFile(path, [...lines.slice(0, 2), ...lines.slice(3), ...lines.slice(2, 3)].join(''));
    await t.rejects(readAll(), ArchiveUnusable, 'a line at another place');
  });

  check('whatever is in it comes out the same', async (t) => {
    await fc.assert(
      fc.asyncProperty(content, async ({ entries, records, drops, numbers, maxEntries }) => {
        const [from, to] = [await place(t), await place(t)];
        const begin = Date.now();
        let now = begin;
        const clock = () => now;
        const old = await from.open({ maxEntries }, clock);
        for (const { name, body, later, expires } of entries) {
          now += later;
          const expiresAt = expires === undefined ? undefined : begin + expires;
          await old.log.append([{ topic: topic(name), body: Buffer.from(body), ...(expiresAt && { expiresAt }) }]);
        }
        for (const name of drops) await old.log.drop(topic(name));
        for (let n = 0; n < numbers; n++) await old.directory.allocate('client');
        for (const [key, value] of records) await old.directory.put(key, value, null);
        await old.close();
        const one = await contentOf(await from.source(clock));
        await moveThrough(t, from, to, clock);
        const moved = await to.open({}, clock);
        const state = await stateOf(moved);
        await moved.close();
        const other = await contentOf(await to.source(clock));
        const [expected, actual] = [JSON.stringify(one), JSON.stringify(other)];
        if (expected !== actual) throw new Error(`${actual} instead of ${expected}`);
        const count = Object.values(state.topics).reduce((sum, { texts }) => sum + texts.length, 0);
        if (count !== one.entries.length) throw new Error(`${count} of ${one.entries.length} entries can be read`);
      }),
      { numRuns: runs },
    );
  });
}

const TOPICS = ['client.1', 'client.10', 'room.lobby', 'everyone', 'a'];

const content = fc.record({
  entries: fc.array(
    fc.record({
      name: fc.constantFrom(...TOPICS),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.string({ unit: 'binary', maxLength: 20 }).map((text) => Buffer.from(text)),
        fc.constantFrom('\ufeffmark', '\u2028\r\n\0', '').map((text) => Buffer.from(text)),
      ),
      later: fc.nat(1_000),
      expires: fc.option(fc.integer({ min: 1, max: 40_000 }), { nil: undefined }),
    }),
    { maxLength: 40 },
  ),
  records: fc
    .dictionary(fc.stringMatching(/^[A-Za-z0-9_./-]{1,20}$/), fc.jsonValue(), { maxKeys: 8 })
    .map((records) => Object.entries(records) as [string, Json][]),
  drops: fc.subarray(TOPICS),
  numbers: fc.nat(3),
  maxEntries: fc.integer({ min: 1, max: 20 }),
});

/** All that an engine tells of what these tests put into it. */
async function stateOf({ log, directory }: Engine) {
  const topics: Record<string, { texts: string[]; seqs: Seq[]; count: number; bounds: { floor: number } }> = {};
  for (const name of [...TOPICS, ...Array.from({ length: 7 }, (_, n) => `t${n}`)]) {
    const read = await log.read(topic(name), ALL);
    topics[name] = {
      texts: textsOf(read),
      seqs: read.map(({ seq }) => seq),
      count: await log.count(topic(name), 0 as Seq),
      bounds: await log.bounds(topic(name)),
    };
  }
  const records: [string, Json | undefined][] = [];
  const stop = await directory.watch('', ({ key, record }) => records.push([key, record?.value]));
  stop();
  records.sort(([one], [other]) => (one < other ? -1 : 1));
  return { epoch: log.epoch, last: await log.last(), allocated: await directory.allocated('client'), topics, records };
}

/** All that a source gives, but for what names the moment. */
async function contentOf(source: ArchiveSource) {
  const { snapshot, ...summary } = await source.summary();
  const floors = await listOf(source.floors());
  const records = await listOf(source.records());
  const entries = (await listOf(source.entries(0 as Seq))).map((one) => ({
    ...one,
    body: Buffer.from(one.body).toString('hex'),
  }));
  await source.close();
  return { named: snapshot !== '', summary, entries, floors, records };
}

async function listOf<One>(ones: AsyncIterable<One>): Promise<One[]> {
  const list: One[] = [];
  for await (const one of ones) list.push(one);
  return list;
}

/** From one place to a file, and from the file to another place. */
async function moveThrough(
  t: Test,
  from: ArchivePlace,
  to: ArchivePlace,
  now?: () => number,
): Promise<(Moved | undefined)[]> {
  const path = join(await temporaryFolder(t), 'archive.ndjson');
  const out = await closing(await from.source(now), (source) => move(source, () => openFileTarget(path)));
  t.equal((await stat(path)).mode & 0o777, 0o600, 'for its owner alone');
  return [out, await closing(await openFileSource(path), (source) => move(source, to.target))];
}

async function closing<Result>(
  source: ArchiveSource,
  use: (source: ArchiveSource) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** After how many entries, or records, a source gives no more. */
interface Breaking {
  readonly entries?: number;
  readonly records?: number;
}

const INTERRUPTED = { message: 'interrupted' };

/** A source that fails half way, as a process does that is killed. */
function broken(source: ArchiveSource, breaking: Breaking = {}): ArchiveSource {
  return {
    summary: () => source.summary(),
    entries: (after) => upTo(source.entries(after), breaking.entries),
    floors: () => source.floors(),
    records: () => upTo(source.records(), breaking.records),
    close: () => source.close(),
  };
}

async function* upTo<One>(ones: AsyncIterable<One>, limit = Infinity): AsyncIterable<One> {
  let count = 0;
  for await (const one of ones) {
    if (count++ >= limit) throw new Error(INTERRUPTED.message);
    yield one;
  }
}
