import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, link, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Engine, EngineUnavailable, EngineUnusable } from '../../src/engine/engine.js';
import { openFileSource } from '../../src/engine/file/source.js';
import { openNewFileTarget } from '../../src/engine/file/target.js';
import { openLmdbBackupSource } from '../../src/engine/lmdb/archive-source.js';
import { openLmdbRestoration } from '../../src/engine/lmdb/archive-target.js';
import { type LmdbOptions, openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { move } from '../../src/engine/move.js';
import { temporaryFolder } from '../support/folder.js';
import { waitFor } from '../support/wait.js';
import { entry, RETENTION, textsOf, topic } from './contract.js';

t.jobs = 3;

const openIn = (folder: string, options: Partial<LmdbOptions> = {}) =>
  openLmdbEngine({ folder, retention: RETENTION, ...options });

const textsIn = async (engine: Engine) => textsOf(await engine.log.read(topic('a'), { limit: 100_000 }));

async function isRefused(t: Test, folder: string, message: RegExp): Promise<void> {
  await t.rejects(openIn(folder), { constructor: EngineUnusable, message });
}

/** A folder that holds another log. */
async function another(t: Test): Promise<string> {
  const folder = await temporaryFolder(t);
  const engine = await openIn(folder);
  await engine.log.append([entry('a', 'of another log')]);
  await engine.close();
  return folder;
}

interface Case {
  readonly name: string;
  /** What happens to the folder `data` in `root`. */
  readonly harm: (data: string, root: string) => Promise<unknown>;
  /** What undoes it; undefined where nothing can. */
  readonly undo?: (data: string, root: string) => Promise<unknown>;
}

const CASES: readonly Case[] = [
  {
    name: 'the folder is renamed',
    harm: (data, root) => rename(data, join(root, 'old')),
    undo: (data, root) => rename(join(root, 'old'), data),
  },
  {
    name: 'the folder above is renamed',
    harm: (_, root) => rename(root, `${root}-old`),
    undo: (_, root) => rename(`${root}-old`, root),
  },
  {
    name: 'the file is renamed',
    harm: (data) => rename(join(data, 'log.mdb'), join(data, 'old')),
    undo: (data) => rename(join(data, 'old'), join(data, 'log.mdb')),
  },
  {
    name: 'the secret is removed',
    harm: (data, root) => rename(join(data, 'secret'), join(root, 'secret')),
    undo: (data, root) => copyFile(join(root, 'secret'), join(data, 'secret')),
  },
  {
    name: 'the secret is another one',
    harm: async (data, root) => {
      await rename(join(data, 'secret'), join(root, 'secret'));
      await writeFile(join(data, 'secret'), 'x'.repeat(43));
    },
    undo: (data, root) => copyFile(join(root, 'secret'), join(data, 'secret')),
  },
  {
    name: 'another folder is in its place',
    harm: async (data, root) => {
      await rename(data, join(root, 'old'));
      await cp(join(root, 'other'), data, { recursive: true });
    },
    undo: async (data, root) => {
      await rm(data, { recursive: true });
      await rename(join(root, 'old'), data);
    },
  },
  { name: 'the folder is removed', harm: (data) => rm(data, { recursive: true }) },
  { name: 'the file is removed', harm: (data) => rm(join(data, 'log.mdb')) },
  {
    name: 'a copy of the file takes its place',
    harm: async (data) => {
      await copyFile(join(data, 'log.mdb'), join(data, 'copy'));
      await rename(join(data, 'copy'), join(data, 'log.mdb'));
    },
  },
];

for (const isIdle of [false, true]) {
  for (const { name, harm, undo } of CASES) {
    void t.test(`${name} ${isIdle ? 'while nothing is written' : 'while it is written'}`, async (t) => {
      const root = join(await temporaryFolder(t), 'root');
      const data = join(root, 'data');
      await mkdir(root);
      await cp(await another(t), join(root, 'other'), { recursive: true });
      const errors: Error[] = [];
      const engine = await openIn(data, { onError: (error) => errors.push(error) });
      const secret = await engine.secret();
      const acknowledged: string[] = [];
      const append = async (text: string) => {
        await engine.log.append([entry('a', text)]);
        acknowledged.push(text);
      };
      for (let n = 0; n < 20; n++) await append(`before ${n}`);
      const epoch = engine.log.epoch;
      await harm(data, root);
      let late = 0;
      if (isIdle) await waitFor(async () => engine.health() !== null);
      else {
        let failure: unknown;
        await waitFor(async () => {
          await append(`after ${++late}`).catch((error: unknown) => (failure = error));
          return failure !== undefined;
        });
        t.ok(failure instanceof EngineUnavailable, 'appends are refused');
        late = acknowledged.length - 20;
        if (!name.includes('secret')) t.ok(late <= 1, `${late} acknowledged after it`);
      }
      t.match(engine.health(), /of the data folder was removed, renamed or replaced$/);
      t.notMatch(engine.health(), root, 'without a path');
      await t.rejects(append('refused'), EngineUnavailable);
      await t.rejects(engine.directory.put('client/1', 'refused', null), EngineUnavailable);
      t.equal(errors.length, 1, 'told once');
      t.match(errors[0]?.message, /^[^\n]+Put the same folder and files back, and this server goes on\.[^\n]*$/);
      // What was acknowledged can be saved as the line says.
      const saved = await temporaryFolder(t);
      if (process.platform === 'linux') {
        for (const [command] of errors[0]?.message.matchAll(/cp \S+ NEW_FOLDER\/[\w.]+/g) ?? []) {
          await promisify(execFile)('sh', ['-c', command.replace('NEW_FOLDER', saved)]);
        }
        const copy = await openIn(saved);
        const texts = await textsIn(copy);
        t.same(texts.slice(0, acknowledged.length), acknowledged, 'the copy has all that was acknowledged');
        t.ok(texts.length <= acknowledged.length + 1);
        t.ok((await copy.secret()).equals(secret), 'and the secret');
        await copy.close();
      }
      if (undo) {
        await undo(data, root);
        await waitFor(async () => engine.health() === null);
        await append('again');
        await engine.close();
        const next = await openIn(data);
        t.equal(next.log.epoch, epoch);
        const texts = await textsIn(next);
        t.same(
          texts.filter((text) => acknowledged.includes(text)),
          acknowledged,
          'nothing acknowledged is lost',
        );
        await next.close();
      } else {
        await engine.close();
        t.not(engine.health(), null);
      }
      t.equal(errors.length, 1);
    });
  }
}

void t.test('a folder behind a symbolic link that points elsewhere from now on', async (t) => {
  const root = await temporaryFolder(t);
  const [one, other, path] = [join(root, 'one'), await another(t), join(root, 'data')];
  await mkdir(one);
  await symlink(one, path);
  const engine = await openIn(path);
  t.teardown(() => engine.close());
  await engine.log.append([entry('a', 'kept')]);
  const point = async (to: string) => {
    await symlink(to, join(root, 'draft'));
    await rename(join(root, 'draft'), path);
  };
  await point(other);
  await waitFor(async () => engine.health() !== null);
  await point(one);
  await waitFor(async () => engine.health() === null);
  t.same(await textsIn(engine), ['kept']);
});

const OWNER = `
import { openLmdbEngine } from ${JSON.stringify(new URL('../../dist/engine/lmdb/index.js', import.meta.url).href)};
const engine = await openLmdbEngine({ folder: process.argv[1], retention: ${JSON.stringify(RETENTION)} });
await engine.log.append([{ topic: 'a', body: Buffer.from('of the first') }]);
console.log('open');
setInterval(() => undefined, 1000);
`;

void t.test(
  'a second process is refused by whatever path it comes, without the lock beside the file too',
  async (t) => {
    const root = await temporaryFolder(t);
    const folder = join(root, 'data');
    const first = spawn(process.execPath, ['--input-type=module', '-e', OWNER, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => first.kill('SIGKILL'));
    await once(first.stdout, 'data');
    const refused = /^Another InterChat uses the data folder [^\n]+$/;
    for (const name of ['lock', 'readers', 'log.mdb-lock']) {
      await rm(join(folder, name), { force: true });
      await isRefused(t, folder, refused);
    }
    await symlink(folder, join(root, 'symlink'));
    await isRefused(t, join(root, 'symlink'), refused);
    const linked = join(root, 'hard link');
    await mkdir(linked);
    await link(join(folder, 'log.mdb'), join(linked, 'log.mdb'));
    await isRefused(t, linked, refused);
    if (process.geteuid?.() === 0) {
      const bound = join(root, 'bound');
      await mkdir(bound);
      await promisify(execFile)('mount', ['--bind', folder, bound]);
      t.teardown(() => promisify(execFile)('umount', ['-l', bound]));
      await isRefused(t, bound, refused);
    }
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    for (const args of [
      ['export', join(root, 'export')],
      ['restore', join(root, 'none')],
    ]) {
      const { code } = await promisify(execFile)(process.execPath, [main, ...args, '--data', folder]).then(
        () => ({ code: 0 }),
        (error: { code: number }) => error,
      );
      t.not(code, 0, String(args));
    }
    // A copy is a folder of its own, also one with what lies beside the file.
    await cp(folder, join(root, 'copy'), { recursive: true, verbatimSymlinks: true });
    const copy = await openIn(join(root, 'copy'));
    t.same(await textsIn(copy), ['of the first']);
    const backup = await openLmdbBackupSource(join(root, 'copy'));
    await backup.close();
    await copy.close();
    const exit = once(first, 'exit');
    first.kill('SIGKILL');
    await exit;
    await (await openIn(folder)).close();
  },
);

void t.test('a folder that has lost its log is refused until the operator decides', async (t) => {
  const from = await temporaryFolder(t);
  const archive = join(await temporaryFolder(t), 'backup');
  const engine = await openIn(from);
  const secret = await engine.secret();
  await engine.log.append([entry('a', 'backed up')]);
  const source = await openLmdbBackupSource(from);
  await move(source, () => openNewFileTarget(archive));
  await source.close();
  await engine.close();
  await rm(join(from, 'log.mdb'));
  const names = await readdir(from);
  for (const name of ['secret', 'lock', 'readers', 'log.mdb-lock']) {
    t.ok(names.includes(name), `${name} is there`);
    const folder = await temporaryFolder(t);
    await cp(join(from, name), join(folder, name), { verbatimSymlinks: true });
    const before = await readdir(folder);
    await isRefused(
      t,
      folder,
      new RegExp(`^The log of the data folder [^\\n]+ is missing: [^\\n]+${name}[^\\n]+--accept-loss[^\\n]+$`),
    );
    t.same(await readdir(folder), before, 'it is left as it is');
    let begun = 0;
    const accepted = await openIn(folder, { acceptLoss: true, onBegin: () => begun++ });
    t.same([await textsIn(accepted), begun], [[], 1]);
    await accepted.close();
    await (await openIn(folder, { onBegin: () => begun++ })).close();
    t.equal(begun, 1, 'begun once');
  }
  const dangling = await temporaryFolder(t);
  await symlink(join(dangling, 'not mounted'), join(dangling, 'log.mdb'));
  await isRefused(t, dangling, /^The log of the data folder [^\n]+ is missing/);

  const again = await openFileSource(archive);
  await move(again, () => openLmdbRestoration(from));
  await again.close();
  const restored = await openIn(from);
  t.same(await textsIn(restored), ['backed up']);
  t.ok((await restored.secret()).equals(secret));
  await restored.close();
  t.match(await readFile(join(from, 'secret'), 'utf8'), secret.toString('base64url'));
});
