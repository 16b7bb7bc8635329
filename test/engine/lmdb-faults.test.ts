import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import t, { type Test } from 'tap';
import { type Engine, EngineUnavailable, EngineUnusable, type Retention, type Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { smallDisk } from '../start/small-disk.js';
import { temporaryFolder } from '../support/folder.js';
import { waitFor } from '../support/wait.js';
import { entry, RETENTION, textsOf, topic } from './contract.js';

function openIn(folder: string, errors: Error[] = [], retention: Partial<Retention> = {}): Promise<Engine> {
  return openLmdbEngine({
    folder,
    retention: { ...RETENTION, ...retention },
    onError: (error) => errors.push(error),
  });
}

async function isRefused(t: Test, folder: string, message: RegExp): Promise<void> {
  await t.rejects(openIn(folder), { constructor: EngineUnusable, message });
}

const OWNER = `
import { openLmdbEngine } from ${JSON.stringify(fileURLToPath(new URL('../../dist/engine/lmdb/index.js', import.meta.url)))};
await openLmdbEngine({ folder: process.argv[1], retention: ${JSON.stringify(RETENTION)} });
console.log('open');
setInterval(() => undefined, 1000);
`;

void t.test('a folder that another process uses is refused until that ends, however it does', async (t) => {
  const folder = await temporaryFolder(t);
  const child = spawn(process.execPath, ['--input-type=module', '-e', OWNER, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await isRefused(t, folder, /^Another InterChat uses the data folder [^\n]+$/);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  await (await openIn(folder)).close();
});

void t.test('a folder of another format is refused, and left as it is', async (t) => {
  const folder = await temporaryFolder(t);
  const engine = await openIn(folder);
  await engine.log.append([entry('a', 'kept')]);
  await engine.close();
  const setFormat = async (change: (format: number) => number) => {
    const root = open({ path: join(folder, 'log.mdb'), noSubdir: true, maxDbs: 16, overlappingSync: false });
    const meta = root.openDB<number, string>('meta', { encoding: 'json' });
    await meta.put('format', change(meta.get('format') ?? 0));
    await root.close();
  };
  await setFormat((format) => format + 1);
  await isRefused(t, folder, /^The data folder [^\n]+ was written by a newer InterChat [^\n]+$/);
  await setFormat((format) => format - 2);
  await isRefused(t, folder, /^The data folder [^\n]+ was written by an older InterChat [^\n]+$/);
  await setFormat((format) => format + 1);
  const again = await openIn(folder);
  t.same(textsOf(await again.log.read(topic('a'), { limit: 10 })), ['kept']);
  await again.close();
});

void t.test('a file that is none of the engine is refused, not a reason to die', async (t) => {
  const folder = await temporaryFolder(t);
  for (const content of [Buffer.alloc(0), Buffer.alloc(100, 'x'), Buffer.alloc(100_000), Buffer.alloc(100_000, 'x')]) {
    await writeFile(join(folder, 'log.mdb'), content);
    await isRefused(t, folder, /^The data folder [^\n]+log\.mdb is not a data file, or is damaged[^\n]+$/);
  }
  const other = await temporaryFolder(t);
  await (await openIn(other)).close();
  await truncate(join(other, 'log.mdb'), 10);
  await isRefused(t, other, /is not a data file, or is damaged/);
});

void t.test('a folder that cannot be written is refused in one line', async (t) => {
  if (process.geteuid?.() === 0) {
    const disk = await smallDisk(t, '4m');
    if (!disk) return;
    await disk.remount('ro');
    await isRefused(t, disk.folder, /^The data folder [^\n]+EROFS[^\n]+$/);
    await isRefused(t, join(disk.folder, 'below'), /^The data folder [^\n]+EROFS[^\n]+$/);
    return;
  }
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'locked'));
  await chmod(join(folder, 'locked'), 0o500);
  await isRefused(t, join(folder, 'locked'), /^The data folder [^\n]+EACCES[^\n]+$/);
  await isRefused(t, join(folder, 'locked', 'below'), /^The data folder [^\n]+EACCES[^\n]+$/);
});

void t.test('a disk that is full', async (t) => {
  const disk = await smallDisk(t, '6m');
  if (!disk) return;
  const folder = join(disk.folder, 'data');
  const errors: Error[] = [];
  let engine = await openIn(folder, errors);
  const told: number[] = [];
  await engine.log.follow(topic('a'), ({ seq }) => told.push(seq as number));
  const revision = await engine.directory.put('client/1', 'before', null);
  await disk.fill();

  const acknowledged: number[] = [];
  const failed = new Set<string>();
  const append = async (key: string) => {
    const [appended] = await engine.log.append([entry('a', key.padEnd(2_000), { dedup: { key, note: key } })]);
    if (appended && !appended.duplicate) acknowledged.push(appended.seq);
    return appended;
  };
  let failure: unknown;
  for (let n = 0; failed.size === 0; n++) {
    const keys = Array.from({ length: 10 }, (_, one) => `${n}.${one}`);
    // The second of each comes while the first is on its way.
    const outcomes = await Promise.allSettled([...keys, ...keys].map(append));
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      failure = outcome.reason;
      failed.add(keys[at % 10] as string);
      t.equal(outcomes[(at + 10) % 20]?.status, 'rejected', 'a repeat fares as the first does');
    }
  }
  t.ok(failure instanceof EngineUnavailable);
  t.match(engine.health(), /no space left/);
  t.equal(errors.length, 1, 'told once');
  await t.rejects(append('at once'), EngineUnavailable);
  await t.rejects(engine.directory.put('client/1', 'during', revision), EngineUnavailable);
  const seqs = async () => (await engine.log.read(topic('a'), { limit: 1_000_000 })).map(({ seq }) => seq);
  t.same(await seqs(), acknowledged, 'what was acknowledged is there, and nothing else');
  t.same(told, acknowledged);
  await engine.log.drop(topic('b'));
  told.splice(2, 1);
  t.equal(await engine.log.erase(topic('a'), acknowledged.splice(2, 1)[0] as Seq), true);
  t.equal((await engine.directory.get('client/1'))?.value, 'before');
  await engine.log.relay(topic('a'), Buffer.alloc(0));
  t.equal(told.pop(), null, 'relaying needs no disk');

  await disk.free();
  await waitFor(async () => engine.health() === null);
  for (const key of failed) t.notOk((await append(key))?.duplicate, 'what failed may be tried again');
  await engine.directory.put('client/1', 'after', revision);
  t.same(told, acknowledged, 'followers follow on');
  for (const at of [5, 0]) t.equal(await engine.log.erase(topic('a'), acknowledged.splice(at, 1)[0] as Seq), true);
  t.equal(await engine.log.count(topic('a'), 0 as Seq), acknowledged.length);
  await engine.close();
  engine = await openIn(folder, errors);
  t.same(await seqs(), acknowledged);
  t.equal((await engine.directory.get('client/1'))?.value, 'after');
  await disk.fill();
  await engine.close();

  engine = await openIn(folder, errors);
  t.same(await seqs(), acknowledged, 'what is there can be served from a full disk');
  await engine.close();
  await isRefused(t, join(disk.folder, 'new'), /^The data folder [^\n]+no space left[^\n]+$/);
  await disk.free();
  await (await openIn(join(disk.folder, 'new'))).close();
  t.notOk(
    (await readdir(folder)).some((name) => name.endsWith('-room')),
    'nothing is left behind',
  );
});

void t.test('who sets the clock has no dedup key forgotten, and none kept for good', async (t) => {
  const { now } = Date;
  let wrong = 0;
  Date.now = () => now() + wrong;
  t.teardown(() => (Date.now = now));
  const engine = await openIn(await temporaryFolder(t), [], { dedupWindow: 2_000 });
  t.teardown(() => engine.close());
  const append = async (key: string) => {
    const [appended] = await engine.log.append([entry('a', key, { dedup: { key, note: 'the first' } })]);
    return appended?.duplicate?.note;
  };
  for (const step of [3_600_000, -3_600_000]) {
    const key = `stepped by ${step}`;
    t.equal(await append(key), undefined);
    wrong += step;
    t.equal(await append(key), 'the first', `${key}: within the window`);
    await waitFor(async () => (await append(key)) === undefined);
  }
});
