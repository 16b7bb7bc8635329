import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Interchat, ran } from '../cli/interchat.js';
import { operatorToken } from '../../src/hub/credentials.js';
import { isEmbedded } from '../support/engine.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing, NatsServer } from '../support/nats.js';
import { lastingPort } from '../support/port.js';
import { spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const SECRET = 'a secret that somebody configured, long enough';
const JWT_SECRET = 'a secret of an identity provider, long enough';
const PASSWORD = 'correct horse battery staple';
const elsewhere = {
  skip: process.platform === 'linux' ? false : 'NOT TESTED: what others see of a process is in /proc',
};

/** What any user of the machine can see of a process. */
async function seen(pid: number | undefined): Promise<string> {
  const files = ['cmdline', 'comm', 'status', 'stat'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8'));
  return (await Promise.all(files)).join('\n');
}

async function assertHidden(
  t: Test,
  pid: number | undefined,
  title: string,
  secrets: readonly string[],
): Promise<void> {
  const text = await seen(pid);
  t.equal(text.slice(0, text.indexOf('\0')), title, 'what ps shows');
  for (const secret of secrets) t.notOk(text.includes(secret), `${title} does not show ${secret.slice(0, 3)}…`);
}

void t.test('what a server was given cannot be seen in the list of processes, even as a flag', elsewhere, async (t) => {
  const jwt = ['--jwt-issuer', 'https://id.example', '--jwt-audience', 'interchat'];
  const flags = ['--secret', SECRET, `--jwt-secret=${JWT_SECRET}`, ...jwt];
  const byFlag = await spawnServer(t, { folder: await temporaryFolder(t), args: flags });
  await assertHidden(t, byFlag.process.pid, 'interchat serve', [SECRET, JWT_SECRET, operatorToken(SECRET)]);
  t.equal((await ask(`${byFlag.url}/accounts`, { token: operatorToken(SECRET) })).status, 200, 'the secret counts');

  const env = { INTERCHAT_SECRET: SECRET };
  const byVariable = await spawnServer(t, { folder: await temporaryFolder(t), env });
  await assertHidden(t, byVariable.process.pid, 'interchat serve', [SECRET, operatorToken(SECRET)]);
});

void t.test('nor can the password of NATS', { skip: elsewhere.skip || natsMissing }, async (t) => {
  if (!isEmbedded) return t.pass('the engine is given by the run');
  const folder = await temporaryFolder(t);
  const port = await lastingPort();
  const config = join(folder, 'nats.conf');
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `jetstream { store_dir: "${join(folder, 'nats')}" }`,
    `authorization { user: interchat, password: "${PASSWORD}" }`,
    'max_payload: 1048576',
  ];
  await writeFile(config, lines.join('\n'));
  const nats = new NatsServer(port, config, join(folder, 'nats'));
  t.teardown(() => nats.end());
  await nats.start();
  const password = encodeURIComponent(PASSWORD);
  const secrets = [PASSWORD, password];
  const engine = `nats://interchat:${password}@127.0.0.1:${port}`;
  const args = ['--log-level', 'trace', '--engine', engine];
  const server = await spawnServer(t, { folder, args });
  await assertHidden(t, server.process.pid, 'interchat serve', secrets);
  const answers = [await ask(`${server.url}/metrics`), await ask(`${server.url}/readyz`)];
  await nats.end();
  await waitFor(async () => (await ask(`${server.url}/readyz`)).status === 503);
  answers.push(await ask(`${server.url}/readyz`), await ask(`${server.url}/metrics`));
  const told = answers.map(({ text }) => text).join('\n') + server.output();
  for (const secret of secrets) t.notOk(told.includes(secret), 'nor do the log, the metrics and the errors have it');
});

void t.test('the commands do not show by what they prove who they are', elsewhere, async (t) => {
  const server = await spawnServer(t, { folder: await temporaryFolder(t), env: { INTERCHAT_SECRET: SECRET } });
  const { json } = await ask(`${server.url}/clients`, { method: 'POST' });
  const [token, cursor] = [String(json.token), String(json.cursor)];
  const url = { INTERCHAT_URL: server.url };

  const listeners: [args: string[], env: NodeJS.ProcessEnv][] = [
    [['listen'], { INTERCHAT_TOKEN: token }],
    [['listen', '--token', token, '--since', cursor], {}],
  ];
  for (const [args, env] of listeners) {
    const listening = new Interchat(t, args, { ...url, ...env });
    await listening.until(/client 1|Client 1/i, 'stderr');
    await assertHidden(t, listening.process.pid, 'interchat listen', [token, cursor, token.slice(-16)]);
    listening.process.kill('SIGTERM');
    await listening.exited;
  }

  const state = { ...url, XDG_STATE_HOME: await temporaryFolder(t) };
  // Each waits for its standard input, so that there is time to look.
  const waiting: [args: string[], env: NodeJS.ProcessEnv, input: string][] = [
    [
      ['account', 'add', 'alice'],
      { ...state, INTERCHAT_SECRET: SECRET, INTERCHAT_TOKEN: operatorToken(SECRET) },
      `${PASSWORD}\n`,
    ],
    [['login', '--name', 'alice'], state, `${PASSWORD}\n`],
    [['send', '1', '--token', token], state, 'a text'],
    // Its client leaves with it.
    [['connect'], { ...state, INTERCHAT_TOKEN: token }, 'LIST\n'],
  ];
  for (const [args, env, input] of waiting) {
    const command = new Interchat(t, args, env);
    const title = `interchat ${args[0]}`;
    await waitFor(async () => (await seen(command.process.pid)).startsWith(`${title}\0`));
    command.write(input.slice(0, 3));
    await assertHidden(t, command.process.pid, title, [PASSWORD, SECRET, operatorToken(SECRET), token]);
    t.equal(await command.end(input.slice(3)), 0, `${title} does what it is to do: ${command.stderr}`);
  }
  t.equal((await ran(t, ['whoami'], state)).code, 0, 'signed in');
});
