import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { EngineUnusable } from '../../src/engine/engine.js';
import { openLmdbSource } from '../../src/engine/lmdb/archive-source.js';
import { openLmdbTarget } from '../../src/engine/lmdb/archive-target.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { keptSecret } from '../../src/engine/lmdb/secret.js';
import { move } from '../../src/engine/move.js';
import { temporaryFolder } from '../support/folder.js';
import { archiveContract } from './archive.js';
import { RETENTION } from './contract.js';

archiveContract('lmdb', async (t) => {
  const folder = await temporaryFolder(t);
  return {
    open: (retention, now) => openLmdbEngine({ folder, retention: { ...RETENTION, ...retention }, now }),
    source: (now) => openLmdbSource(folder, now),
    target: () => openLmdbTarget(folder),
  };
});

void t.test('a folder in use is neither written out nor filled', async (t) => {
  const folder = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  const refused = { constructor: EngineUnusable, message: /^Another InterChat uses[^\n]*$/ };
  await t.rejects(openLmdbSource(folder), refused);
  await t.rejects(openLmdbTarget(folder), refused);
  await engine.close();
  const source = await openLmdbSource(folder);
  await t.rejects(openLmdbEngine({ folder, retention: RETENTION }), refused);
  await source.close();
  await (await openLmdbEngine({ folder, retention: RETENTION })).close();
});

void t.test('where there is nothing, nothing is written out, and nothing is made', async (t) => {
  const folder = await temporaryFolder(t);
  for (const bad of [folder, join(folder, 'none')]) {
    await t.rejects(openLmdbSource(bad), { constructor: EngineUnusable, message: /^There is no data[^\n]*$/ });
  }
  await t.rejects(stat(join(folder, 'none')));
});

void t.test('the secret goes along, in place of one that was never used', async (t) => {
  const [from, to] = [await temporaryFolder(t), await temporaryFolder(t)];
  for (const folder of [from, to]) await (await openLmdbEngine({ folder, retention: RETENTION })).close();
  const secret = await keptSecret(from);
  t.notSame(await keptSecret(to), secret);
  const source = await openLmdbSource(from);
  await move(source, () => openLmdbTarget(to));
  await source.close();
  t.same(await keptSecret(to), secret);
  t.equal((await stat(join(to, 'secret'))).mode & 0o777, 0o600);
  t.equal(await readFile(join(to, 'secret'), 'utf8'), await readFile(join(from, 'secret'), 'utf8'));

  await writeFile(join(from, 'secret'), 'short\n');
  const damaged = await openLmdbSource(from);
  await t.rejects(damaged.summary(), { constructor: EngineUnusable, message: /holds no secret/ });
  await damaged.close();
});
