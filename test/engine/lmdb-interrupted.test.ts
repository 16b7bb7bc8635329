import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { Engine } from '../../src/engine/engine.js';
import { openFileSource } from '../../src/engine/file/source.js';
import { openFileTarget, openNewFileTarget } from '../../src/engine/file/target.js';
import { openLmdbBackupSource, openLmdbSource } from '../../src/engine/lmdb/archive-source.js';
import { openLmdbRestoration, openLmdbTarget } from '../../src/engine/lmdb/archive-target.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { keptSecret } from '../../src/engine/lmdb/secret.js';
import { move } from '../../src/engine/move.js';
import { preloaded } from '../faults/preloaded.js';
import { temporaryFolder } from '../support/folder.js';
import { entry, RETENTION, textsOf, topic } from './contract.js';

t.jobs = 2;

const DIST = new URL('../../dist/', import.meta.url);
const TEXTS = Array.from({ length: 50 }, (_, at) => `${at}`);

/** Starts for the first time, and says in a file beside the folder what was acknowledged. */
const FIRST_START = `
import { writeFileSync } from 'node:fs';
import { openLmdbEngine } from ${JSON.stringify(new URL('engine/lmdb/index.js', DIST).href)};
const root = process.argv[1];
const engine = await openLmdbEngine({ folder: root + '/data', retention: ${JSON.stringify(RETENTION)} });
const secret = await engine.secret();
writeFileSync(root + '/secret', secret.toString('base64url'));
for (let n = 1; n <= 3; n++) {
  await engine.log.append([{ topic: 'a', body: Buffer.from(String(n)) }]);
  writeFileSync(root + '/acknowledged', String(n));
}
await engine.close();
`;

/** Runs node, and returns the copies of what a kill before each change would have left in `root`, oldest first. */
async function snapshotsOf(t: Test, root: string, args: readonly string[]): Promise<readonly string[] | undefined> {
  const library = await preloaded(t, 'snapshots.c');
  if (library === undefined) return undefined;
  const folder = await temporaryFolder(t);
  const child = spawn(process.execPath, args, {
    env: { ...process.env, LD_PRELOAD: library, SNAPSHOTS_OF: root, SNAPSHOTS_IN: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  t.equal(code, 0, 'the run itself succeeds');
  const count = readdirSync(folder).length;
  t.comment(`${count} moments`);
  return Array.from({ length: count }, (_, at) => join(folder, String(at + 1)));
}

const textIn = (file: string) => readFile(file, 'utf8').catch(() => undefined);

async function textsIn(engine: Engine): Promise<string[]> {
  return textsOf(await engine.log.read(topic('a'), { limit: 1_000 }));
}

void t.test('kill -9 at each moment of a first start', async (t) => {
  const root = join(await temporaryFolder(t), 'root');
  await mkdir(root);
  const snapshots = await snapshotsOf(t, root, ['--input-type=module', '-e', FIRST_START, root]);
  if (!snapshots) return;
  t.ok(snapshots.length > 30, 'the start was watched');
  const faults: string[] = [];
  for (const [at, snapshot] of snapshots.entries()) {
    const folder = join(snapshot, 'data');
    const acknowledged = Number((await textIn(join(snapshot, 'acknowledged'))) ?? 0);
    try {
      const engine = await openLmdbEngine({ folder, retention: RETENTION });
      const secret = await engine.secret();
      const given = await textIn(join(snapshot, 'secret'));
      if (given && given !== secret.toString('base64url')) faults.push(`moment ${at}: another secret`);
      const texts = await textsIn(engine);
      if (texts.length < acknowledged) faults.push(`moment ${at}: ${texts.join()} of ${acknowledged}`);
      await engine.log.append([entry('a', 'next')]);
      await engine.close();
      const left = readdirSync(folder).filter((name) => /\.new|\.import|\.restore|-room/.test(name));
      if (left.length > 0) faults.push(`moment ${at}: ${left.join()} is left`);
    } catch (error) {
      faults.push(`moment ${at} (${readdirSync(snapshot).join()}): ${(error as Error).message}`);
    }
  }
  t.same(faults, []);
});

for (const [command, openSource, openArchive, openTarget] of [
  ['restore', openLmdbBackupSource, openNewFileTarget, openLmdbRestoration],
  ['import', openLmdbSource, openFileTarget, openLmdbTarget],
] as const) {
  void t.test(`kill -9 at each moment of ${command}`, async (t) => {
    const from = await temporaryFolder(t);
    const archive = join(await temporaryFolder(t), 'archive');
    const secret = await keptSecret(from);
    const filled = await openLmdbEngine({ folder: from, retention: RETENTION, acceptLoss: true });
    await filled.log.append(TEXTS.map((text) => entry('a', text)));
    await filled.directory.put('client/1', 'a record', null);
    await filled.close();
    const source = await openSource(from);
    await move(source, () => openArchive(archive));
    await source.close();

    const root = join(await temporaryFolder(t), 'root');
    await mkdir(root);
    const main = fileURLToPath(new URL('cli/main.js', DIST));
    const snapshots = await snapshotsOf(t, root, [main, command, archive, '--data', join(root, 'data')]);
    if (!snapshots) return;
    t.ok(snapshots.length > 30, 'the command was watched');
    const faults: string[] = [];
    let refused = 0;
    for (const [at, snapshot] of snapshots.entries()) {
      // Of an import every other moment: it takes the same steps.
      if (command === 'import' && at % 2 === 1) continue;
      const folder = join(snapshot, 'data');
      const isBegun = existsSync(folder) && readdirSync(folder).length > 0;
      try {
        const engine = await openLmdbEngine({ folder, retention: RETENTION });
        if (isBegun && (await textsIn(engine)).length < TEXTS.length) faults.push(`moment ${at}: a start takes a part`);
        await engine.close();
      } catch (error) {
        if (/has not come to its end. Run it again/.test((error as Error).message)) refused++;
        else faults.push(`moment ${at}: ${(error as Error).message}`);
      }
      try {
        const again = await openFileSource(archive);
        await move(again, () => openTarget(folder));
        await again.close();
        const engine = await openLmdbEngine({ folder, retention: RETENTION });
        if ((await textsIn(engine)).join() !== TEXTS.join()) faults.push(`moment ${at}: a part is restored`);
        if ((await engine.directory.get('client/1'))?.value !== 'a record') faults.push(`moment ${at}: no record`);
        if (!(await engine.secret()).equals(secret)) faults.push(`moment ${at}: another secret`);
        await engine.close();
      } catch (error) {
        faults.push(`moment ${at}: run again: ${(error as Error).message}`);
      }
    }
    t.same(faults, []);
    t.ok(refused > 10, 'no start takes what is not whole');
  });
}

void t.test('kill -9 soon after the folder is there', async (t) => {
  const main = fileURLToPath(new URL('cli/main.js', DIST));
  const root = await temporaryFolder(t);
  for (let n = 0; n < 8; n++) {
    const folder = join(root, String(n));
    const child = spawn(process.execPath, [main, 'serve', '--port', '0', '--data', folder], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    while (!existsSync(folder)) await new Promise((resolve) => setTimeout(resolve, 1));
    const delay = 7 * n;
    setTimeout(() => child.kill('SIGKILL'), delay);
    await exit;
    const engine = await openLmdbEngine({ folder, retention: RETENTION });
    await engine.close();
    t.pass(`${delay} ms after`);
  }
});

void t.test('what was acknowledged is never taken for something half-made', async (t) => {
  const folder = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  await engine.log.append([entry('a', 'kept')]);
  await engine.close();
  // What a start that was killed would leave beside it.
  for (const name of ['log.mdb.new', 'log.mdb.new-lock', 'log.mdb.import', 'log.mdb.restore', 'log.mdb-room']) {
    await writeFile(join(folder, name), 'x'.repeat(100));
  }
  const next = await openLmdbEngine({ folder, retention: RETENTION });
  t.same(await textsIn(next), ['kept']);
  await next.close();
});
