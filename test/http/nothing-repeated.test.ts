import { readFile } from 'node:fs/promises';
import t from 'tap';
import { withoutCredentials } from '../../src/http/redaction.js';
import { operatorToken } from '../../src/hub/credentials.js';
import { speak } from '../hostile/raw.js';
import { operations } from '../openapi/described.js';
import { temporaryFolder } from '../support/folder.js';
import { type Answer, type Asked, ask } from '../support/http.js';
import { spawnServer } from '../support/server.js';

const SECRET = 'a secret that somebody configured, long enough';
const PASSWORD = 'hunter2-hunter2-hunter2-hunter2';
const server = await spawnServer(t, {
  folder: await temporaryFolder(t),
  args: ['--log-level', 'trace', '--max-body', '2048'],
  env: { INTERCHAT_SECRET: SECRET },
});
const { url, port } = server;
const operator = operatorToken(SECRET);
const order = async (path: string, json: unknown) => (await ask(url + path, { json, token: operator })).json;

const client = (await ask(`${url}/clients`, { method: 'POST' })).json as { token: string; cursor: string };
await order('/accounts', { name: 'alice', password: PASSWORD });
const { token: session } = (await ask(`${url}/sessions`, { json: { name: 'alice', password: PASSWORD } })).json;
const { key } = await order('/keys', { name: 'sensor', may: ['connect'] });
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = `${part({ alg: 'HS256' })}.${part({ sub: 'somebody' })}.${'s'.repeat(43)}`;

/** What can be told from any other text. */
const credentials: Readonly<Record<string, string>> = {
  'a client’s token': client.token,
  'a cursor': client.cursor,
  'a session': String(session),
  'a key': String(key),
  'the operator’s token': operator,
  'a JWT': jwt,
  'a token that is misspelt': `${client.token.slice(0, -1)}-`,
};

/** In these a credential may stand by mistake, or by intent. */
function places(it: string): [url: string, asked: Asked][] {
  const inPaths = operations
    .filter(({ path }) => path.includes('{'))
    .flatMap(({ path, method }): [string, Asked][] => {
      const at = path.replace(/\{\w+\}/g, it);
      return [
        [at, { method: method.toUpperCase() }],
        [at, { method: method.toUpperCase(), json: { text: it }, token: operator }],
        [at, { method: 'PUT', token: it }],
      ];
    });
  const bodies = ['/clients', '/sessions', '/accounts', '/keys', '/bans', '/messages', '/clients/1/messages'].flatMap(
    (path): [string, Asked][] => [
      [path, { json: { [it]: 1, [`x${it}`]: { [it]: it } }, token: operator }],
      [
        path,
        {
          json: { name: [it], password: [it], may: [it], to: { [it]: it }, ttl: it, address: it, text: [it] },
          token: operator,
        },
      ],
      [path, { json: it, token: it }],
      [path, { body: `{"a":${it}}`, headers: { 'content-type': 'application/json' }, token: operator }],
      [path, { body: it, headers: { 'content-type': it } }],
      [path, { body: it, headers: { 'content-type': `x/${it}`, 'content-encoding': it } }],
      [path, { body: it.repeat(100), headers: { 'content-type': 'text/plain' }, token: it }],
    ],
  );
  const lines: Asked = { body: `${it}\n{"to":${it}}\n`, headers: { 'content-type': 'application/x-ndjson' } };
  return [
    ...inPaths,
    ...bodies,
    ['/messages', lines],
    [`/${it}`, {}],
    [`/clients/1/messages?token=${it}&after=${it}&limit=${it}`, {}],
    [`/clients?${it}=1&after=${it}&status=${it}`, {}],
    [`/clients/%?${it}`, {}],
    [`/${it}/%`, {}],
    [`/events?token=${it}&x`, { headers: { accept: 'image/png' } }],
    ['/clients', { headers: { accept: it } }],
    ['/clients', { headers: { origin: `https://${it}.example` } }],
    ['/clients', { headers: { host: it } }],
    ['/clients', { headers: { expect: it } }],
    ['/sessions/current', { headers: { cookie: `interchat_session=${it}` } }],
    ['/clients/1/messages', { json: { text: 'x' }, headers: { 'idempotency-key': `${it} ` }, token: it }],
    ['/clients/1', { method: 'PATCH', json: { name: `\n${it}` }, token: it }],
    ['/clients/1', { method: 'PATCH', json: { nam: it }, token: client.token }],
  ];
}

const shown = ({ headers, text }: Answer) => JSON.stringify(headers) + text;
/** Their ends nobody can guess: one of those gives it away as well as the whole. */
const end = (secret: string) => secret.slice(-12);

for (const [what, it] of Object.entries(credentials)) {
  void t.test(`no error repeats ${what}, wherever it was sent`, async (t) => {
    let errors = 0;
    for (const [path, asked] of places(it)) {
      const answer = await ask(url + path, asked);
      const told = shown(answer).includes(end(it));
      if (answer.status >= 400) errors++;
      // What was made by such a name is called so.
      if (told && (answer.status >= 400 || path === '/messages'))
        t.fail(`${asked.method ?? 'GET'} ${path} ${JSON.stringify(asked.json ?? asked.headers)}`, {
          text: answer.text,
        });
    }
    for (const bytes of [`${it}\r\n\r\n`, `GET ${it} HTTP/1.1\r\n\r\n`, `GET / HTTP/1.1\r\n${it}\r\n\r\n`]) {
      const { answers, rest } = await speak([bytes], { port });
      errors += answers.length;
      t.notOk(JSON.stringify(answers).includes(end(it)) || rest.includes(end(it)), 'what is no request');
    }
    t.ok(errors > 80, `${errors} errors`);
  });
}

void t.test('no error repeats a password, or a piece of it', async (t) => {
  const json = { 'content-type': 'application/json' };
  const tries: readonly Asked[] = [
    { json: { name: 'alice', password: `${PASSWORD}!` } },
    { json: { name: 'nobody', password: PASSWORD } },
    { json: { name: 'alice', password: [PASSWORD] } },
    { json: { name: 'alice', pasword: PASSWORD } },
    { json: { name: 'alice', password: PASSWORD.repeat(40) } },
    ...[
      `{"password":${PASSWORD}}`,
      `{"password":'${PASSWORD}'}`,
      PASSWORD,
      `{"a":"${PASSWORD}`,
      `{"a":"${PASSWORD}\n"}`,
    ].flatMap((body): Asked[] => [
      { body, headers: json },
      { body: Buffer.from(body), headers: json, token: operator },
    ]),
    { body: `name=alice&password=${PASSWORD}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ];
  for (const path of ['/sessions', '/accounts', '/accounts/alice/password', '/clients']) {
    for (const asked of tries) {
      const answer = await ask(url + path, path.endsWith('password') ? { ...asked, method: 'PUT' } : asked);
      t.ok(answer.status >= 400, `${path} ${answer.status}`);
      t.notMatch(shown(answer), /unter/, `${path} ${String(asked.body ?? JSON.stringify(asked.json))}`);
    }
  }
});

void t.test('nor is any of that in the metrics, or in the log at its most talkative', async (t) => {
  const metrics = (await ask(`${url}/metrics`)).text;
  t.match(metrics, /interchat_/);
  await server.end('SIGTERM');
  const log = server.output();
  t.match(log, /"msg":"answered"/);
  for (const secret of [...Object.values(credentials), SECRET, PASSWORD]) {
    t.notOk(metrics.includes(end(secret)), 'not in the metrics');
    t.notOk(log.includes(end(secret)), 'not in the log');
  }
});

void t.test('what only resembles a credential stays as it was, and no text takes long', async (t) => {
  for (const text of [
    '/rooms/lobby/messages',
    'ict_2_MAC',
    'of Node 20.20.2',
    'topic_for_everybody',
    '192.168.0.7:8080',
  ])
    t.equal(withoutCredentials(text), text);
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.equal(withoutCredentials(version), version);
  const began = performance.now();
  for (const text of ['1', '1.', 'eyJ', 'eyJa.', 'ict_', '1.1.', '-']) withoutCredentials(text.repeat(200_000));
  t.ok(performance.now() - began < 5000, 'long texts');
});
