import { execFile } from 'node:child_process';
import { cp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { EngineDamaged, type Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { DamagedFile, readMetaPages } from '../../src/engine/lmdb/page-check.js';
import { randomBy } from '../faults/random.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { run, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { entry, RETENTION, textsOf, topic } from './contract.js';

/** More of them by hand. */
const COPIES = Number(process.env.DAMAGED_COPIES ?? 24);
const SEED = Number(process.env.DAMAGE_SEED ?? 1);
const TOPICS = ['room.lobby', 'everyone', ...Array.from({ length: 30 }, (_, n) => `client.${n}`)];
const PAGE = 4096;
const READ_ALL = fileURLToPath(new URL('../../test/engine/read-all.js', import.meta.url));

interface Outcome {
  readonly what: 'read' | 'backup';
  readonly digest?: string;
  readonly error?: string;
}

/** A folder with something of everything: filed and not filed yet, trimmed, erased, dropped, expiring, in long bodies and short. */
async function filledFolder(t: Test): Promise<string> {
  const folder = join(await temporaryFolder(t), 'data');
  const engine = await openLmdbEngine({ folder, retention: { ...RETENTION, maxEntries: 400 } });
  const { log, directory } = engine;
  for (let n = 0; n < 40; n++) {
    await log.append(
      Array.from({ length: 50 }, (_, i) => {
        const at = n * 50 + i;
        const name = at % 3 === 0 ? 'room.lobby' : (TOPICS[at % TOPICS.length] as string);
        const body = at % 97 === 0 ? `${at} `.repeat(3_000) : `message ${at} `.repeat(1 + (at % 20));
        const expiresAt = at % 50 === 7 ? Date.now() + 1e9 : undefined;
        return entry(name, body, {
          ...(expiresAt && { expiresAt }),
          ...(at % 10 === 0 && { dedup: { key: `${at}`, note: 'n' } }),
        });
      }),
    );
  }
  for (let n = 0; n < 120; n++)
    await directory.put(`client/${n}`, { name: `client ${n}`, rooms: ['lobby'], token: 'x'.repeat(n) }, null);
  for (let n = 0; n < 120; n++) await directory.allocate('client');
  await directory.put('client/last', null, null);
  await waitFor(async () => (await log.bounds(topic('room.lobby'))).floor > 0);
  const [first] = await log.read(topic('client.1'), { limit: 1 });
  await log.erase(topic('client.1'), first?.seq as Seq);
  await log.drop(topic('client.2'));
  await waitFor(async () => (await log.count(topic('room.lobby'), 0 as Seq)) === 400);
  // Not filed when it ends.
  await log.append(Array.from({ length: 30 }, (_, i) => entry('everyone', `late ${i}`)));
  await engine.close();
  return folder;
}

type Random = () => number;

/** Changes a file somewhere in its pages, and says how. */
async function damage(path: string, random: Random): Promise<string> {
  const file = await open(path, 'r+');
  try {
    const { buffer: metas } = await file.read(Buffer.alloc(2 * PAGE), 0, 2 * PAGE, 0);
    const pages = Number(metas.readBigUInt64LE(144)) + 1;
    const pick = () => Math.floor(random() * pages);
    const read = async (page: number) => (await file.read(Buffer.alloc(PAGE), 0, PAGE, page * PAGE)).buffer;
    const kind = random();
    if (kind < 0.6) {
      const at = pick() * PAGE + Math.floor(random() * PAGE);
      const length = 1 + Math.floor(random() * 8);
      const bytes = (await file.read(Buffer.alloc(length), 0, length, at)).buffer;
      for (let n = 0; n < length; n++) bytes[n] = (bytes[n] as number) ^ (1 + Math.floor(random() * 255));
      await file.write(bytes, 0, length, at);
      return `${length} bytes at ${at} (page ${Math.floor(at / PAGE)}, ${at % PAGE})`;
    }
    if (kind < 0.8) {
      const page = pick();
      await file.write(Buffer.alloc(PAGE), 0, PAGE, page * PAGE);
      return `page ${page} is zero`;
    }
    const [one, other] = [pick(), pick()];
    const [here, there] = [await read(one), await read(other)];
    await file.write(there, 0, PAGE, one * PAGE);
    await file.write(here, 0, PAGE, other * PAGE);
    return `pages ${one} and ${other} are swapped`;
  } finally {
    await file.close();
  }
}

function readAll(folder: string): Promise<{ outcomes: Outcome[]; signal: string | null; stderr: string }> {
  const retention = { ...RETENTION, maxEntries: 400 };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [READ_ALL, JSON.stringify({ folder, topics: TOPICS, retention })],
      { timeout: 60_000, killSignal: 'SIGKILL' },
      (_error, stdout, stderr) => {
        const outcomes = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Outcome]));
        resolve({
          outcomes,
          signal: child.signalCode ?? (child.exitCode === 0 ? null : `exit ${child.exitCode}`),
          stderr,
        });
      },
    );
  });
}

void t.test('a damaged folder gives what was written, or an error: never something else', async (t) => {
  const whole = await filledFolder(t);
  const copyOf = async (n: string) => {
    const folder = join(await temporaryFolder(t), n);
    await cp(whole, folder, { recursive: true });
    return folder;
  };
  const expected = (await readAll(await copyOf('whole'))).outcomes;
  t.equal(expected.length, 2);
  for (const { digest, error } of expected) t.ok(digest, error ?? '');
  const right = Object.fromEntries(expected.map(({ what, digest }) => [what, digest]));
  const counts: Record<string, number> = { right: 0, error: 0, wrong: 0, ended: 0 };
  const one = async (n: number) => {
    const folder = await copyOf(`copy-${n}`);
    const how = await damage(join(folder, 'log.mdb'), randomBy(SEED * 1_000_003 + n));
    const { outcomes, signal, stderr } = await readAll(folder);
    for (const what of ['read', 'backup'] as const) {
      const outcome = outcomes.find((one) => one.what === what);
      const kind = !outcome
        ? 'ended'
        : outcome.error !== undefined
          ? 'error'
          : outcome.digest === right[what]
            ? 'right'
            : 'wrong';
      counts[kind]!++;
      if (kind === 'wrong') t.fail(`copy ${n}: ${what} gives something else after ${how}`);
      if (kind === 'ended') t.fail(`copy ${n}: ${what} ended by ${signal} after ${how} ${stderr.slice(0, 300)}`);
      if (kind === 'error')
        t.match(outcome?.error, /^(EngineDamaged|EngineUnusable): [^\n]+$/, `copy ${n}: ${what} after ${how}`);
    }
    await rm(folder, { recursive: true });
  };
  const numbers = Array.from({ length: COPIES }, (_, n) => n);
  const work = async () => {
    for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) await one(n);
  };
  await Promise.all([work(), work()]);
  t.comment(JSON.stringify(counts));
  t.equal(counts.wrong, 0);
});

/** Changes one byte of the text in a file, wherever it stands there. */
async function changeText(path: string, text: string): Promise<void> {
  const bytes = await readFile(path);
  const file = await open(path, 'r+');
  try {
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      await file.write(Buffer.from([text.charCodeAt(0) ^ 1]), 0, 1, at);
    }
  } finally {
    await file.close();
  }
}

void t.test('what is damaged while the engine runs is an error each time, and is known from then on', async (t) => {
  const folder = await temporaryFolder(t);
  const errors: Error[] = [];
  const engine = await openLmdbEngine({ folder, retention: RETENTION, onError: (error) => errors.push(error) });
  t.teardown(() => engine.close());
  const { log, directory } = engine;
  const long = 'damaged later'.repeat(1_000);
  await log.append([entry('a', 'whole'), entry('a', long), entry('b', 'beside it')]);
  await directory.put('client/1', 'a damaged record', null);
  await directory.put('client/2', 'whole', null);
  await changeText(join(folder, 'log.mdb'), 'damaged later');
  await t.rejects(log.read(topic('a'), { limit: 10 }), { constructor: EngineDamaged, message: /entry 2 / });
  await t.rejects(log.read(topic('a'), { limit: 10 }), EngineDamaged, 'the second time as well');
  t.match(engine.health(), /^the data folder is damaged: entry 2 .*interchat verify/);
  t.equal(errors.length, 1, 'told once');
  await t.rejects(log.append([entry('b', 'more')]), EngineDamaged);
  await t.rejects(directory.put('client/3', 'more', null), EngineDamaged);
  t.same(textsOf(await log.read(topic('b'), { limit: 10 })), ['beside it'], 'what is whole is read');
  t.same(textsOf(await log.read(topic('a'), { limit: 1 })), ['whole']);
  await changeText(join(folder, 'log.mdb'), 'a damaged record');
  await t.rejects(directory.get('client/1'), { constructor: EngineDamaged, message: /"client\/1"/ });
  t.equal((await directory.get('client/2'))?.value, 'whole');
  t.equal(errors.length, 1);
});

void t.test('a server that meets damage says 503, and is not ready any more', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder });
  const { url } = server;
  const alice = await ask(`${url}/clients`, { json: { name: 'alice', rooms: ['lobby'] } });
  const text = 'damaged later'.repeat(500);
  t.equal((await ask(`${url}/rooms/lobby/messages`, { json: { text } })).status, 201);
  t.equal((await ask(`${url}/readyz`)).status, 200);
  await changeText(join(folder, 'log.mdb'), 'damaged later');
  const read = await ask(`${url}/rooms/lobby/messages`);
  t.equal(read.status, 503);
  t.match(read.json, { code: 'unavailable', detail: /damaged.*interchat verify/ });
  t.equal((await ask(`${url}/readyz`)).status, 503);
  t.equal((await ask(`${url}/rooms/lobby/messages`, { json: { text: 'more' } })).status, 503);
  t.equal((await ask(`${url}/healthz`)).status, 200);
  const { token, cursor } = alice.json as { token: string; cursor: string };
  const stream = await EventReader.open(t, `${url}/events`, {
    authorization: `Bearer ${token}`,
    'last-event-id': cursor,
  });
  t.equal((await stream.next()).event, 'welcome');
  const lines = server.output().split('\n');
  t.equal(lines.filter((line) => line.includes('is damaged')).length, 1, 'one line of the log');
  t.equal(stream.events.length, 1, 'a stream does not leave it out');
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('a file that was cut short is refused, whatever its length', async (t) => {
  const folder = await filledFolder(t);
  const path = join(folder, 'log.mdb');
  const file = await open(path, 'r+');
  t.teardown(() => file.close());
  const { size } = await file.stat();
  const [{ lastPage, pageSize }] = readMetaPages(file.fd, size);
  const used = (lastPage + 1) * pageSize;
  const lengths = new Set([used - 1]);
  for (let length = 0; length <= 5_000; length++) lengths.add(length);
  for (let page = 1; page <= lastPage; page++) for (const at of [-1, 0, 1, 2_000]) lengths.add(page * pageSize + at);
  const taken: number[] = [];
  for (const length of [...lengths].sort((one, other) => other - one)) {
    await file.truncate(length);
    try {
      readMetaPages(file.fd, length);
      taken.push(length);
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
    }
  }
  t.same(taken, []);
});

void t.test('a server does not start on a file that was cut short, and says so in one line', async (t) => {
  const whole = await readFile(join(await filledFolder(t), 'log.mdb'));
  const damaged = Buffer.from(whole);
  damaged.fill(0x55, 0, 8192);
  const contents = [28, 5_000, 300_001].map((length) => whole.subarray(0, length));
  const refused = async (content: Buffer) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'log.mdb'), content);
    const ended = await run(['serve', '--port', '0', '--engine', 'lmdb', '--data', folder]);
    t.match(ended, { code: 1, stdout: '', stderr: /^interchat: [^\n]*is damaged[^\n]*\n$/ }, `${content.length} bytes`);
  };
  for (const content of [...contents, damaged]) await refused(content);
});
