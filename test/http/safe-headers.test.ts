import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { clientErrorHandler } from '../../src/http/client-error.js';
import { securityHeaders } from '../../src/http/security-headers.js';
import { operatorToken } from '../../src/hub/credentials.js';
import { speak } from '../hostile/raw.js';
import { operations } from '../openapi/described.js';
import { EventReader } from '../support/event-reader.js';
import { type Asked, ask } from '../support/http.js';
import { lacking } from '../support/safety.js';
import { startServer, type TestServer } from '../support/server.js';

const secret = 'a secret that is long enough for a test';
const token = operatorToken(secret);
const open = await startServer(t, { secret, corsOrigins: [] });
const { json: client } = await ask(`${open.url}/clients`, { json: { name: 'one', rooms: ['lobby'] } });
const own = { token: String(client.token) };
const page = (await ask(open.url)).text;
const assets = [...page.matchAll(/(?:src|href)="([^"]*assets[^"]+)"/g)].map(([, path = '']) =>
  path.replace(/^\.?\/?/, '/'),
);
const etag = String((await ask(`${open.url}${assets[0]}`)).headers.etag);

/** Asks, and holds against what is to be. */
async function assertSafe(
  t: Test,
  server: TestServer,
  [path, status, asked, what]: readonly [
    path: string,
    status: number,
    asked?: Asked,
    what?: Parameters<typeof lacking>[1],
  ],
): Promise<void> {
  const answer = await ask(`${server.url}${path}`, asked);
  const name = `${asked?.method ?? (asked?.json || asked?.body ? 'POST' : 'GET')} ${path}: ${status}`;
  t.same([answer.status, lacking(answer.headers, what)], [status, []], name);
}

void t.test('every operation, whatever it answers, keeps browsers safe', async (t) => {
  const statuses = new Set<number>();
  const values: Readonly<Record<string, string>> = { index: '1', room: 'lobby', id: '1', name: 'alice' };
  for (const { path, method, operation } of operations) {
    const at = path.replace(/\{(\w+)\}/g, (_, name: string) => values[name] as string);
    if (operation.operationId === 'connect') {
      const stream = await EventReader.open(t, `${open.url}${at}`);
      t.same(lacking(stream.headers), [], 'a stream of events');
      stream.close();
      const lines = await EventReader.open(t, `${open.url}${at}`, { accept: 'application/x-ndjson' });
      t.same(lacking(lines.headers), [], 'a stream of lines');
      lines.close();
      continue;
    }
    const json = 'requestBody' in operation ? { text: 'x' } : undefined;
    const ways: Asked[] = [{}, { token }, { json, token }, { body: '{', headers: { 'content-type': 'nonsense' } }];
    for (const way of ways) {
      // Who leaves is asked for by others later on.
      if (method === 'delete' && path === '/clients/{index}' && way.token) continue;
      for (const one of [method.toUpperCase(), 'OPTIONS', 'TRACE']) {
        const answer = await ask(`${open.url}${at}`, { ...way, method: one });
        statuses.add(answer.status);
        const missing = lacking(answer.headers);
        if (missing.length > 0) t.fail(`${one} ${at}: ${answer.status}`, { missing });
      }
    }
  }
  for (const status of [200, 201, 204, 400, 401, 404, 405, 415]) t.ok(statuses.has(status), `some answered ${status}`);
});

const other: readonly (readonly [path: string, status: number, asked?: Asked, what?: { page: boolean }])[] = [
  ['/', 200, {}, { page: true }],
  ['/', 200, { method: 'HEAD' }, { page: true }],
  ['/', 405, { method: 'PUT' }],
  ['/?token=x', 200, {}, { page: true }],
  ...assets.map((path) => [path, 200] as const),
  [`${assets[0]}`, 200, { headers: { 'accept-encoding': 'br' } }],
  [`${assets[0]}`, 304, { headers: { 'if-none-match': etag } }],
  [`${assets[0]}`, 206, { headers: { range: 'bytes=0-1' } }],
  [`${assets[0]}`, 400, { headers: { range: 'bytes=99999999-' } }],
  ['/assets/nothing.js', 404],
  ['/assets/', 404],
  ['/docs', 200, {}, { page: true }],
  ['/docs/', 200, {}, { page: true }],
  ['/docs/static/index.css', 200, {}, { page: true }],
  ['/docs/static/swagger-ui-bundle.js', 200, {}, { page: true }],
  ['/docs/static/swagger-initializer.js', 200, {}, { page: true }],
  ['/docs/static/nothing', 404, {}, { page: true }],
  ['/docs/json', 200, {}, { page: true }],
  ['/docs/yaml', 200, {}, { page: true }],
  ['/docs', 404, { method: 'PUT' }],
  ['/openapi.yaml', 200],
  ['/openapi.json', 200],
  ['/openapi.json', 405, { method: 'DELETE' }],
  ['/metrics', 200],
  ['/nowhere', 404],
  ['/nowhere', 405, { method: 'TRACE' }],
  ['/nowhere', 405, { method: 'PROPFIND' }],
  ['/%zz', 400],
  [`/clients/${'1'.repeat(300)}`, 400],
  ['/clients', 403, { headers: { origin: 'https://elsewhere.example' } }],
  ['/clients', 403, { headers: { host: 'elsewhere.example' } }],
  ['/clients', 406, { headers: { accept: 'image/png' } }],
  ['/clients', 413, { json: { name: 'x'.repeat(70_000) } }],
  ['/clients', 417, { json: {}, headers: { expect: 'x' } }],
  ['/clients/1/messages', 200, own],
  ['/messages', 200, { body: '{"to":{"client":1},"text":"x"}\n', headers: { 'content-type': 'application/x-ndjson' } }],
  ['/clients/99', 404],
  ['/clients/1/messages', 201, { json: { text: 'x' } }],
  ['/clients/1', 204, { method: 'DELETE', ...own }],
  ['/clients/1', 410],
];

void t.test('so do the pages, what they load, and what is refused before there is a route', async (t) => {
  for (const one of other) await assertSafe(t, open, one);
});

void t.test('so do answers to who asks too often, or may read from another origin', async (t) => {
  const origin = 'https://app.example';
  const server = await startServer(t, { corsOrigins: [origin], rateLimit: 1, trustProxy: ['loopback'] });
  const readers = { readers: 'cross-origin' };
  const headers = { origin, 'access-control-request-method': 'POST' };
  await assertSafe(t, server, ['/clients', 200, { headers: { origin } }, readers]);
  await assertSafe(t, server, ['/clients', 204, { method: 'OPTIONS', headers }, readers]);
  await assertSafe(t, server, ['/clients', 403, { headers: { origin: 'https://else.example' } }, readers]);
  const from = { headers: { 'x-forwarded-for': '192.0.2.1' } };
  const answers = await Promise.all([1, 2, 3].map(() => ask(`${server.url}/clients`, from)));
  t.ok(answers.some(({ status }) => status === 429));
  for (const answer of answers) t.same(lacking(answer.headers, readers), [], `${answer.status}`);
});

void t.test('so do answers to what no client of HTTP sends', async (t) => {
  const head = 'GET /readyz HTTP/1.1\r\n';
  const broken: readonly (readonly [status: number, bytes: string])[] = [
    [400, 'GARBAGE\r\n\r\n'],
    [204, 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    [400, `${head}\r\n`],
    [400, `${head}Host: localhost\r\nHost: localhost\r\n\r\n`],
    [400, 'GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    [400, 'POST /clients HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    [431, `${head}Host: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ];
  for (const [status, bytes] of broken) {
    const { answers } = await speak([bytes], { port: open.port });
    t.same(
      answers.map(({ status, head }) => [status, lacking(headersIn(head))]),
      [[status, []]],
      JSON.stringify(bytes.slice(0, 40)),
    );
  }
});

void t.test('so do answers to who is too slow', async (t) => {
  const answer = clientErrorHandler(securityHeaders({ crossOrigin: false }));
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  const server = createServer((socket) => answer(late, socket)).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { answers } = await speak([''], { port: (server.address() as AddressInfo).port, half: true });
  t.same(
    answers.map(({ status, head }) => [status, lacking(headersIn(head))]),
    [[408, []]],
  );
});

/** By name, of the head of an answer as it came. */
function headersIn(head: string): Record<string, string> {
  const lines = head.split('\r\n').slice(1);
  return Object.fromEntries(
    lines.map((line) => [line.split(':')[0] as string, line.slice(line.indexOf(':') + 1).trim()]),
  );
}
