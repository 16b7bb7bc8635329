import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { run, spawnServer, startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { Interchat } from './interchat.js';
import { receive } from './receive.js';

t.jobs = 2;

/** `interchat listen --exec CMD`, connected. */
async function listening(t: Test, url: string, command: string, ...args: string[]): Promise<Interchat> {
  const bot = new Interchat(t, ['listen', '--url', url, '--exec', command, ...args]);
  await bot.until(/Client \d+ connected\.\n/, 'stderr');
  return bot;
}

async function interrupted(bot: Interchat): Promise<number | null> {
  bot.process.kill('SIGINT');
  return bot.exited;
}

void t.test('the command has the text, and the rest in variables', async (t) => {
  const { url } = await startServer(t);
  const bob = await connect(url, { name: 'bob', rooms: ['lobby'] });
  t.teardown(() => bob.close());
  const say = [
    '$INTERCHAT_ID from $INTERCHAT_FROM ($INTERCHAT_FROM_NAME) to $INTERCHAT_TO, answer $INTERCHAT_REPLY_TO:',
    '$INTERCHAT_DATA $INTERCHAT_CLIENT $INTERCHAT_TRY ${INTERCHAT_NAME-no name} ${INTERCHAT_EXEC-no command}',
  ];
  const bot = await listening(t, url, `echo "${say.join(' ')}"; cat`, '--rooms', 'lobby', '--name', 'bot');
  await bob.send(2, 'Hello\n$(touch x) \'and "so on');
  await bob.say('lobby', { text: 'all', data: { n: 1 } });
  await bob.sendTo({ everyone: true }, 'everyone');
  await new InterChat(url).send(2, { data: [1, 2] });
  await bot.until(/\[1,2\]\n$/);
  t.equal(
    bot.stdout,
    [
      '1 from 1 (bob) to 2, answer 1:  2 1 no name no command',
      'Hello\n$(touch x) \'and "so on',
      '2 from 1 (bob) to #lobby, answer #lobby: {"n":1} 2 1 no name no command',
      'all',
      '3 from 1 (bob) to everyone, answer 1:  2 1 no name no command',
      'everyone',
      '4 from  () to 2, answer : [1,2] 2 1 no name no command',
      '[1,2]\n',
    ].join('\n'),
  );
  t.equal(await interrupted(bot), 0);
});

void t.test('with --json the command has the whole message', async (t) => {
  const { url } = await startServer(t);
  const bot = await listening(t, url, 'cat', '--json', '--once');
  await new InterChat(url).send(1, 'one');
  t.equal(await bot.exited, 0);
  t.match(JSON.parse(bot.stdout), { id: '1', from: null, to: { client: 1 }, text: 'one' });
});

void t.test('a bot of one line answers whoever can be answered, and not itself', async (t) => {
  const { url } = await startServer(t);
  const bob = await connect(url, { name: 'bob', rooms: ['lobby'] });
  t.teardown(() => bob.close());
  const bot = await listening(t, url, 'interchat send "$INTERCHAT_REPLY_TO"', '--rooms', 'lobby', '--name', 'echo');
  await new InterChat(url).send(2, 'from nobody');
  await bob.send(2, 'one\ntwo');
  t.match(await receive(bob), { from: { name: 'echo' }, to: { client: 1 }, text: 'one\ntwo' });
  await bob.say('lobby', 'three');
  t.match(await receive(bob), { from: { name: 'bob' }, text: 'three' });
  t.match(await receive(bob), { from: { name: 'echo' }, to: { room: 'lobby' }, text: 'three' });
  // Had it answered itself, that would come before this.
  await bob.send(2, 'four');
  t.match(await receive(bob), { to: { client: 1 }, text: 'four' });
  t.equal(await interrupted(bot), 0);
  t.match(bot.stderr, /The message came from nobody: there is nobody to answer\.\n/);
});

void t.test('one at a time, in order, each until it is done', async (t) => {
  const { url } = await startServer(t);
  const folder = await temporaryFolder(t);
  const log = join(folder, 'log');
  // The second fails twice before it goes through.
  const command = `read text; echo "begin $text $INTERCHAT_TRY" >> ${log}; [ "$text$INTERCHAT_TRY" != two1 ] && [ "$text$INTERCHAT_TRY" != two2 ] && echo "$text"`;
  const bot = await listening(t, url, command);
  const api = new InterChat(url);
  for (const text of ['one', 'two', 'three']) await api.send(1, text);
  await bot.until(/three\n/);
  t.equal(bot.stdout, 'one\ntwo\nthree\n');
  t.equal(await readFile(log, 'utf8'), 'begin one 1\nbegin two 1\nbegin two 2\nbegin two 3\nbegin three 1\n');
  t.match(bot.stderr, /The command for message 2 ended with 1, trying again in \d s\.\n/);
  t.equal(await interrupted(bot), 0);
});

void t.test('what cannot be done is given up after so many tries, and the next has its turn', async (t) => {
  const { url } = await startServer(t);
  const bot = await listening(t, url, 'read text; [ "$text" != bad ] && echo "$text"', '--tries', '2');
  const api = new InterChat(url);
  for (const text of ['bad', 'good']) await api.send(1, text);
  await bot.until(/good\n/);
  t.match(bot.stderr, /message 1 ended with 1, trying again.*\n.*message 1 ended with 1: given up after 2 tries\.\n/);
  t.equal(await interrupted(bot), 0);
  const once = await listening(t, url, 'exit 3', '--tries', '1', '--once');
  await api.send(2, 'bad');
  t.equal(await once.exited, 1);
});

void t.test('Ctrl-C ends the command with all that it has started', async (t) => {
  const { url } = await startServer(t);
  const bot = await listening(t, url, 'sleep 1000 & echo "$! $$"; wait');
  await new InterChat(url).send(1, 'x');
  const [, ...pids] = await bot.until(/(\d+) (\d+)\n/);
  t.equal(await interrupted(bot), 0);
  for (const pid of pids) t.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' });
});

void t.test(
  'started again it goes on where it was, as the same client; nothing is lost, nothing done twice',
  async (t) => {
    const { url } = await startServer(t);
    const folder = await temporaryFolder(t);
    const state = join(folder, 'state');
    const log = join(folder, 'log');
    const api = new InterChat(url);
    const command = `read text; [ -e ${log} ] && again=1; echo "$text" >> ${log}; [ "$text$again" != hang ] || sleep 1000`;
    const lines = async () => (await readFile(log, 'utf8').catch(() => '')).split('\n');
    const first = await listening(t, url, command, '--state', state);
    t.equal((await stat(state)).mode & 0o777, 0o600);
    for (const text of ['hang', 'two', 'three']) await api.send(1, text);
    await waitFor(async () => (await lines()).includes('hang'));
    t.equal(await interrupted(first), 0);
    await api.send(1, 'four');
    await chmod(state, 0o644);
    const second = await listening(t, url, command, '--state', state);
    t.match(second.stderr, /^Client 1 connected\.\n$/);
    await api.send(1, 'five');
    // Then the one before is done, and kept as such.
    await waitFor(async () => (await lines()).includes('five'));
    t.strictSame(await lines(), ['hang', 'hang', 'two', 'three', 'four', 'five', '']);
    t.equal((await stat(state)).mode & 0o777, 0o600);
    t.equal(await interrupted(second), 0);
    const { stdout } = await run(['listen', '--state', state, '--timeout', '2', '--url', url]);
    t.match(stdout, /^(Somebody: five\n)?$/);
  },
);

void t.test('a state that is none, or of a server that does not know it', async (t) => {
  const { url } = await startServer(t);
  const folder = await temporaryFolder(t);
  const state = join(folder, 'state');
  const args = ['listen', '--url', url, '--state', state];
  t.match(await run([...args, '--since', 'x']), { code: 2, stderr: /--since and --state/ });
  t.match(await run([...args, '--exec', 'cat', '--presence']), { code: 2, stderr: /--presence/ });
  t.match(await run([...args, '--tries', 'many']), { code: 2, stderr: /--tries takes a number/ });
  t.match(await run(['listen', '--url', url, '--state', join(folder, 'no', 'state')]), {
    code: 1,
    stderr: /cannot be used/,
  });
  await writeFile(state, 'something else');
  t.match(await run(args), { code: 1, stderr: /is no file of interchat listen --state/ });
  await writeFile(state, JSON.stringify({ url, token: 'ict_1_x', cursor: 'of-another-server' }));
  t.match(await run([...args, '--timeout', '2']), {
    code: 0,
    stderr: /Client \d connected\.\nThe server does not know/,
  });
});

void t.test('a command that fails while the server is away is tried again when it is back', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder, port: await lastingPort() });
  const { url, port } = server;
  const bob = await connect(url, { name: 'bob' });
  t.teardown(() => bob.close());
  const go = join(folder, 'go');
  const command = `echo begun; while ! [ -e ${go} ]; do sleep 0.02; done; interchat list >/dev/null && interchat send "$INTERCHAT_FROM"`;
  const bot = await listening(t, url, command, '--tries', '1');
  await bob.send(2, 'still there?');
  await bot.until(/begun/);
  await server.end('SIGKILL');
  await writeFile(go, '');
  await bot.until(/The command for message 1 ended with 6, trying again/, 'stderr');
  await spawnServer(t, { folder, port });
  t.match(await receive(bob), { text: 'still there?' });
  t.equal(await interrupted(bot), 0);
});

void t.test('a pipe that is closed ends it quietly, and what it was running', async (t) => {
  const { url } = await startServer(t);
  const bot = await listening(t, url, 'echo "$$"; [ "$(cat)" = last ] && exec sleep 1000');
  const api = new InterChat(url);
  await api.send(1, 'first');
  await bot.until(/\d+\n/);
  bot.process.stdout.destroy();
  await api.send(1, 'last');
  t.equal(await bot.exited, 0);
  t.notMatch(bot.stderr, /EPIPE/);
});
