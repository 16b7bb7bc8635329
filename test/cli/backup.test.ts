import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { smallDisk } from '../start/small-disk.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, type NatsServer, startNats } from '../support/nats.js';
import { run, type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { Interchat, MAIN } from './interchat.js';

t.jobs = 2;

interface Made {
  readonly token: string;
  readonly cursor: string;
}

async function joined(url: string, name: string): Promise<Made> {
  return (await ask(`${url}/clients`, { json: { name, rooms: ['lobby'] } })).json as unknown as Made;
}

async function say(url: string, text: string): Promise<string> {
  const sent = await ask(`${url}/rooms/lobby/messages`, { json: { text } });
  if (sent.status !== 201) throw new Error(`${sent.status}: ${sent.text}`);
  return String(sent.json.id);
}

/** The server on this folder, ended when what is to be done with it is. */
async function serving<T>(t: Test, folder: string, act: (server: ServerProcess) => Promise<T>): Promise<T> {
  const server = await spawnServer(t, { folder });
  const result = await act(server);
  t.equal(await server.end('SIGTERM'), 0);
  return result;
}

/** All texts of a room, by id. */
async function textsIn(url: string, room: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (let after = '0'; ;) {
    const { json } = await ask(`${url}/rooms/${room}/messages?after=${after}&limit=1000`);
    const { messages, cursor } = json as { messages: { id: string; text: string }[]; cursor: string };
    if (messages.length === 0) return texts;
    for (const { id, text } of messages) texts.set(id, text);
    after = cursor;
  }
}

/** Sends to the room as fast as it is answered until it is stopped; what was sent, and what was acknowledged of it. */
function senders(url: string, count: number) {
  const sent = new Set<string>();
  const acknowledged = new Map<string, string>();
  let over = false;
  const send = async (_: unknown, sender: number) => {
    for (let n = 0; !over; n++) {
      const text = `${sender}.${n} ${'x'.repeat(500)}`;
      sent.add(text);
      acknowledged.set(await say(url, text), text);
    }
  };
  const ended = Promise.all(Array.from({ length: count }, send));
  const stop = () => {
    over = true;
    return ended;
  };
  return { sent, acknowledged, stop };
}

void t.test(
  'what was acknowledged before the command began is in the backup of a server that is sent to all the time',
  async (t) => {
    const server = await spawnServer(t, { folder: await temporaryFolder(t) });
    const folder = await temporaryFolder(t);
    await joined(server.url, 'alice');
    const { sent, acknowledged, stop } = senders(server.url, 32);
    for (let round = 1; round <= 3; round++) {
      await waitFor(async () => acknowledged.size > round * 300);
      const before = new Map(acknowledged);
      const file = join(folder, `backup-${round}`);
      const backup = await run(['backup', file, '--data', server.folder]);
      t.match(backup, { code: 0, stdout: '', stderr: /^Backed up to [^\n]+: \d+ entries and \d+ records\.\n$/ });
      t.equal((await stat(file)).mode & 0o777, 0o600);
      const data = join(folder, `data-${round}`);
      t.match(await run(['restore', file, '--data', data]), {
        code: 0,
        stderr: /^Restored: \d+ entries and \d+ records\.\n$/,
      });
      const there = await serving(t, data, ({ url }) => textsIn(url, 'lobby'));
      const lost = [...before].filter(([id, text]) => there.get(id) !== text);
      t.same(lost, [], `all of the ${before.size}`);
      t.same(
        [...there.values()].filter((text) => !sent.has(text)),
        [],
        'and nothing that was not sent',
      );
    }
    await stop();
    t.equal(await server.end('SIGTERM'), 0);
  },
);

void t.test('a backup of a server that is stopped', async (t) => {
  const folder = await temporaryFolder(t);
  const data = await temporaryFolder(t);
  const id = await serving(t, data, async ({ url }) => {
    await joined(url, 'alice');
    return say(url, 'kept');
  });
  const piped = await run(['backup', '-', '--data', data]);
  t.match(piped, { code: 0, stderr: 'Backed up to standard output: 1 entry and 2 records.\n' });
  await writeFile(join(folder, 'piped'), piped.stdout);
  t.match(await run(['import', join(folder, 'piped'), '--data', join(folder, 'imported')]), {
    code: 1,
    stderr: /^interchat: [^\n]+ is a backup, not an export: [^\n]+ Run interchat restore with it\.\n$/,
  });
  t.match(await run(['restore', join(folder, 'piped'), '--data', join(folder, 'restored')]), { code: 0 });
  const there = await serving(t, join(folder, 'restored'), ({ url }) => textsIn(url, 'lobby'));
  t.same([...there], [[id, 'kept']]);
});

/** Backs up while a server on the folder comes or goes. */
async function backUpAcrossStart(t: Test, runs: boolean): Promise<void> {
  const data = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  let server = await spawnServer(t, { folder: data });
  await joined(server.url, 'alice');
  const text = 'x'.repeat(20_000);
  for (let n = 0; n < 60; n++) await Promise.all(Array.from({ length: 4 }, () => say(server.url, text)));
  if (!runs) await server.end('SIGTERM');
  const backup = new Interchat(t, ['backup', '-', '--data', data]);
  // It writes more than a pipe holds, so it waits for whoever reads.
  await once(backup.process.stdout, 'data');
  backup.process.stdout.pause();
  if (runs) await server.end('SIGKILL');
  server = await spawnServer(t, { folder: data });
  for (let n = 0; n < 60; n++) await say(server.url, `later ${text}`);
  t.notMatch(backup.stdout, '"end"', 'it reads');
  backup.process.stdout.resume();
  t.equal(await backup.exited, 0);
  await writeFile(join(folder, 'backup'), backup.stdout);
  t.match(await run(['restore', join(folder, 'backup'), '--data', join(folder, 'data')]), { code: 0 });
  const there = await serving(t, join(folder, 'data'), ({ url }) => textsIn(url, 'lobby'));
  t.equal(there.size, 240);
  t.ok([...there.values()].every((one) => one === text));
  t.equal((await textsIn(server.url, 'lobby')).size, 300);
  t.equal(await server.end('SIGTERM'), 0);
}

void t.test('a server that is killed and started again while a backup reads changes nothing of that', (t) =>
  backUpAcrossStart(t, true),
);

void t.test('a server can be started while a backup of its folder reads', (t) => backUpAcrossStart(t, false));

void t.test('a backup that was killed hinders neither the server nor the next', async (t) => {
  const data = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder: data });
  await joined(server.url, 'alice');
  const text = 'x'.repeat(20_000);
  for (let n = 0; n < 100; n++) await Promise.all(Array.from({ length: 10 }, () => say(server.url, text)));
  const file = join(folder, 'backup');
  for (;;) {
    const backup = new Interchat(t, ['backup', file, '--data', data]);
    const draft = `${file}.${backup.process.pid}.part`;
    await waitFor(() =>
      stat(draft).then(
        ({ size }) => size > 0,
        () => false,
      ),
    );
    backup.process.kill('SIGKILL');
    if ((await backup.exited) === null) break;
    t.fail('it was faster');
    return;
  }
  await t.rejects(stat(file), { code: 'ENOENT' });
  await say(server.url, 'after it');
  t.match(await run(['backup', file, '--data', data]), { code: 0 });
  t.equal((await readFile(file, 'utf8')).trimEnd().split('\n').length, 1 + 1_001 + 2 + 1);
  t.equal(await server.end('SIGTERM'), 0);
  t.match(await run(['restore', file, '--data', join(folder, 'data')]), { code: 0 });
});

void t.test('a restoration that was killed is gone on with, and not as an import', async (t) => {
  const data = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  await serving(t, data, async ({ url }) => {
    await joined(url, 'alice');
    for (let n = 0; n < 50; n++) await Promise.all(Array.from({ length: 10 }, () => say(url, 'x'.repeat(20_000))));
  });
  const [file, to] = [join(folder, 'backup'), join(folder, 'data')];
  t.match(await run(['backup', file, '--data', data]), { code: 0 });
  const archive = await readFile(file);
  const restoring = new Interchat(t, ['restore', '-', '--data', to]);
  await new Promise((resolve) => restoring.process.stdin.write(archive.subarray(0, archive.length / 2), resolve));
  restoring.process.kill('SIGKILL');
  t.equal(await restoring.exited, null);
  const started = await run(['serve', '--port', '0', '--data', to]);
  t.match(started, { code: 1, stderr: /A restoration of [^\n]+ has not come to its end\. [^\n]+\n$/ });
  const exported = join(folder, 'export');
  t.match(await run(['export', exported, '--data', data]), { code: 0 });
  t.match(await run(['import', exported, '--data', to]), {
    code: 1,
    stderr: /or restoration, has not come to its end/,
  });
  t.match(await run(['restore', exported, '--data', join(folder, 'none')]), {
    code: 1,
    stderr: /^interchat: [^\n]+ is an export, not a backup\. Run interchat import with it;[^\n]+\n$/,
  });
  t.match(await run(['restore', file, '--data', to]), {
    code: 0,
    stderr: /^Restored: .* interrupted behind entry \d+\.\n$/,
  });
  t.equal((await serving(t, to, ({ url }) => textsIn(url, 'lobby'))).size, 500);
});

void t.test('on a full disk a backup says so, and leaves nothing behind', async (t) => {
  const disk = await smallDisk(t, '4m');
  if (!disk) return;
  const data = await temporaryFolder(t);
  const server = await spawnServer(t, { folder: data });
  await joined(server.url, 'alice');
  for (let n = 0; n < 20; n++) await say(server.url, 'x'.repeat(20_000));
  const file = join(disk.folder, 'backup');
  for (const kib of [0, 4, 64]) {
    await disk.fill(kib * 1024);
    t.match(await run(['backup', file, '--data', data]), {
      code: 1,
      stderr: /^interchat: [^\n]+backup cannot be written: ENOSPC[^\n]+\n$/,
    });
    t.same(await readdir(disk.folder), ['ballast'], `with ${kib} KiB left`);
    await disk.free();
  }
  t.match(await run(['backup', file, '--data', data]), { code: 0 });
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('what cannot be backed up or restored is refused in one line, and left as it is', async (t) => {
  const data = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'backup');
  const server = await spawnServer(t, { folder: data });
  await joined(server.url, 'alice');
  const refused = async (args: string[], reason: string, code = 1) =>
    t.match(
      await run(args),
      { code, stdout: '', stderr: new RegExp(`^interchat: [^\\n]*${reason}[^\\n]*\\n$`) },
      reason,
    );
  await writeFile(file, 'something of mine\n');
  await refused(['backup', file, '--data', data], 'is there already');
  await refused(['restore', file, '--data', join(folder, 'none')], 'not an archive');
  t.equal(await readFile(file, 'utf8'), 'something of mine\n');
  await refused(['backup', join(folder, 'none', 'backup'), '--data', data], 'cannot be written');
  await refused(['backup', join(folder, 'other'), '--data', join(folder, 'none')], 'There is no data');
  await refused(['backup', join(folder, 'other'), '--engine', 'nats://localhost:1'], 'cannot be reached');
  await refused(['backup'], 'takes a file', 2);
  await refused(['restore', file, '--dta', 'x'], 'did you mean --data', 2);
  t.same((await readdir(folder)).sort(), ['backup'], 'nothing was made');
  const whole = join(folder, 'whole');
  t.match(await run(['backup', whole, '--data', data]), { code: 0 });
  await refused(['restore', whole, '--data', data], 'Another InterChat uses');
  await refused(['restore', whole, '--engine', 'nats://localhost:1'], 'cannot be reached');
  t.equal(await server.end('SIGTERM'), 0);
  await refused(['restore', whole, '--data', data], 'holds something else');
  t.match(await run(['help']), { code: 0, stdout: / {2}backup .*\n {2}restore / });
  t.match(await run(['help', 'backup']), { code: 0, stdout: /^Usage: interchat backup FILE.*--data FOLDER/s });
});

void t.test('after a restoration nobody misses a message silently, and nobody becomes somebody else', async (t) => {
  const data = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'backup');
  const [alice, bob, carol, last] = await serving(t, data, async ({ url }) => {
    const alice = await joined(url, 'alice');
    const bob = await joined(url, 'bob');
    await say(url, 'before');
    t.match(await run(['backup', file, '--data', data]), { code: 0 });
    for (const text of ['lost 1', 'lost 2']) await say(url, text);
    const carol = await joined(url, 'carol');
    const id = await say(url, 'lost 3');
    const stream = await EventReader.open(t, `${url}/events`, { 'last-event-id': bob.cursor });
    await stream.until(({ events }) => events.some(({ data }) => data.text === 'lost 3'));
    const cursor = stream.events.at(-1)?.id ?? '';
    stream.close();
    return [alice, { ...bob, cursor }, carol, id] as const;
  });

  let behind = bob;
  let newest = Number(last);
  for (const life of ['first', 'second']) {
    const restored = join(folder, life);
    t.match(await run(['restore', file, '--data', restored]), { code: 0 });
    t.match(await run(['restore', file, '--data', restored]), { code: 0, stderr: /^There is nothing to do/ });
    behind = await serving(t, restored, async ({ url }) => {
      const texts = ['one', 'two', 'three', 'four', 'five'].map((text) => `${life} ${text}`);
      const ids = [];
      for (const text of texts) ids.push(await say(url, text));
      t.ok(Number(ids[0]) > newest, 'no id is given twice');
      newest = Number(ids.at(-1));
      t.match(String(newest), /^\d{1,15}$/);

      const stream = await EventReader.open(t, `${url}/events`, { 'last-event-id': behind.cursor });
      await stream.until(({ events }) => events.some(({ data }) => data.text === texts.at(-1)));
      const [welcome, ...rest] = stream.events;
      t.match(welcome?.data, { resumed: true, client: { index: 2, name: 'bob' }, token: bob.token });
      t.same(
        rest.map(({ event, data }) => (event === 'gap' ? 'gap' : data.text)),
        ['gap', ...texts],
      );
      const cursor = stream.events.at(-1)?.id ?? '';
      stream.close();
      const on = await EventReader.open(t, `${url}/events`, { 'last-event-id': cursor });
      await on.next();
      const after = await say(url, 'and on');
      t.match((await on.next()).data, { id: after, text: 'and on' }, 'told once');
      on.close();

      const from = await EventReader.open(t, `${url}/events`, { 'last-event-id': alice.cursor });
      await from.until(({ events }) => events.some(({ data }) => data.text === 'and on'));
      t.equal(from.events.filter(({ event }) => event === 'gap').length, 1, 'who stood before the backup is told too');
      t.ok(from.events.some(({ data }) => data.text === 'before'));
      from.close();

      const mailbox = `${url}/clients/2/messages`;
      const first = await ask(`${mailbox}?after=${bob.cursor}`, { token: bob.token });
      t.match(first.json, { messages: { length: 0 }, gap: true });
      const next = await ask(`${mailbox}?after=${String(first.json.cursor)}`, { token: bob.token });
      t.match(next.json, { messages: { length: 0 }, gap: false });
      t.match((await ask(`${url}/rooms/lobby/messages?after=${last}`)).json, { gap: true, messages: { length: 6 } });
      t.match((await ask(`${url}/rooms/lobby/messages?after=${after}`)).json, { gap: false });

      t.equal((await ask(`${url}/clients/3/messages`, { token: carol.token })).status, 401);
      const dave = (await ask(`${url}/clients`, { json: { name: 'dave' } })).json as unknown as Made;
      t.match(dave, { client: { index: 3 } });
      t.equal(
        (await ask(`${url}/clients/3/messages`, { token: carol.token })).status,
        401,
        "another's number, not hers",
      );
      t.equal((await ask(`${url}/clients/3/messages`, { token: dave.token })).status, 200);
      const lost = await EventReader.open(t, `${url}/events`, { 'last-event-id': carol.cursor });
      t.match((await lost.next()).data, { resumed: false, client: { index: 4 } });
      lost.close();
      const fresh = await EventReader.open(t, `${url}/events`, { 'last-event-id': dave.cursor });
      await fresh.next();
      await ask(`${url}/clients/3/messages`, { json: { text: 'welcome' } });
      t.match((await fresh.next()).data, { text: 'welcome' }, 'who came later has missed nothing');
      fresh.close();
      return { ...bob, cursor };
    });
  }

  const again = join(folder, 'again');
  t.match(await run(['export', again, '--data', join(folder, 'second')]), { code: 0 });
  t.match(await run(['import', again, '--data', join(folder, 'moved')]), { code: 0 });
  await serving(t, join(folder, 'moved'), async ({ url }) => {
    t.equal((await ask(`${url}/clients/2/messages`, { token: bob.token })).status, 200);
    t.equal((await ask(`${url}/clients/3/messages`, { token: carol.token })).status, 401);
    t.match((await ask(`${url}/clients/2/messages?after=${bob.cursor}`, { token: bob.token })).json, { gap: true });
    t.ok(Number(await say(url, 'moved')) > newest);
  });
  if (natsMissing) return t.comment(natsMissing);
  const engine = (await startNats(t)).servers[0] as NatsServer;
  const fill = async (verb: string, from: string, name: string) => {
    const args = ['--engine', `${engine.url}/${name}`];
    t.match(await run([verb, from, ...args]), { code: 0 });
    t.match(await run([verb, from, ...args]), { code: 0, stderr: /^There is nothing to do/ });
    const servers = [await spawnServer(t, { folder, args }), await spawnServer(t, { folder, args })] as const;
    const [one, two] = [servers[0].url, servers[1].url];
    const id = Number(await say(one, name));
    t.ok(id > newest, 'no id is given twice');
    newest = id;
    const stream = await EventReader.open(t, `${two}/events`, { 'last-event-id': bob.cursor });
    await stream.until(({ events }) => events.some(({ data }) => data.text === name));
    t.equal(stream.events.filter(({ event }) => event === 'gap').length, 1);
    t.match(stream.events[0]?.data, { resumed: true, client: { index: 2 }, token: bob.token });
    stream.close();
    t.match((await ask(`${two}/rooms/lobby/messages?after=${last}`)).json, { gap: true });
    t.match((await ask(`${two}/rooms/lobby/messages?after=${id - 1}`)).json, { gap: false, messages: { length: 1 } });
    t.equal((await ask(`${one}/clients/3/messages`, { token: carol.token })).status, 401);
    t.ok((await textsIn(one, 'lobby')).size > 1);
    for (const server of servers) t.equal(await server.end('SIGTERM'), 0);
  };
  await fill('import', again, 'imported');
  await fill('restore', file, 'restored');
});

void t.test('docs/backup.md: its commands work as they are printed', async (t) => {
  const text = await readFile(new URL('../../docs/backup.md', import.meta.url), 'utf8');
  const cwd = await temporaryFolder(t);
  const server = await spawnServer(t, { folder: join(cwd, 'data') });
  await joined(server.url, 'alice');
  await say(server.url, 'kept');
  const npx = `npx() { shift; ${process.execPath} ${MAIN} "$@"; }`;
  const shell = (script: string) => promisify(execFile)('bash', ['-c', `set -eo pipefail; ${npx}; ${script}`], { cwd });
  const [backup = '', restore = '', serve] = (/```bash\n(.*?)```/s.exec(text)?.[1] ?? '').split('\n');
  t.match((await shell(backup)).stderr, /^Backed up to backup\.ndjson: 1 entry and 2 records\.\n$/);
  t.match((await shell(restore)).stderr, /^Restored: 1 entry and 2 records\.\n$/);
  t.match(serve, /^npx interchat serve --data \.\/new-data /);
  const [dated = ''] = /(?<=^ {4})npx interchat backup .*/m.exec(text) ?? [];
  t.match((await shell(dated)).stderr, /^Backed up to backup-[-\d]+\.ndjson: /);
  await server.end('SIGTERM');
  t.same([...(await serving(t, join(cwd, 'new-data'), ({ url }) => textsIn(url, 'lobby'))).values()], ['kept']);
});
