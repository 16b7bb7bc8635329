import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { entry, RETENTION, textsOf, topic } from '../engine/contract.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/server.js';

const ROOM = topic('room.lobby');
const TEXTS = Array.from({ length: 200 }, (_, n) => `text ${n + 1} ${'.'.repeat(300)}`);

/** A folder with 200 entries and 20 records. */
async function filledFolder(t: Test): Promise<string> {
  const folder = join(await temporaryFolder(t), 'data');
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  await engine.log.append(TEXTS.map((text) => entry('room.lobby', text)));
  for (let n = 1; n <= 20; n++) {
    await engine.directory.allocate('client');
    await engine.directory.put(`client/${n}`, { name: `client ${n}`, secret: `of ${n} ${'.'.repeat(200)}` }, null);
  }
  await engine.close();
  return folder;
}

/** Changes a letter wherever this text stands in the file. */
async function change(path: string, text: string): Promise<void> {
  const bytes = await readFile(path);
  const file = await open(path, 'r+');
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    await file.write(Buffer.from([text.charCodeAt(0) ^ 1]), 0, 1, at);
  }
  await file.close();
}

async function stateOf(folder: string) {
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  const { log, directory } = engine;
  const texts = textsOf(await log.read(ROOM, { limit: 1_000 }));
  const keys: string[] = [];
  await directory.watch('', ({ key }) => keys.push(key));
  const state = {
    texts,
    keys,
    floor: (await log.bounds(ROOM)).floor,
    next: await directory.allocate('client'),
    restored: log.restorations.length,
    last: await log.last(),
    count: await log.count(ROOM, 0 as Seq),
  };
  await engine.close();
  return state;
}

void t.test('what is whole is said to be, with exit code 0', async (t) => {
  const folder = await filledFolder(t);
  const file = join(await temporaryFolder(t), 'backup');
  t.match(await run(['verify', '--data', folder]), {
    code: 0,
    stdout: /^pages: whole .*^entries: whole \(200\)$.*^records: whole \(20\)$.* is whole\.\n$/ms,
  });
  t.match(await run(['backup', file, '--data', folder]), { code: 0 });
  t.match(await run(['verify', file]), {
    code: 0,
    stdout: / is whole: 200 entries up to place 200, 20 records, 0 floors\.\n$/,
  });
  t.match(await run(['verify', '--data', join(folder, 'none')]), { code: 1, stderr: /There is no data/ });
});

void t.test('of a damaged folder no backup is made, and what is whole of it is taken', async (t) => {
  const folder = await filledFolder(t);
  const log = join(folder, 'log.mdb');
  for (const text of ['text 50 ', 'text 51 ', 'of 7 ']) await change(log, text);
  t.match(await run(['verify', '--data', folder]), {
    code: 1,
    stdout:
      /^entries: DAMAGED: 2 of 200, at the places 50, 51$.*^records: DAMAGED: 1 of 20: "client\/7"$.* is damaged\. [^\n]+\n$/ms,
  });
  const file = join(await temporaryFolder(t), 'backup');
  t.match(await run(['backup', file, '--data', folder]), { code: 1, stderr: /^interchat: [^\n]*is damaged[^\n]*\n$/ });
  await t.rejects(readFile(file), { code: 'ENOENT' }, 'no file is left');
  const to = join(await temporaryFolder(t), 'data');
  t.match(await run(['restore', '--salvage', folder, '--data', to]), {
    code: 0,
    stderr: /^Restored: 198 entries and 19 records\.\nLost: 2 entries\.\nLost: 1 record\.\n.*places 50 to 51\. /,
  });
  const state = await stateOf(to);
  t.same(state.texts, [...TEXTS.slice(0, 49), ...TEXTS.slice(51)]);
  t.equal(state.keys.length, 19);
  t.equal(state.floor, 51, 'who reads from before is told a gap');
  t.equal(state.next, 21, 'no number is given twice');
  t.equal(state.restored, 1);
});

void t.test('a page that is lost takes no other with it', async (t) => {
  const folder = await filledFolder(t);
  const log = join(folder, 'log.mdb');
  const bytes = await readFile(log);
  const at = bytes.lastIndexOf('text 100 ');
  const file = await open(log, 'r+');
  await file.write(Buffer.alloc(4096), 0, 4096, at - (at % 4096));
  await file.close();
  t.match(await run(['verify', '--data', folder]), { code: 1, stdout: /^pages: DAMAGED: / });
  const to = join(await temporaryFolder(t), 'data');
  const salvaged = await run(['restore', '--salvage', folder, '--data', to]);
  t.match(salvaged, {
    code: 0,
    stderr: /^Restored: \d+ entries and 20 records\.\nLost: \d+ entries\.\nLost: 0 records\.\n/,
  });
  const { texts } = await stateOf(to);
  const lost = Number(/Lost: (\d+) ent/.exec(salvaged.stderr)?.[1]);
  t.equal(texts.length + lost, 200);
  t.ok(lost > 0 && lost < 30, `${lost} on one page`);
  t.notOk(texts.includes(TEXTS[99] as string));
});

void t.test('what is whole of a damaged archive is taken, and of half of one', async (t) => {
  const folder = await filledFolder(t);
  const file = join(await temporaryFolder(t), 'backup');
  t.match(await run(['backup', file, '--data', folder]), { code: 0 });
  const whole = await readFile(file);
  await change(file, 'text 50 ');
  t.match(await run(['verify', file]), { code: 1, stderr: /is damaged: line 71 [^\n]+--salvage[^\n]+\n$/ });
  const to = join(await temporaryFolder(t), 'data');
  t.match(await run(['restore', file, '--data', to]), { code: 1, stderr: /is damaged: line 71 / });
  t.match(await run(['restore', '--salvage', file, '--data', to]), {
    code: 0,
    stderr: /^Restored: 199 entries and 20 records\.\nLost: 1 entry\.\nLost: 0 records\.\n.*places 50\. /,
  });
  t.same((await stateOf(to)).texts, [...TEXTS.slice(0, 49), ...TEXTS.slice(50)]);

  const half = `${file}-half`;
  await writeFile(half, whole.subarray(0, whole.length / 2));
  const other = join(await temporaryFolder(t), 'data');
  t.match(await run(['restore', half, '--data', other]), {
    code: 1,
    stderr: /is cut short after line \d+\. [^\n]+--salvage/,
  });
  t.match(await run(['restore', '--salvage', half, '--data', other]), {
    code: 0,
    stderr: /Lost: an unknown number of entries\.\n/,
  });
  const state = await stateOf(other);
  t.ok(state.texts.length > 50 && state.texts.length < 150);
  t.same(state.texts, TEXTS.slice(0, state.texts.length));
  t.equal(state.keys.length, 20, 'the clients are all there');
  t.equal(state.floor, 200);
});
