import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { EngineUnusable, type Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { FILE } from '../../src/engine/lmdb/store.js';
import { temporaryFolder } from '../support/folder.js';
import { engineContract, entry, RETENTION, textsOf, topic } from './contract.js';

engineContract('lmdb', async (t) => {
  const folder = await temporaryFolder(t);
  return { open: (retention, now) => openLmdbEngine({ folder, retention: { ...RETENTION, ...retention }, now }) };
});

void t.test('a data folder has one owner', async (t) => {
  const folder = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  const second = openLmdbEngine({ folder, retention: RETENTION });
  await t.rejects(second, { constructor: EngineUnusable, message: /^Another InterChat uses[^\n]*$/ });
  await engine.log.append([entry('a', 'still mine')]);
  await engine.close();
  const next = await openLmdbEngine({ folder, retention: RETENTION });
  t.same(textsOf(await next.log.read(topic('a'), { limit: 10 })), ['still mine']);
  await next.close();
});

void t.test('what cannot be a data folder is refused in one line', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, '');
  for (const bad of [file, join(file, 'below'), '/proc/interchat']) {
    await t.rejects(openLmdbEngine({ folder: bad, retention: RETENTION }), {
      constructor: EngineUnusable,
      message: /^[^\n]+$/,
    });
  }
});

void t.test('what is appended while the file grows is stored as it is', async (t) => {
  const folder = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  const texts: string[] = [];
  const append = async (count: number) => {
    const fresh = Array.from({ length: count }, (_, at) => `${at} `.padEnd(60_000, String(count % 10)));
    const appended = await engine.log.append(fresh.map((text) => entry('a', text)));
    for (const [at, { seq }] of appended.entries()) texts[seq] = fresh[at] as string;
  };
  const size = () => statSync(join(folder, FILE)).size;
  // Some at a time, until the file grows for them: at that moment others come, more than it grows by.
  for (let times = 0; times < 3;) {
    const before = size();
    let over = false;
    const few = append(5).then(() => (over = true));
    while (!over && size() === before) await new Promise((resolve) => setImmediate(resolve));
    if (size() > before) {
      await append(60);
      times++;
    }
    await few;
  }
  await append(5);
  const whole = async ({ log }: typeof engine) => {
    const entries = await log.read(topic('a'), { limit: 2_000 });
    return (
      entries.length === texts.length - 1 &&
      entries.every(({ seq, body }) => Buffer.from(body).toString() === texts[seq])
    );
  };
  t.ok(await whole(engine), 'at once');
  await engine.close();
  const again = await openLmdbEngine({ folder, retention: RETENTION });
  t.ok(await whole(again), 'and from the disk');
  await again.close();
});

const WRITER = `
import { openLmdbEngine } from ${JSON.stringify(fileURLToPath(new URL('../../dist/engine/lmdb/index.js', import.meta.url)))};
const engine = await openLmdbEngine({ folder: process.argv[2], retention: ${JSON.stringify(RETENTION)} });
const run = process.argv[3];
console.log('last ' + await engine.log.last());
let n = 0;
const write = async (topic) => {
  for (;;) {
    const text = run + '-' + n++;
    const [{ seq }] = await engine.log.append([{ topic, body: Buffer.from(text) }]);
    const index = await engine.directory.allocate('client');
    if (n % 10 === 0) await engine.directory.put('client/' + index, run, null);
    process.stdout.write('ack ' + topic + ' ' + seq + ' ' + text + (n % 10 === 0 ? ' ' + index : '') + '\\n');
  }
};
for (let i = 0; i < 16; i++) void write('t' + (i % 4));
`;

void t.test(
  'kill -9 while it writes loses nothing that was acknowledged, and nothing is handed out twice',
  async (t) => {
    const folder = await temporaryFolder(t);
    const data = join(folder, 'data');
    const program = join(folder, 'writer.mjs');
    await writeFile(program, WRITER);
    const acknowledged = new Map<number, string>();
    const indexes = new Set<string>();
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, [program, data, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const enough = 50 + Math.floor(Math.random() * 2000);
      let lines = 0;
      let rest = '';
      child.stdout.setEncoding('utf8');
      for await (const chunk of child.stdout as AsyncIterable<string>) {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        for (const line of parts) {
          const [kind, where, place, text, index] = line.split(' ');
          if (kind !== 'ack') continue;
          if (acknowledged.has(Number(place))) t.fail(`the place ${place} was handed out twice`);
          acknowledged.set(Number(place), `${where} ${text}`);
          if (index !== undefined && indexes.has(index)) t.fail(`the number ${index} was handed out twice`);
          if (index !== undefined) indexes.add(index);
          if (++lines === enough) child.kill('SIGKILL');
        }
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      t.equal(child.signalCode, 'SIGKILL');
    }
    const engine = await openLmdbEngine({ folder: data, retention: RETENTION });
    const kept = new Map<number, string>();
    for (let i = 0; i < 4; i++) {
      for (const one of await engine.log.read(topic(`t${i}`), { limit: 1_000_000 }))
        kept.set(one.seq, `t${i} ${textsOf([one])[0]}`);
    }
    const lost = [...acknowledged].filter(([place, text]) => kept.get(place) !== text);
    t.same(lost, [], `${acknowledged.size} were acknowledged`);
    for (const index of indexes)
      if (!(await engine.directory.get(`client/${index}`))) t.fail(`the record ${index} is lost`);
    await engine.close();
    t.ok((await readdir(data)).length > 0);
  },
);

const ERASER = `
import { writeSync } from 'node:fs';
import { openLmdbEngine } from ${JSON.stringify(fileURLToPath(new URL('../../dist/engine/lmdb/index.js', import.meta.url)))};
const engine = await openLmdbEngine({ folder: process.argv[2], retention: ${JSON.stringify(RETENTION)} });
const say = (line) => writeSync(1, line);
const work = async (topic) => {
  const mine = [];
  for (;;) {
    for (const { seq } of await engine.log.append(Array.from({ length: 30 }, () => ({ topic, body: Buffer.from('x') })))) {
      say('kept ' + topic + ' ' + seq + '\\n');
      mine.push(seq);
    }
    for (let n = 0; n < 10; n++) {
      const [seq] = mine.splice(Math.floor(Math.random() * mine.length), 1);
      say('erasing ' + topic + ' ' + seq + '\\n');
      if (await engine.log.erase(topic, seq)) say('erased ' + topic + ' ' + seq + '\\n');
    }
  }
};
for (let i = 0; i < 4; i++) void work('t' + i);
`;

void t.test('kill -9 while it erases brings nothing back, and the counts are right', async (t) => {
  const folder = await temporaryFolder(t);
  const data = join(folder, 'data');
  const program = join(folder, 'eraser.mjs');
  await writeFile(program, ERASER);
  const kept = new Set<string>();
  const erasing = new Set<string>();
  const erased = new Set<string>();
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [program, data], { stdio: ['ignore', 'pipe', 'inherit'] });
    // Filing begins after half a second.
    const enough = 1_000 + Math.floor(Math.random() * 5_000);
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      const [what, ...where] = line.split(' ');
      const place = where.join(' ');
      if (what === 'kept') kept.add(place);
      if (what === 'erasing') erasing.add(place);
      if (what === 'erased') erased.add(place);
      if (++lines === enough) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    t.equal(child.signalCode, 'SIGKILL');
  }
  const check = async (maxEntries: number) => {
    const engine = await openLmdbEngine({ folder: data, retention: { ...RETENTION, maxEntries } });
    const there = new Set<string>();
    for (let i = 0; i < 4; i++) {
      const entries = await engine.log.read(topic(`t${i}`), { limit: 1_000_000 });
      for (const { seq } of entries) there.add(`t${i} ${seq}`);
      t.equal(await engine.log.count(topic(`t${i}`), 0 as Seq), entries.length);
    }
    t.same(
      [...erased].filter((place) => there.has(place)),
      [],
      `${erased.size} were erased`,
    );
    t.same(
      [...kept].filter((place) => !erasing.has(place) && !there.has(place)),
      [],
      `${kept.size} were kept`,
    );
    await engine.close();
    return there;
  };
  const there = await check(RETENTION.maxEntries);
  const most = Math.max(...[0, 1, 2, 3].map((i) => [...there].filter((place) => place.startsWith(`t${i} `)).length));
  // Whether what has been filed is counted right shows when as many may stay as there are, and one less.
  const engine = await openLmdbEngine({ folder: data, retention: { ...RETENTION, maxEntries: most } });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await engine.close();
  t.same(await check(most), there);
});
