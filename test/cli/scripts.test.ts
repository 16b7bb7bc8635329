import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { type Client, connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { run, startServer } from '../support/server.js';
import { Interchat, MAIN } from './interchat.js';
import { receive } from './receive.js';

t.jobs = 2;

async function connected(t: Test, url: string, name?: string): Promise<Client> {
  const client = await connect(url, { name });
  t.teardown(() => client.close());
  return client;
}

void t.test('help and version', async (t) => {
  t.match(await run(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' });
  for (const args of [['help'], ['--help'], ['-h']]) t.match(await run(args), { code: 0, stdout: /^Usage: interchat/ });
  t.match(await run(['help', 'send']), { code: 0, stdout: /^Usage: interchat send/ });
  t.match(await run(['send', '--help']), { code: 0, stdout: /INTERCHAT_TOKEN/ });
  t.match(await run(['help', 'connect']), { code: 0, stdout: /QUIT/ });
  t.match(await run(['help', 'serve']), { code: 0, stdout: /--port/ });
});

void t.test('what is written wrongly is said, with exit code 2', async (t) => {
  t.match(await run([]), { code: 2, stdout: '', stderr: /Usage: interchat/ });
  const wrong = [
    ['bogus'],
    ['list', '--bogus'],
    ['list', 'extra'],
    ['send'],
    ['send', '0', 'Hello'],
    ['send', '2', 'Hello', 'there'],
    ['send', '2', ''],
    ['send', '#no room', 'Hello'],
    ['connect', '--rooms', 'a,b c'],
    ['rooms', 'extra'],
    ['listen', 'extra'],
    ['connect', 'a', 'b'],
    ['connect', 'ftp://x'],
    ['list', '--timeout', 'soon'],
  ];
  for (const args of wrong) {
    t.match(
      await run(args),
      { code: 2, stdout: '', stderr: /^interchat: .+\. See interchat help.*\.\n$/s },
      args.join(' '),
    );
  }
  t.match(await run(['send', '2', 'x'], { INTERCHAT_JSON: 'perhaps' }), { code: 2, stderr: /INTERCHAT_JSON/ });
});

void t.test('list: a line for each client', async (t) => {
  const { url } = await startServer(t);
  t.match(await run(['list', '--url', url]), { code: 0, stdout: '', stderr: '' });
  await connected(t, url);
  await connected(t, url, 'bob');
  await new InterChat(url).join();
  t.strictSame(await run(['list', '--url', url]), {
    code: 0,
    stdout: 'Client 1 is at socket 3.\nClient 2 is at socket 4. (bob)\nClient 3 is away.\n',
    stderr: '',
  });
  const { stdout } = await run(['list', '--json'], { INTERCHAT_URL: url });
  const clients = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  t.match(clients, [{ index: 1 }, { index: 2, name: 'bob' }, { index: 3, status: 'away' }]);
});

void t.test('send: to an index or a name, from whoever the token says', async (t) => {
  const { url } = await startServer(t);
  const alice = await connected(t, url, 'alice');
  const env = { INTERCHAT_URL: url };
  t.match(await run(['send', '1', 'Hello'], env), {
    code: 0,
    stdout: /^Message \d+ was sent to client 1\.\n$/,
    stderr: '',
  });
  t.match(await receive(alice), { from: null, text: 'Hello' });
  t.strictSame(await run(['send', 'alice', '--quiet', '--token', alice.token, '--', '-x'], env), {
    code: 0,
    stdout: '',
    stderr: '',
  });
  t.match(await receive(alice), { from: { index: 1, name: 'alice' }, text: '-x' });
  const { stdout } = await run(['send', '1', 'x', '--json'], { ...env, INTERCHAT_TOKEN: alice.token });
  t.match(JSON.parse(stdout), { id: /^\d+$/, from: { index: 1 }, text: 'x', reach: 1 });
  await alice.close();
  t.match(await run(['send', '1', 'later'], env), { code: 0, stdout: /waits for client 1, which is away/ });
});

void t.test('send: reads standard input, but for one line break at its end', async (t) => {
  const { url } = await startServer(t);
  const client = await connected(t, url);
  const env = { INTERCHAT_URL: url };
  for (const [args, input, text] of [
    [['send', '1', '-'], 'two\nlines\n', 'two\nlines'],
    [['send', '1'], '  spaces \n\n', '  spaces \n'],
    [['send', '1'], 'Ünï 🦔', 'Ünï 🦔'],
  ] as const) {
    t.equal(await new Interchat(t, args, env).end(input), 0);
    t.equal((await receive(client)).text, text);
  }
  const empty = new Interchat(t, ['send', '1'], env);
  t.equal(await empty.end('\n'), 2);
  t.match(empty.stderr, /empty/);
  const bytes = new Interchat(t, ['send', '1', '-'], env);
  bytes.process.stdin.end(Uint8Array.of(0xff, 0xfe));
  t.equal(await bytes.exited, 1);
  t.match(bytes.stderr, /UTF-8/);
});

void t.test('send: whoever is not there, or is several, gets nothing', async (t) => {
  const { url } = await startServer(t);
  const env = { INTERCHAT_URL: url };
  const first = await connected(t, url, 'twin');
  await connected(t, url, 'twin');
  t.match(await run(['send', 'nobody', 'x'], env), { code: 4, stderr: /no client with the name nobody/ });
  t.match(await run(['send', '99', 'x'], env), { code: 4 });
  t.match(await run(['send', 'twin', 'x'], env), {
    code: 1,
    stdout: '',
    stderr: /2 clients with the name twin.*\n {2}Client 1 is at.*\n {2}Client 2 is at/,
  });
  await first.leave();
  t.match(await run(['send', '1', 'x'], env), { code: 4, stderr: /has left/ });
});

void t.test('the exit code says what went wrong', async (t) => {
  const { url } = await startServer(t);
  await connected(t, url);
  const env = { INTERCHAT_URL: url };
  t.match(await run(['send', '1', 'x', '--token', 'ict_1_forged'], env), { code: 3, stderr: /token/ });
  t.match(await run(['listen', '--token', 'ict_1_forged'], env), { code: 3 });
  t.match(await run(['send', '1', 'x'.repeat(100_000)], env), { code: 1, stderr: /^interchat: .+\n$/ });
  t.match(await run(['list', '--url', '127.0.0.1:9']), { code: 6, stderr: /nothing listens there/ });
  t.match(await run(['connect', '127.0.0.1:9']), { code: 6 });

  const busy = createServer((_, response) => response.writeHead(429, { 'retry-after': '60' }).end());
  await once(busy.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => busy.close());
  t.match(await run(['list', '--url', `127.0.0.1:${(busy.address() as AddressInfo).port}`]), { code: 5 });

  const silent = createServer(() => undefined);
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => (silent.closeAllConnections(), silent.close()));
  const args = ['list', '--timeout', '0.2', '--url', `127.0.0.1:${(silent.address() as AddressInfo).port}`];
  t.match(await run(args), { code: 6, stderr: /did not answer within 0.2 s/ });
});

void t.test('listen --json: messages alone on standard output, each with the cursor to go on from', async (t) => {
  const { url } = await startServer(t);
  const env = { INTERCHAT_URL: url };
  const api = new InterChat(url);
  const listening = new Interchat(t, ['listen', '--json', '--name', 'ear'], env);
  await listening.until(/^Client 1 connected\.\n/, 'stderr');
  await api.send(1, 'one\n\x1b[2J');
  await listening.until(/\n/);
  listening.process.kill('SIGINT');
  t.equal(await listening.exited, 0, 'Ctrl-C is how it ends');
  t.match(listening.stdout, /^[\x20-\x7e]+\n$/);
  const message = JSON.parse(listening.stdout) as { cursor: string };
  t.match(message, { from: null, to: { client: 1 }, text: 'one\n\x1b[2J', cursor: String });

  await api.send(1, 'two');
  await api.send(1, 'three');
  const once = await run(['listen', '--once', '--since', message.cursor, '--quiet'], env);
  t.strictSame(once, { code: 0, stdout: 'Somebody: two\n', stderr: '' });
});

void t.test('listen: for so long, and 1 where --once waited in vain', async (t) => {
  const { url } = await startServer(t);
  const env = { INTERCHAT_URL: url };
  t.match(await run(['listen', '--timeout', '2'], env), { code: 0, stdout: '' });
  t.match(await run(['listen', '--timeout', '2', '--once'], env), { code: 1, stdout: '' });
});

void t.test('listen: says on standard error that the server was away and is back', async (t) => {
  const { url } = await startServer(t);
  const listening = new Interchat(t, ['listen', '--since', 'of-another-server'], { INTERCHAT_URL: url });
  await listening.until(/Client 1 connected\.\nThe server does not know that client/, 'stderr');
  const api = new InterChat(url);
  await api.send(1, 'one');
  await listening.until(/Somebody: one\n/);
  t.equal(listening.stdout, 'Somebody: one\n');
});

/** `interchat ARGS` where all that is written to one of its outputs meets a full disk. */
async function withFullDisk(args: readonly string[], output: 'stdout' | 'stderr') {
  const full = await open('/dev/full', 'w');
  const stdio = output === 'stdout' ? (['ignore', full.fd, 'pipe'] as const) : (['ignore', 'pipe', full.fd] as const);
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: [...stdio] });
  const said = text(child[output === 'stdout' ? 'stderr' : 'stdout'] as Readable);
  const [code] = (await once(child, 'close')) as [number | null];
  await full.close();
  return { code, said: await said };
}

void t.test('a full disk is said on one line; where nothing can be said, all else goes on', async (t) => {
  const { url } = await startServer(t);
  await connected(t, url);
  t.strictSame(await withFullDisk(['list', '--url', url], 'stdout'), {
    code: 1,
    said: 'interchat: Standard output cannot be written: ENOSPC: no space left on device, write.\n',
  });
  t.match(await withFullDisk(['list', '--url', url, '--token'], 'stderr'), { code: 2 });
  const timeout = ['listen', '--url', url, '--timeout', '2'];
  t.match(await withFullDisk(timeout, 'stderr'), { code: 0 });
});

void t.test('a pipe that is closed ends it quietly', async (t) => {
  const { url } = await startServer(t);
  const api = new InterChat(url);
  const listening = new Interchat(t, ['listen'], { INTERCHAT_URL: url });
  await listening.until(/connected/, 'stderr');
  await api.send(1, 'one');
  await listening.until(/one/);
  listening.process.stdout.destroy();
  // The first write may still go through.
  const writing = (async () => {
    while (listening.process.exitCode === null) await api.send(1, 'more');
  })();
  t.equal(await listening.exited, 0);
  await writing;
  t.notMatch(listening.stderr, /EPIPE/);
});

void t.test('rooms and everyone: send, rooms, listen', async (t) => {
  const { url } = await startServer(t);
  t.match(await run(['rooms', '--url', url]), { code: 0, stdout: '' });
  t.match(await run(['send', '#lobby', 'x', '--url', url]), { code: 4, stderr: /no room lobby/ });
  const bob = await connect(url, { name: 'bob', rooms: ['lobby'] });
  t.teardown(() => bob.close());
  t.match(await run(['rooms', '--url', url]), { code: 0, stdout: '#lobby: 1 member, 1 online.\n' });
  t.match(await run(['rooms', '--json', '--url', url]), { stdout: '{"name":"lobby","members":1,"online":1}\n' });
  t.match(await run(['send', '#lobby', 'to all', '--url', url]), {
    code: 0,
    stdout: 'Message 1 was sent to #lobby, 1 online.\n',
  });
  t.match(await run(['send', 'everyone', 'x', '--url', url]), {
    code: 0,
    stdout: 'Message 2 was sent to everyone, 1 online.\n',
  });
  const listening = new Interchat(t, ['listen', '--url', url, '--rooms', 'lobby', '--presence', '--quiet']);
  while ((await bob.listMembers('lobby')).total < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await bob.say('lobby', 'heard');
  await listening.until(/Client 1 \(bob\) in #lobby: heard\n/);
  await bob.rename('robert');
  await listening.until(/Client 1 \(robert\) has another name now\.\n/);
});

void t.test('send: a server that is away for a moment is asked again, and has it once', async (t) => {
  const where = { data: await temporaryFolder(t), port: await lastingPort() };
  const first = await startServer(t, where);
  const bob = await connect(first.url, { name: 'bob' });
  t.teardown(() => bob.close());
  await first.stop();
  const refused = createServer((_request, response) => response.writeHead(503, { 'retry-after': '0' }).end());
  refused.listen(where.port, '127.0.0.1');
  await once(refused, 'listening');
  const asked = once(refused, 'request');
  const sending = run(['send', '1', 'through', '--url', first.url]);
  await asked;
  refused.close();
  refused.closeAllConnections();
  await once(refused, 'close');
  await startServer(t, where);
  t.match(await sending, { code: 0, stdout: /^Message 1 / });
  for await (const { id, text } of bob.messages()) {
    t.same([id, text], ['1', 'through']);
    break;
  }
});
