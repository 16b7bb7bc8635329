import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { findCommand } from '../../src/cli/help.js';
import { connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { spawnServer } from '../support/server.js';
import { openHouse, PASSWORD, SECRET } from './house.js';
import { ran } from './interchat.js';

t.jobs = 2;

void t.test('accounts and keys before the first start, and while the server runs', async (t) => {
  const folder = join(await temporaryFolder(t), 'data');
  const env: NodeJS.ProcessEnv = { INTERCHAT_DATA: folder };
  t.match(await ran(t, ['account', 'list'], env), { code: 3, stderr: /There is no data of InterChat in .*\/data\./ });
  t.match(await ran(t, ['account', 'add', 'alice', '--may', 'connect,list'], env, `${PASSWORD}\n`), {
    code: 0,
    stdout: 'Account alice was made.\n',
    stderr: `It is in ${folder}, for the server that runs there next.\n`,
  });
  const added = await ran(t, ['key', 'add', 'sensor', '--may', 'connect,send:client/1', '--expires', '90d'], env);
  t.match(added, {
    code: 0,
    stdout: /^ick_\w+_[\w-]{43}\n$/,
    stderr: /^This is the key sensor .* cannot be shown again/s,
  });
  t.match(await ran(t, ['account', 'add', 'ALICE'], env, PASSWORD), { code: 1, stderr: /The name ALICE belongs to/ });
  t.match(await ran(t, ['account', 'add', 'bob'], env, 'short\n'), { code: 1, stderr: /password must be 8 to 1024/ });
  t.match(await ran(t, ['account', 'add', ' bob'], env, PASSWORD), {
    code: 1,
    stderr: /name must be 1 to 64 printable/,
  });
  t.match(await ran(t, ['key', 'add', 'x', '--may', 'fly'], env), {
    code: 1,
    stderr: /may: fly must be connect, list/,
  });
  t.match(await ran(t, ['account', 'remove', 'bob'], env), { code: 1, stderr: /There is no account bob/ });

  const server = await spawnServer(t, { folder, env: { INTERCHAT_TOKEN: '' } });
  const { url, port } = server;
  const key = added.stdout.trim();
  const sensor = await connect(url, { token: key });
  t.equal(sensor.name, 'sensor');
  await sensor.close();
  const { may } = await new InterChat(url).sessions.signIn('alice', PASSWORD);
  t.same(may, ['connect', 'list']);

  // As with docker exec: the variables of the server, and no others.
  const inside = { ...env, INTERCHAT_HOST: '0.0.0.0', INTERCHAT_PORT: String(port) };
  t.match(await ran(t, ['account', 'add', 'bob', '--admin'], inside, `${PASSWORD}\n`), {
    code: 0,
    stdout: 'Account bob was made.\n',
    stderr: '',
  });
  t.match(await ran(t, ['account', 'list'], inside), {
    stdout: /^alice: may connect, list; since \d{4}-\d\d-\d\d\.\nbob: may do everything; since .*\n$/,
  });
  const keys = await ran(t, ['key', 'list'], inside);
  t.match(keys.stdout, /^sensor \(\w{18}\): may connect, send:client\/1; until \d{4}-.*; last used \d\d:\d\d\.\n$/);
  const listed = JSON.parse((await ran(t, ['key', 'list', '--json'], inside)).stdout) as Record<string, unknown>;
  t.match(listed, { name: 'sensor', may: ['connect', 'send:client/1'] });
  t.notOk('key' in listed);
  t.match(await ran(t, ['key', 'revoke', 'sensor'], inside), { code: 0, stdout: 'Key sensor was revoked.\n' });
  await t.rejects(connect(url, { token: key }), { status: 401, code: 'unauthorized' });
  t.match(await ran(t, ['account', 'password', 'alice'], inside, 'another password\n'), { code: 0 });
  await new InterChat(url).sessions.signIn('alice', 'another password');
  t.match(await ran(t, ['account', 'remove', 'alice'], inside), { code: 0, stdout: /alice was removed/ });
  await t.rejects(new InterChat(url).sessions.signIn('alice', 'another password'), {
    status: 401,
    code: 'unauthorized',
  });

  const elsewhere = { ...env, INTERCHAT_PORT: '1' };
  t.match(await ran(t, ['account', 'list'], elsewhere), { code: 6, stderr: /Say where its server listens: --url/ });
  t.equal(await server.end('SIGTERM'), 0);
  t.match(await ran(t, ['account', 'list'], env), { code: 0, stdout: /^bob: may do everything/ }, 'and after it');
  const audit = await ran(t, ['audit'], env);
  t.same(
    audit.stdout.match(/operator: \S+,/g),
    ['account.add', 'key.add', 'account.add', 'key.revoke', 'account.password', 'account.remove'].map(
      (action) => `operator: ${action},`,
    ),
  );
  t.notMatch(audit.stdout, /another password|ick_/);
});

void t.test('a server of another machine takes its secret, or somebody who may', async (t) => {
  const { url } = await openHouse(t, []);
  const data = await temporaryFolder(t);
  const env: NodeJS.ProcessEnv = { INTERCHAT_URL: url, INTERCHAT_DATA: data };
  t.match(await ran(t, ['account', 'list'], env), {
    code: 3,
    stderr: /keeps no secret of a server\. Give its secret as INTERCHAT_SECRET/,
  });
  t.same(await readdir(data), [], 'nothing is left there');
  const wrong = { ...env, INTERCHAT_SECRET: SECRET.replace('a', 'b') };
  t.match(await ran(t, ['account', 'list'], wrong), { code: 3, stderr: /does not take the secret/ });
  t.match(await ran(t, ['account', 'list', '--secret', 'short'], env), { code: 2, stderr: /at least 32 characters/ });
  const own = { ...env, INTERCHAT_SECRET: SECRET };
  t.match(await ran(t, ['account', 'add', 'root', '--admin'], own, `${PASSWORD}\r\n`), { code: 0 });
  const { token } = await new InterChat(url).sessions.signIn('root', PASSWORD);
  const root = { ...env, INTERCHAT_TOKEN: token };
  const made = await ran(t, ['account', 'add', 'carol', '--json'], root, PASSWORD);
  t.match(JSON.parse(made.stdout), { name: 'carol', may: ['connect', 'list', 'send:*', 'read:*'] });
  t.match(await ran(t, ['account', 'add', 'carol'], root, PASSWORD), { code: 1, stderr: /The name carol belongs to/ });
  const carol = (await new InterChat(url).sessions.signIn('carol', PASSWORD)).token;
  t.match(await ran(t, ['account', 'list'], { ...env, INTERCHAT_TOKEN: carol }), {
    code: 3,
    stderr: /permission admin/,
  });
  t.match(await ran(t, ['account', 'list', '--engine', 'nats://127.0.0.1:1'], { INTERCHAT_DATA: data }), {
    code: 3,
    stderr: /With NATS this takes a server that runs/,
  });
});

void t.test('one’s own password takes the one of today', async (t) => {
  const { url, env } = await openHouse(t, ['alice']);
  const { token } = await new InterChat(url).sessions.signIn('alice', PASSWORD);
  const own = { ...env, INTERCHAT_TOKEN: token };
  const another = 'another password';
  t.match(await ran(t, ['account', 'password', 'alice'], own, `wrong wrong\n${another}\n`), {
    code: 3,
    stderr: /The current password is wrong/,
  });
  t.match(await ran(t, ['account', 'password', 'Alice'], own, `${PASSWORD}\n${another}\n`), { code: 0 });
  t.match(await new InterChat(url).sessions.signIn('alice', another), { name: 'alice' });
  t.match(await ran(t, ['account', 'password', 'alice'], own, `${another}\n`), { code: 2, stderr: /is missing/ });
});

void t.test('what is written wrongly is said, and nobody is asked for a password then', async (t) => {
  const wrong = [
    ['account'],
    ['account', 'fly'],
    ['account', 'toString'],
    ['account', 'add'],
    ['account', 'list', 'x'],
    ['account', 'add', 'alice', PASSWORD],
    ['account', 'add', 'alice', '--password', PASSWORD],
    ['key', 'add', 'x'],
    ['key', 'add', 'x', '--may', 'connect', '--expires', 'soon'],
    ['ban', 'add', '192.0.2.1'],
    ['ban', 'add', '192.0.2.1', '--for', '1y'],
    ['delete', '1'],
    ['delete', '1', 'x'],
    ['remove'],
    ['audit', 'x'],
    ['whoami', 'x'],
    ['login', 'alice'],
    ['logout', 'alice'],
  ];
  for (const [name, ...args] of wrong) {
    const run = async () => (await findCommand(name ?? '').load?.())?.command.run(args);
    await t.rejects(run(), { name: 'UsageError' }, [name, ...args].join(' '));
  }
  t.match(await ran(t, ['login']), {
    code: 2,
    stderr: /^interchat: As whom\? Give --name\. See interchat help login\.\n$/,
  });
});
