import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import t from 'tap';
import { connect, InterChat } from '../../src/sdk/index.js';
import { openHouse, PASSWORD } from './house.js';
import { Interchat, ran } from './interchat.js';
import { ENTER } from './keys.js';
import { receive } from './receive.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

t.jobs = 2;

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

void t.test('whoever signs in is somebody in all commands, until signing out', async (t) => {
  const { url, env, sessions } = await openHouse(t, ['alice'], { access: 'members' });
  t.match(await ran(t, ['list'], env), { code: 3, stderr: /This server is for its members/ });
  t.match(await ran(t, ['whoami'], env), { code: 3 });
  t.match(await ran(t, ['logout'], env), { code: 3, stderr: /You are not signed in at this server: interchat login/ });
  t.match(await ran(t, ['login', '--name', 'alice'], env, 'wrong password\n'), {
    code: 3,
    stderr: /name or the password/,
  });
  await t.rejects(stat(sessions), 'nothing is kept of that');
  t.strictSame(await ran(t, ['login', '--name', 'alice'], env, `${PASSWORD}\n`), {
    code: 0,
    stdout: 'Signed in as alice: client 1.\n',
    stderr: '',
  });
  t.equal((await stat(sessions)).mode & 0o777, 0o600);
  const kept = JSON.parse(await readFile(sessions, 'utf8')) as Record<string, { token: string }>;
  const token = kept[`${url}/`]?.token ?? '';
  t.match(token, /^ics_/);

  t.match(await ran(t, ['list'], env), { code: 0, stdout: 'Client 1 is away. (alice)\n' });
  t.match(await ran(t, ['whoami'], env), {
    stdout: 'You are Client 1 (alice), signed in with an account.\nYou may connect, list, send:*, read:*.\n',
  });
  const who = JSON.parse((await ran(t, ['whoami', '--json', '--url', `${url}/`], env)).stdout) as unknown;
  t.match(who, { kind: 'account', name: 'alice', client: { index: 1 }, access: 'members' });
  const client = await connect(url, { token, rooms: ['lobby'] });
  t.match(await ran(t, ['send', 'alice', 'to myself'], env), { code: 0 });
  t.match(await receive(client), { text: 'to myself', from: { index: 1, name: 'alice' } });
  t.match(await ran(t, ['rooms'], env), { stdout: '#lobby: 1 member, 1 online.\n' });
  await client.close();

  const ear = new Interchat(t, ['listen', '--once'], env);
  await ear.until(/Client 1 connected as alice\.\n/, 'stderr');
  t.match(await ran(t, ['send', '1', 'after'], env), { code: 0 });
  t.equal(await ear.exited, 0);
  t.equal(ear.stdout, 'Client 1 (alice): after\n', 'what was said before is in its history');

  t.match(await ran(t, ['list'], { ...env, INTERCHAT_TOKEN: 'ics_wrong' }), { code: 3 }, 'a token comes before it');
  t.match(await ran(t, ['list', '--url', 'http://127.0.0.1:1'], env), { code: 6 }, 'it is for its server alone');
  t.match(await ran(t, ['logout'], env), { code: 0, stdout: 'Signed out.\n' });
  await t.rejects(new InterChat(url, { token }).sessions.current(), { status: 401, code: 'unauthorized' });
  t.equal(await readFile(sessions, 'utf8'), '{}\n');
  t.match(await ran(t, ['list'], env), { code: 3, stderr: /for its members/ });
});

void t.test('a session that is over says to sign in again, until it is forgotten', async (t) => {
  const { url, env, sessions } = await openHouse(t, ['alice']);
  await ran(t, ['login', '--name', 'alice'], env, PASSWORD);
  const ear = new Interchat(t, ['listen'], env);
  await ear.until(/connected as alice/, 'stderr');
  const { token } = await new InterChat(url).sessions.signIn('alice', PASSWORD);
  await new InterChat(url, { token }).sessions.signOutEverywhere();
  const again = 'interchat: The session of alice is over: sign in again: interchat login\n';
  t.equal(await ear.exited, 3);
  t.match(ear.stderr, again);
  for (const args of [
    ['list'],
    ['rooms'],
    ['whoami'],
    ['send', '1', 'x'],
    ['listen'],
    ['connect'],
    ['account', 'list'],
  ]) {
    t.match(await ran(t, args, env), { code: 3, stderr: again }, args.join(' '));
  }
  t.match(await ran(t, ['logout'], env), { code: 0, stdout: 'The session was over already.\n' });
  t.equal(await readFile(sessions, 'utf8'), '{}\n');
  t.match(await ran(t, ['whoami'], env), { code: 0, stdout: /You are nobody, without a credential/ });
});

void t.test('signing in again ends the session before; and out, everywhere, all of them', async (t) => {
  const { url, env, operator } = await openHouse(t, ['alice', 'bob']);
  const { token } = await new InterChat(url).sessions.signIn('alice', PASSWORD);
  const elsewhere = new InterChat(url, { token });
  await ran(t, ['login', '--name', 'alice'], env, PASSWORD);
  t.equal((await elsewhere.sessions.list()).length, 2);
  await ran(t, ['login'], { ...env, INTERCHAT_NAME: 'bob' }, PASSWORD);
  t.equal((await elsewhere.sessions.list()).length, 1);
  await ran(t, ['login', '--name', 'alice'], env, PASSWORD);
  t.match(await ran(t, ['account', 'list'], env), {
    code: 3,
    stderr: /You are signed in as alice, who may not do this: it takes the permission admin\. .* interchat logout/,
  });
  t.match(await ran(t, ['account', 'password', 'alice'], env, `${PASSWORD}\n${PASSWORD}s\n`), { code: 0 });
  t.match(await ran(t, ['whoami'], env), { code: 0, stdout: /Client 1 \(alice\)/ }, 'this session goes on');
  t.match(await ran(t, ['logout', '--everywhere'], env), { code: 0, stdout: 'Signed out everywhere.\n' });
  await t.rejects(elsewhere.sessions.current(), { status: 401, code: 'unauthorized' });
  t.same(
    (await operator.accounts.list()).map(({ name }) => name),
    ['alice', 'bob'],
  );
});

void t.test('a file that others can read, or that is none, is not used', async (t) => {
  const { env, sessions } = await openHouse(t, ['alice']);
  await ran(t, ['login', '--name', 'alice'], env, PASSWORD);
  await chmod(sessions, 0o640);
  for (const args of [['list'], ['logout'], ['connect'], ['login', '--name', 'alice']]) {
    t.match(await ran(t, args, env, PASSWORD), { code: 1, stdout: '', stderr: /can be read by others.*chmod 600/ });
  }
  await writeFile(sessions, '{"x":1}');
  await chmod(sessions, 0o600);
  t.match(await ran(t, ['list'], env), { code: 1, stderr: /is not what interchat login writes/ });
});

void t.test('a bot that signs in goes on where it was', async (t) => {
  const { url, env, operator, sessions } = await openHouse(t, []);
  const { key } = await operator.keys.add('bot', ['connect', 'send:*']);
  const state = `${sessions}.bot`.replace('/interchat/', '/');
  const bot = { ...env, INTERCHAT_TOKEN: key };
  const first = new Interchat(t, ['listen', '--once', '--state', state], bot);
  await first.until(/connected as bot/, 'stderr');
  await new InterChat(url).send(1, 'one');
  t.equal(await first.exited, 0);
  await new InterChat(url).send(1, 'two');
  const args = ['listen', '--once', '--state', state, '--exec', 'cat; interchat send 1 three'];
  const second = new Interchat(t, args, env);
  t.equal(await second.exited, 0);
  t.match(second.stdout, /^two\n/);
  const third = new Interchat(t, ['listen', '--once', '--state', state], env);
  t.equal(await third.exited, 0);
  t.equal(third.stdout, 'Client 1 (bot): three\n', 'by the key that is in its state');
  await operator.keys.revoke('bot');
  t.match(await ran(t, ['listen', '--state', state], env), { code: 3 });
});

void t.test('on a terminal, name and password are asked for', { skip }, async (t) => {
  const { env } = await openHouse(t, ['alice']);
  const terminal = await Terminal.open(t, ['login'], { env });
  await terminal.until('Name:');
  terminal.type(`alicx\x7fe${ENTER}`);
  await terminal.until('Name: alice', 'Password for alice:');
  terminal.type(`${PASSWORD}${ENTER}`);
  t.equal(await terminal.exited, 0);
  await terminal.until('Password for alice:', 'Signed in as alice: client 1.');
  t.notMatch(terminal.output, /horse|ics_/);
  const [before, after] = terminal.modes;
  t.equal(after, before);
});
