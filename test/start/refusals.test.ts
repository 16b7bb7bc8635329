import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { open } from 'lmdb';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { run, spawnServer } from '../support/server.js';
import { findKeepsake, leaveKeepsake } from './keepsake.js';
import { smallDisk } from './small-disk.js';

/** Holds that the server does not start with these settings, and says why in one line and no other. */
async function refuses(t: Test, args: readonly string[], says: RegExp, code = 1, env: NodeJS.ProcessEnv = {}) {
  const ended = await run(['serve', '--port', '0', ...args], env);
  t.equal(ended.code, code, `exit code of ${args.join(' ')}`);
  t.equal(ended.stdout, '');
  t.match(ended.stderr, /^interchat: [^\n]+\.\n$/, 'one line');
  t.match(ended.stderr, says);
}

void t.test('a data folder that is a file', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, 'mine');
  await refuses(t, ['--data', file], /--data or INTERCHAT_DATA/);
  await refuses(t, ['--data', join(file, 'below')], /--data or INTERCHAT_DATA/);
  t.equal(await readFile(file, 'utf8'), 'mine');
});

void t.test('a data folder that cannot be written', async (t) => {
  const disk = await smallDisk(t, '4m');
  if (!disk) return;
  const folder = join(disk.folder, 'data');
  const keepsake = await leaveKeepsake(t, folder);
  await disk.remount('ro');
  await refuses(t, ['--data', folder], /read-only/);
  await refuses(t, ['--data', join(disk.folder, 'new')], /cannot be used/);
  await disk.remount('rw');
  await findKeepsake(t, folder, keepsake);
});

void t.test('a port that is in use', async (t) => {
  const folder = await temporaryFolder(t);
  const keepsake = await leaveKeepsake(t, folder);
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await refuses(t, ['--port', String(port), '--data', folder], new RegExp(`Port ${port} on 127.0.0.1 is in use`));
  await findKeepsake(t, folder, keepsake);
});

void t.test('an address that is not of this machine', async (t) => {
  const folder = await temporaryFolder(t);
  // Kept for documentation, so nobody has it (RFC 5737).
  await refuses(t, ['--host', '192.0.2.1', '--data', folder], /192\.0\.2\.1 is no address of this machine/);
});

void t.test('data that another server uses', async (t) => {
  const folder = await temporaryFolder(t);
  const keepsake = await leaveKeepsake(t, folder);
  const first = await spawnServer(t, { folder });
  await refuses(t, ['--data', folder], /Another InterChat uses the data folder/);
  t.equal((await ask(`${first.url}/readyz`)).status, 200, 'the first does not notice');
  t.equal((await ask(`${first.url}/clients/1/messages`, { json: { text: 'and another' } })).status, 201);
  await first.end('SIGKILL');
  await findKeepsake(t, folder, keepsake);
});

void t.test('data of a newer format', async (t) => {
  const folder = await temporaryFolder(t);
  const keepsake = await leaveKeepsake(t, folder);
  const setFormat = async (change: (format: number) => number) => {
    const root = open({ path: join(folder, 'log.mdb'), noSubdir: true, maxDbs: 16 });
    const meta = root.openDB<number, string>('meta', { encoding: 'json' });
    await meta.put('format', change(Number(meta.get('format'))));
    await root.close();
  };
  await setFormat((format) => format + 1);
  await refuses(t, ['--data', folder], /newer/);
  await setFormat((format) => format - 1);
  await findKeepsake(t, folder, keepsake);
});

void t.test('a secret that is none', async (t) => {
  const folder = await temporaryFolder(t);
  const keepsake = await leaveKeepsake(t, folder);
  const path = join(folder, 'secret');
  const secret = await readFile(path);
  await writeFile(path, 'short');
  await refuses(t, ['--data', folder], /holds no secret/);
  await writeFile(path, secret);
  await findKeepsake(t, folder, keepsake);
});

void t.test('settings that are wrong', async (t) => {
  const folder = join(await temporaryFolder(t), 'data');
  const data = ['--data', folder];
  await refuses(t, [...data, '--prot', '80'], /--prot.*did you mean --port/, 2);
  await refuses(t, [...data, '--grace', 'long'], /--grace: "long" is not accepted/, 2);
  await refuses(t, [...data, 'now'], /Unexpected argument "now"/, 2);
  await refuses(t, data, /INTERCHAT_MAX_BODY: "0" is not accepted/, 2, { INTERCHAT_MAX_BODY: '0' });
  await refuses(t, data, /Unknown variable INTERCHAT_GRACES/, 2, { INTERCHAT_GRACES: '1' });
  const secret = 'too short to be one';
  const ended = await run(['serve', ...data], { INTERCHAT_SECRET: secret });
  t.equal(ended.code, 2);
  t.notMatch(ended.stderr, secret, 'a secret is not repeated');
  t.notOk(existsSync(folder), 'nothing was begun');
});
