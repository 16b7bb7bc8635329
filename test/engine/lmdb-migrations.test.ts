import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import t from 'tap';
import { EngineUnusable } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { FORMAT, migrate, type Migration } from '../../src/engine/lmdb/migrations.js';
import { GROWTH_OF_CHANGE, Store } from '../../src/engine/lmdb/store.js';
import { temporaryFolder } from '../support/folder.js';
import { entry, RETENTION } from './contract.js';

/** Writes a record that says which migration was made, behind those that are there. */
const noting = (what: string): Migration => ({
  growth: () => 2 * GROWTH_OF_CHANGE,
  write: ({ records }) => {
    const count = records.getKeysCount();
    void records.put(`migrated/${count}`, { value: what, revision: 1 });
  },
});

const notesOf = ({ records }: Store) => [...records.getRange({ start: 'migrated/' })].map(({ value }) => value.value);

void t.test('an older folder goes through each migration from its format on, once, in order', async (t) => {
  const folder = await temporaryFolder(t);
  const migrations = {
    [FORMAT - 1]: noting('one that is not due'),
    [FORMAT]: noting('first'),
    [FORMAT + 1]: noting('second'),
  };
  const store = await Store.open(folder);
  for (const from of [FORMAT, FORMAT + 2]) {
    await migrate(store, folder, from, migrations, FORMAT + 2);
    t.same(notesOf(store), ['first', 'second']);
  }
  t.equal(store.meta.get('format'), FORMAT + 2);
  await store.close();
  await t.rejects(Store.open(folder), {
    constructor: EngineUnusable,
    message: /^The data folder [^\n]+ by a newer InterChat [^\n]+$/,
  });
});

void t.test('where a migration is missing nothing is changed', async (t) => {
  const folder = await temporaryFolder(t);
  const store = await Store.open(folder);
  await t.rejects(migrate(store, folder, FORMAT, { [FORMAT]: noting('first') }, FORMAT + 2), {
    constructor: EngineUnusable,
    message: /^The data folder [^\n]+ by an older InterChat [^\n]+$/,
  });
  t.same(notesOf(store), []);
  t.equal(store.meta.get('format'), FORMAT);
  await store.close();
});

const RECORDS = 20_000;

/** Migrates a folder whose every record is changed, and says when it begins. */
const MIGRATING = `
import { FORMAT, migrate } from ${JSON.stringify(built('migrations'))};
import { Store } from ${JSON.stringify(built('store'))};
const store = await Store.open(process.argv[1]);
const migration = {
  growth: () => 64 * 1024 * 1024,
  write: ({ records }) => {
    for (let n = 0; n < ${RECORDS}; n++) void records.put('migrated/' + n, { value: 'x'.repeat(500), revision: 1 });
  },
};
process.stdout.write('begun');
await migrate(store, process.argv[1], FORMAT, { [FORMAT]: migration }, FORMAT + 1);
process.stdout.write('done');
process.exit();
`;

function built(module: string): string {
  return fileURLToPath(new URL(`../../dist/engine/lmdb/${module}.js`, import.meta.url));
}

void t.test('killed at any moment, a migration leaves the old or the new', async (t) => {
  const ends = new Set<string>();
  for (let wait = 0; wait < 400 && !(ends.has('old') && ends.has('new')); wait += 20) {
    const folder = await temporaryFolder(t);
    const engine = await openLmdbEngine({ folder, retention: RETENTION });
    await engine.log.append([entry('a', 'kept')]);
    await engine.close();
    const child = spawn(process.execPath, ['--input-type=module', '-e', MIGRATING, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), wait);
    await exit;
    const root = open({ path: join(folder, 'log.mdb'), noSubdir: true, maxDbs: 16, overlappingSync: false });
    const format = root.openDB<number, string>('meta', { encoding: 'json' }).get('format');
    const records = root.openDB('records', { encoding: 'json' }).getKeysCount({ start: 'migrated/' });
    const entries = root.openDB('entries', { encoding: 'binary' }).getKeysCount();
    await root.close();
    const end = format === FORMAT ? 'old' : 'new';
    ends.add(end);
    t.same([format, records, entries], end === 'old' ? [FORMAT, 0, 1] : [FORMAT + 1, RECORDS, 1], `after ${wait} ms`);
  }
  t.comment([...ends].join(' and '));
});

void t.test('test/upgrade has a fixture of the format that is written now', async (t) => {
  const tests = await readFile(new URL('../../test/upgrade/upgrade.test.ts', import.meta.url), 'utf8');
  t.match(tests, `'format-${FORMAT}'`);
});
