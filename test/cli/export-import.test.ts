import { execFile } from 'node:child_process';
import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { command as exporting } from '../../src/cli/export.js';
import { command as importing } from '../../src/cli/import.js';
import type { Topic } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { natsMissing, type NatsServer, startNats } from '../support/nats.js';
import { ask } from '../support/http.js';
import { run, spawnServer, startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { Interchat, MAIN } from './interchat.js';

t.jobs = 2;

const RETENTION = { maxEntries: 1_000_000, maxAge: 1e12, dedupWindow: 600_000 };

/** A data folder of so many entries, about 500 bytes each. */
async function filledFolder(t: Test, entries: number): Promise<string> {
  const folder = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder, retention: RETENTION });
  for (let done = 0; done < entries; done += 2_000) {
    const length = Math.min(2_000, entries - done);
    await engine.log.append(
      Array.from({ length }, (_, n) => ({
        topic: `client.${n % 50}` as Topic,
        body: Buffer.from(`${done + n} ${'x'.repeat(500)}`),
      })),
    );
  }
  await engine.directory.put('client/1', 'a record', null);
  await engine.close();
  return folder;
}

void t.test('what clients have is theirs after a move: tokens, cursors, history, what is unread, a gap', async (t) => {
  const first = await startServer(t, { keepMessages: 5 });
  const alice = await EventReader.open(t, `${first.url}/events?name=alice&rooms=lobby`);
  const { token } = (await alice.next()).data as { token: string };
  const bob = (await ask(`${first.url}/clients`, { json: { name: 'bob', rooms: ['lobby'] } })).json as {
    token: string;
    cursor: string;
  };
  const post = (url: string, to: object, text: string) => ask(`${url}/messages`, { json: { to, text }, token });
  for (let n = 1; n <= 12; n++) await post(first.url, { client: 2 }, `private ${n}`);
  const said = [];
  for (const text of ['one', 'two', 'three']) said.push((await post(first.url, { room: 'lobby' }, text)).json.id);
  const { id: last } = (await post(first.url, { everyone: true }, 'to all')).json as { id: string };
  await ask(`${first.url}/clients/1/read`, { method: 'PUT', json: { rooms: { lobby: said[1] } }, token });
  const { id: place } = await alice.take('message');
  alice.close();
  const mailbox = async (url: string) =>
    (await ask(`${url}/clients/2/messages?after=${bob.cursor}`, { token: bob.token })).json;
  await waitFor(async () => ((await mailbox(first.url)).messages as unknown[]).length === 5);
  const state = async (url: string) => [
    await mailbox(url),
    (await ask(`${url}/rooms/lobby/messages`)).json,
    (await ask(`${url}/messages`, { token })).json,
    (await ask(`${url}/clients/1/read`, { token })).json,
    (await ask(`${url}/clients`)).json.total,
    (await ask(`${url}/rooms`)).json,
  ];
  await waitFor(async () => (await ask(`${first.url}/clients/1`)).json.status === 'away');
  const before = await state(first.url);
  t.match(before, [{ gap: true }, { messages: { length: 3 } }, {}, { unread: { rooms: { lobby: 1 } } }, 2]);
  await first.stop();

  const folder = await temporaryFolder(t);
  const [file, data] = [join(folder, 'archive.ndjson'), join(folder, 'data')];
  t.match(await run(['export', file, '--data', first.folder]), {
    code: 0,
    stdout: '',
    stderr: /^Exported to [^\n]+: 9 entries and \d+ records\.\n$/,
  });
  t.equal((await stat(file)).mode & 0o777, 0o600);
  t.match(await run(['import', file], { INTERCHAT_DATA: data }), {
    code: 0,
    stdout: '',
    stderr: /^Imported: 9 entries and \d+ records\.\n$/,
  });

  const second = await startServer(t, { keepMessages: 5, data });
  t.same(await state(second.url), before);
  const back = await EventReader.open(t, `${second.url}/events`, { 'last-event-id': bob.cursor });
  t.match((await back.next()).data, {
    resumed: true,
    client: { index: 2, name: 'bob', rooms: ['lobby'] },
    token: bob.token,
  });
  t.match((await back.next()).event, 'gap');
  await back.until(({ events }) => events.some(({ data }) => data.id === last));
  const texts = back.events.flatMap(({ data }) => (typeof data.text === 'string' ? [data.text] : []));
  t.same(texts, [8, 9, 10, 11, 12].map((n) => `private ${n}`).concat('one', 'two', 'three', 'to all'));
  const again = await EventReader.open(t, `${second.url}/events`, { 'last-event-id': place as string });
  t.match((await again.next()).data, { resumed: true, client: { index: 1 }, token });
  t.match((await again.next()).data, { text: 'two' }, 'behind the place it had read to');
  const sent = await post(second.url, { client: 2 }, 'after the move');
  t.equal(sent.status, 201);
  t.ok(Number(sent.json.id) > Number(last), 'ids go on');
  t.match((await ask(`${second.url}/clients`, { method: 'POST' })).json, { client: { index: 3 } }, 'indexes go on');
});

void t.test('killed half way, both go on', async (t) => {
  const data = await filledFolder(t, 60_000);
  const folder = await temporaryFolder(t);
  const [file, to] = [join(folder, 'archive'), join(folder, 'data')];
  await killedExport(t, file, data);
  t.match(await run(['import', file, '--data', to]), { code: 1, stderr: /^interchat: .* is cut short [^\n]+\n$/ });
  const started = await run(['serve', '--port', '0', '--data', to]);
  t.match(started, { code: 1, stderr: /import into [^\n]+ has not come to its end\. [^\n]+\n$/ });
  const exported = await run(['export', file, '--data', data]);
  t.match(exported, { code: 0, stderr: /^Exported to [^\n]+: \d+ entries and 1 record; [^\n]+ behind entry \d+\.\n$/ });
  const whole = await run(['export', '-', '--data', data]);
  t.match(whole, { code: 0, stderr: 'Exported to standard output: 60000 entries and 1 record.\n' });
  t.ok((await readFile(file, 'utf8')) === whole.stdout, 'the same file');
  t.match(await run(['export', file, '--data', data]), { code: 0, stderr: /^There is nothing to do[^\n]+\n$/ });

  await rm(to, { recursive: true });
  await killedImport(t, whole.stdout, to);
  const imported = await run(['import', file, '--data', to]);
  t.match(imported, { code: 0, stderr: /^Imported: \d+ entries and 1 record; [^\n]+ behind entry \d+\.\n$/ });
  const again = await run(['import', file, '--data', to]);
  t.match(again, { code: 0, stderr: /^There is nothing to do[^\n]+\n$/ });
  const there = (await run(['export', '-', '--data', to])).stdout.split('\n');
  t.ok(there.slice(1).join() === whole.stdout.split('\n').slice(1).join(), 'everything has arrived');
});

/** Kills an export when it has written something, but not all. */
async function killedExport(t: Test, file: string, data: string): Promise<void> {
  for (;;) {
    const exporting = new Interchat(t, ['export', file, '--data', data]);
    await waitFor(async () => (await sizeOf(file)) > 1_000_000);
    exporting.process.kill('SIGKILL');
    if ((await exporting.exited) === null) return;
    // It was faster.
    await rm(file);
  }
}

/** Kills an import when it has taken half of the archive: most of that is on the disk then, and the rest cannot be. */
async function killedImport(t: Test, archive: string, data: string): Promise<void> {
  const importing = new Interchat(t, ['import', '-', '--data', data]);
  await new Promise((resolve) => importing.process.stdin.write(archive.slice(0, archive.length / 2), resolve));
  importing.process.kill('SIGKILL');
  t.equal(await importing.exited, null);
}

function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** The same without a process of its own, for what is refused before it writes anything. */
async function runHere([name, ...args]: readonly [string, ...string[]]): Promise<number> {
  return (name === 'export' ? exporting : importing).run(args);
}

function refusal(message: RegExp, exitCode: number) {
  return { message: new RegExp(`^(?!.*\\n).*${message.source}`), exitCode };
}

void t.test('what cannot be moved is refused in one line, and left as it is', async (t) => {
  const data = await filledFolder(t, 10);
  const other = await filledFolder(t, 10);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'archive');
  const refused = (args: [string, ...string[]], message: RegExp) => t.rejects(runHere(args), refusal(message, 1));
  const server = await spawnServer(t, { folder: data });
  await refused(['export', file, '--data', data], /Another InterChat uses/);
  await refused(['import', file, '--data', data], /cannot be read/);
  await server.end('SIGTERM');
  await refused(['export', file, '--data', join(folder, 'none')], /There is no data/);
  t.equal(await sizeOf(file), 0);
  await refused(['export', join(folder, 'none', 'archive'), '--data', data], /cannot be written/);
  await refused(['export', '/dev/null', '--data', data], /is no file/);

  t.match(await run(['export', file, '--data', data]), { code: 0 });
  const archive = await readFile(file);
  await refused(['export', file, '--data', other], /another epoch/);
  await refused(['import', file, '--data', other], /holds something else/);
  t.ok(archive.equals(await readFile(file)));
  const foreign = join(folder, 'foreign');
  await writeFile(foreign, 'something of mine\n');
  await refused(['export', foreign, '--data', data], /not an archive/);
  await refused(['import', foreign, '--data', join(folder, 'none')], /not an archive/);
  t.equal(await readFile(foreign, 'utf8'), 'something of mine\n');
  await t.rejects(stat(join(folder, 'none')), { code: 'ENOENT' }, 'nothing is made for what is none');

  await truncate(file, 20);
  t.match(await run(['export', file, '--data', data]), { code: 0 }, 'not even a header: begun anew');
  t.ok(archive.equals(await readFile(file)));
});

void t.test('what is written wrongly is said, with exit code 2', async (t) => {
  const wrong: [[string, ...string[]], RegExp][] = [
    [['export'], /takes a file/],
    [['import'], /takes a file/],
    [['export', 'one', 'two'], /one file/],
    [['import', 'file', '--port', '1'], /Unknown flag --port/],
    [['export', 'file', '--dta', 'x'], /did you mean --data\?/],
    [['export', 'file', '--data'], /needs a value/],
    [['import', 'file', '--engine', 'redis'], /"redis" is not accepted/],
  ];
  for (const [args, message] of wrong) await t.rejects(runHere(args), refusal(message, 2), args.join(' '));
  for (const args of [['export'], ['import', 'file', '--port', '1']]) {
    t.match(await run(args), { code: 2, stdout: '', stderr: /^interchat: [^\n]+\n$/ });
  }
  t.match(await run(['export', 'file'], { INTERCHAT_DTA: 'x' }), { code: 2, stderr: /INTERCHAT_DATA\?/ });
  t.match(await run(['export', '--help']), { code: 0, stdout: /^Usage: interchat export FILE.*--data FOLDER/s });
  t.match(await run(['help', 'import']), { code: 0, stdout: /^Usage: interchat import FILE.*--engine/s });
  t.match(await run(['help']), { code: 0, stdout: / {2}export .*\n {2}import / });
});

void t.test('docs/moving.md: its commands work as they are printed', async (t) => {
  const text = await readFile(new URL('../../docs/moving.md', import.meta.url), 'utf8');
  const [moving = '', nats = '', piped = ''] = [...text.matchAll(/```bash\n(.*?)```/gs)].map(
    ([, commands]) => commands ?? '',
  );
  const cwd = await temporaryFolder(t);
  const engine = await openLmdbEngine({ folder: join(cwd, 'data'), retention: RETENTION });
  await engine.log.append([{ topic: 'client.1' as Topic, body: Buffer.from('{}') }]);
  await engine.close();
  const npx = `npx() { shift; ${process.execPath} ${MAIN} "$@"; }`;
  const shell = (script: string) => promisify(execFile)('bash', ['-c', `set -eo pipefail; ${npx}; ${script}`], { cwd });
  const commands = moving.split('\n').filter((line) => line !== '');
  t.equal(commands.length, 3);
  for (const command of commands.slice(0, 2))
    t.match((await shell(command)).stderr, /ported[^:]*: 1 entry and 0 records\.\n$/);
  t.match(commands[2], /^npx interchat serve --data \.\/new-data /);
  const server = await spawnServer(t, { folder: join(cwd, 'new-data') });
  await server.end('SIGTERM');
  await rm(join(cwd, 'new-data'), { recursive: true });
  t.match((await shell(piped)).stderr, /Imported: 1 entry/);
  t.match(nats, /nats:\/\/localhost/);
  if (natsMissing) return t.comment(natsMissing);
  const { url } = (await startNats(t)).servers[0] as NatsServer;
  const [importing = '', exporting = ''] = nats.replaceAll('nats://localhost', url).split('\n');
  t.match((await shell(importing)).stderr, /Imported: 1 entry/);
  await rm(join(cwd, 'archive.ndjson'));
  t.match((await shell(exporting)).stderr, /Exported to archive\.ndjson: 1 entry/);
});
