import { connect } from 'node:net';
import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { type Asked, ask } from '../support/http.js';
import { startServer } from '../support/server.js';

/** A request that must be refused: what is wrong with it, where it goes, and the status and code it must get. */
type Bad = readonly [why: string, path: string, asked: Asked, status: number, code: string];

const server = await startServer(t, { maxBody: 4096 });
const one = await EventReader.open(t, `${server.url}/events?name=one`);
const { token, cursor } = (await one.next()).data as { token: string; cursor: string };
const two = await EventReader.open(t, `${server.url}/events?name=two`);
const other = (await two.next()).data as { token: string; cursor: string };
const three = (await (await EventReader.open(t, `${server.url}/events`)).next()).data as {
  token: string;
  cursor: string;
};
await ask(`${server.url}/clients/3`, { method: 'DELETE', token: three.token });

const MESSAGES = '/clients/1/messages';
const json = (body: string | Buffer): Asked => ({ body, headers: { 'content-type': 'application/json' } });
const plain = (body: string | Buffer): Asked => ({ body, headers: { 'content-type': 'text/plain' } });
const INVALID_UTF8 = [
  [0xff],
  [0xc3, 0x28],
  [0xa0, 0xa1],
  [0xe2, 0x28, 0xa1],
  [0xf0, 0x28, 0x8c, 0xbc],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
];
const deep = `${'['.repeat(1500)}${']'.repeat(1500)}`;

const bad: Bad[] = [
  // Bodies that are not JSON.
  ...[
    '',
    ' ',
    '{',
    '}',
    '{"text":}',
    '{"text":"a"',
    "{'text':'a'}",
    '{"text":"a"}}',
    '{"text":"a",}',
    'undefined',
    'NaN',
    '{"text":"\n"}',
    '\u0000',
    '[',
    '"',
    '{"a":01}',
  ].map((body): Bad => [`not JSON: ${JSON.stringify(body)}`, MESSAGES, json(body), 400, 'invalid-request']),
  // JSON of another shape.
  ...[
    null,
    true,
    1,
    'text',
    [],
    [{ text: 'a' }],
    {},
    { text: '' },
    { text: null },
    { text: 1 },
    { text: true },
    { text: ['a'] },
    { text: {} },
  ].map((value): Bad => [`not a message: ${JSON.stringify(value)}`, MESSAGES, { json: value }, 400, 'invalid-request']),
  ...[
    'ttl',
    'TTL',
    'to',
    'from',
    'id',
    'Text',
    'txt',
    'texte',
    'body',
    'message',
    'sentAt',
    'expiresAt',
    'constructor',
    'toString',
  ].map((field): Bad => [
    `a wrong field: ${field}`,
    MESSAGES,
    { json: { text: 'a', [field]: 'x' } },
    400,
    'invalid-request',
  ]),
  ...['{"text":"a","__proto__":{"x":1}}', '{"__proto__":{"text":"a"}}'].map((body): Bad => [
    `prototype: ${body}`,
    MESSAGES,
    json(body),
    400,
    'invalid-request',
  ]),
  ...[-1, -0.001, 1e12, '60', null, [], {}, true, 1e308].map((ttl): Bad => [
    `a wrong ttl: ${JSON.stringify(ttl)}`,
    MESSAGES,
    { json: { text: 'a', ttl } },
    400,
    'invalid-request',
  ]),
  ['a number too large to keep', MESSAGES, json('{"data":1e999}'), 400, 'invalid-request'],
  ['a number too large to keep, deep down', MESSAGES, json('{"data":{"a":[{"b":-1e999}]}}'), 400, 'invalid-request'],
  ['nested too deeply', MESSAGES, json(`{"data":${deep}}`), 400, 'invalid-request'],
  ['nested too deeply elsewhere', MESSAGES, json(deep), 400, 'invalid-request'],
  // Invalid UTF-8.
  ...INVALID_UTF8.flatMap((bytes): Bad[] => [
    [`invalid UTF-8 ${bytes.join()} as text`, MESSAGES, plain(Buffer.from(bytes)), 400, 'invalid-request'],
    [
      `invalid UTF-8 ${bytes.join()} in JSON`,
      MESSAGES,
      json(Buffer.concat([Buffer.from('{"text":"'), Buffer.from(bytes), Buffer.from('"}')])),
      400,
      'invalid-request',
    ],
  ]),
  // Texts that are none.
  ['an empty text', MESSAGES, plain(''), 400, 'invalid-request'],
  ['no body at all', MESSAGES, { method: 'POST' }, 400, 'invalid-request'],
  // Too large.
  ['a text too large', MESSAGES, plain('x'.repeat(4097)), 413, 'too-large'],
  ['JSON too large', MESSAGES, { json: { text: 'x'.repeat(4097) } }, 413, 'too-large'],
  ['a large body where none is expected', '/clients', { json: { name: 'x'.repeat(5000) } }, 413, 'too-large'],
  ['a claim of a large body', MESSAGES, { ...plain('x'.repeat(100_000)) }, 413, 'too-large'],
  // Other media types and encodings.
  ...[
    'application/xml',
    'multipart/form-data; boundary=x',
    'image/png',
    'application/octet-stream',
    'text/html',
    'application/x-ndjson',
    'nonsense',
    'a/b/c',
    '',
  ].map((type): Bad => [
    `media type ${JSON.stringify(type)}`,
    MESSAGES,
    { body: 'x', headers: { 'content-type': type } },
    415,
    'unsupported-media-type',
  ]),
  ...['text/plain; charset=iso-8859-1', 'application/json; charset=utf-16', 'text/plain;charset="windows-1252"'].map(
    (type): Bad => [type, MESSAGES, { body: '"x"', headers: { 'content-type': type } }, 415, 'unsupported-media-type'],
  ),
  ...['gzip', 'br', 'deflate', 'identity, gzip'].map((encoding): Bad => [
    `encoded as ${encoding}`,
    MESSAGES,
    { body: 'x', headers: { 'content-type': 'text/plain', 'content-encoding': encoding } },
    415,
    'unsupported-media-type',
  ]),
  ['a text where only JSON is taken', '/clients', plain('name'), 415, 'unsupported-media-type'],
  ['a text as a new name', '/clients/1', { ...plain('name'), method: 'PATCH', token }, 415, 'unsupported-media-type'],
  // Indexes.
  ...[
    '0',
    '-1',
    '1.5',
    '01x',
    'abc',
    '1e1',
    '0x1',
    '%31x',
    '99999999999999999999',
    '%00',
    '%F0%9F%98%80',
    ' 1',
    '+1',
    'NaN',
    'null',
    '١',
  ].flatMap((index): Bad[] => [
    [`GET of index ${index}`, `/clients/${encodeURIComponent(decodeURIComponent(index))}`, {}, 400, 'invalid-request'],
    [
      `SEND to index ${index}`,
      `/clients/${encodeURIComponent(decodeURIComponent(index))}/messages`,
      plain('a'),
      400,
      'invalid-request',
    ],
  ]),
  ['nobody yet', '/clients/999', {}, 404, 'no-such-client'],
  ['SEND to nobody yet', '/clients/999/messages', plain('a'), 404, 'no-such-client'],
  ['somebody who left', '/clients/3', {}, 410, 'client-gone'],
  ['SEND to somebody who left', '/clients/3/messages', plain('a'), 410, 'client-gone'],
  // Parameters.
  ...[
    'limit=0',
    'limit=-1',
    'limit=1001',
    'limit=abc',
    'limit=',
    'limit=1.5',
    'limit=0x10',
    'limit=1e2',
    'limit=1&limit=2',
    'after=x',
    'after=-1',
    'after=',
    'status=gone',
    'status=',
    'status=ONLINE',
    'name=',
    `name=${'x'.repeat(65)}`,
    'name=%00',
    'name=%0a',
    'name=%20a',
    'name=%E2%80%AE',
    'Limit=1',
    'page=2',
    'offset=0',
    'constructor=1',
    '__proto__=1',
    'token=x',
  ].map((query): Bad => [`LIST with ${query}`, `/clients?${query}`, {}, 400, 'invalid-request']),
  ...[
    'wait=-1',
    'wait=61',
    'wait=abc',
    'wait=1e1',
    'limit=0',
    'before=0',
    'before=x',
    'after=x',
    'after=',
    'timeout=1',
    'wait=1&wait=1',
    `after=${cursor}x`,
  ].map((query): Bad => [`mailbox with ${query}`, `${MESSAGES}?${query}`, { token }, 400, 'invalid-request']),
  ['a parameter where there are none', '/clients/1?verbose=1', {}, 400, 'invalid-request'],
  ['a parameter on SEND', `${MESSAGES}?text=a`, plain('a'), 400, 'invalid-request'],
  ...[
    '',
    ' ',
    ' a',
    'a ',
    '\u0000',
    'a\nb',
    'a\r\nX: y',
    '\u202e',
    '\u2028',
    'x'.repeat(65),
    '\ud800',
    7,
    null,
    {},
    [],
  ].map((name): Bad => [`the name ${JSON.stringify(name)}`, '/clients', { json: { name } }, 400, 'invalid-request']),
  ['an unknown field of a client', '/clients', { json: { nam: 'x' } }, 400, 'invalid-request'],
  ['a new name that is none', '/clients/1', { method: 'PATCH', json: { name: '' }, token }, 400, 'invalid-request'],
  ['no new name', '/clients/1', { method: 'PATCH', json: {}, token }, 400, 'invalid-request'],
  // Credentials.
  ...[
    `${token}x`,
    token.slice(0, -1),
    token.replace('_1_', '_2_'),
    cursor,
    'x',
    `${token}=`,
    token.toUpperCase(),
    `ict_1_${'A'.repeat(43)}`,
  ].flatMap((forged): Bad[] => [
    [`the token ${forged.slice(0, 9)}… in SEND`, MESSAGES, { ...plain('a'), token: forged }, 401, 'unauthorized'],
    [`the token ${forged.slice(0, 9)}… in a mailbox`, MESSAGES, { token: forged }, 401, 'unauthorized'],
    [
      `the token ${forged.slice(0, 9)}… on connecting`,
      `/events?token=${encodeURIComponent(forged)}`,
      {},
      401,
      'unauthorized',
    ],
  ]),
  ...['Basic eDp5', token, 'Bearer', 'Bearer ', `Bearer ${token} x`, `Digest ${token}`].map((authorization): Bad => [
    `Authorization ${authorization.slice(0, 9)}`,
    MESSAGES,
    { headers: { authorization } },
    401,
    'unauthorized',
  ]),
  ['a mailbox without a token', MESSAGES, {}, 401, 'unauthorized'],
  ["another client's mailbox", MESSAGES, { token: other.token }, 403, 'forbidden'],
  ["another client's cursor", `${MESSAGES}?after=${other.cursor}`, { token }, 403, 'forbidden'],
  ['a new name without a token', '/clients/1', { method: 'PATCH', json: { name: 'x' } }, 401, 'unauthorized'],
  [
    "another client's name",
    '/clients/1',
    { method: 'PATCH', json: { name: 'x' }, token: other.token },
    403,
    'forbidden',
  ],
  ['leaving without a token', '/clients/1', { method: 'DELETE' }, 401, 'unauthorized'],
  ['making another leave', '/clients/1', { method: 'DELETE', token: other.token }, 403, 'forbidden'],
  ['the token of a client that left', MESSAGES, { ...plain('a'), token: three.token }, 410, 'client-gone'],
  ['the mailbox of a client that left', '/clients/3/messages', { token: three.token }, 410, 'client-gone'],
  ['a message without a token', `${MESSAGES}/1`, {}, 401, 'unauthorized'],
  ['a message that is not there', `${MESSAGES}/999999`, { token }, 404, 'not-found'],
  ['a message of id 0', `${MESSAGES}/0`, { token }, 400, 'invalid-request'],
  // Routes and methods.
  ...[
    '/client',
    '/clients/',
    '/clients/1/',
    '/clients/1/message',
    '/events/',
    '/Clients',
    '//clients',
    '/clients//messages',
    '/.env',
    '/../etc/passwd',
    '/docs/../clients/x/y',
    '/%2e%2e/clients',
    '/%',
  ].map((path): Bad => [
    `path ${path}`,
    path,
    {},
    path === '/%' ? 400 : 404,
    path === '/%' ? 'invalid-request' : 'not-found',
  ]),
  ...(
    [
      ['PUT', '/clients'],
      ['DELETE', '/clients'],
      ['PATCH', '/clients'],
      ['POST', '/events'],
      ['PUT', '/events'],
      ['DELETE', '/events'],
      ['POST', '/clients/1'],
      ['PUT', '/clients/1'],
      ['PUT', MESSAGES],
      ['DELETE', MESSAGES],
      ['PATCH', MESSAGES],
      ['POST', '/healthz'],
      ['DELETE', '/metrics'],
      ['POST', '/openapi.json'],
      ['PROPFIND', '/clients'],
      ['LINK', '/'],
    ] as const
  ).map(([method, path]): Bad => [`${method} ${path}`, path, { method }, 405, 'method-not-allowed']),
  // What can be had.
  ['an image of LIST', '/clients', { headers: { accept: 'image/png' } }, 406, 'not-acceptable'],
  ['LIST as XML', '/clients', { headers: { accept: 'application/xml, text/html;q=0.5' } }, 406, 'not-acceptable'],
  ['a stream as JSON', '/events', { headers: { accept: 'application/json' } }, 406, 'not-acceptable'],
  // Browsers.
  ...[
    'http://evil.example',
    'https://evil.example',
    'null',
    `http://localhost:${server.port}.evil.example`,
    'http://localhost:1',
    'file://',
    'nonsense',
    `https://127.0.0.1:${server.port + 1}`,
  ].flatMap((origin): Bad[] => [
    [
      `SEND from ${origin}`,
      MESSAGES,
      { ...plain('a'), headers: { 'content-type': 'text/plain', origin } },
      403,
      'forbidden',
    ],
    [`a stream from ${origin}`, '/events', { headers: { origin } }, 403, 'forbidden'],
  ]),
  ...[
    'evil.example',
    `evil.example:${server.port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '[::2]',
    'a b',
  ].map((host): Bad => [`Host ${host}`, '/clients', { headers: { host } }, 403, 'forbidden']),
  [
    'a preflight from elsewhere',
    MESSAGES,
    { method: 'OPTIONS', headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' } },
    403,
    'forbidden',
  ],
];

void t.test(`each of ${bad.length} bad requests gets the right problem`, async (t) => {
  t.ok(bad.length >= 200);
  for (const [why, path, asked, status, code] of bad) {
    const answer = await ask(`${server.url}${path}`, asked);
    if (answer.status !== status || !answer.headers['content-type']?.startsWith('application/problem+json')) {
      t.fail(`${why}: ${answer.status} instead of ${status}`, { answer: answer.text.slice(0, 300) });
      continue;
    }
    const { json } = answer;
    const wrong =
      json.code !== code ||
      json.status !== status ||
      json.type !== `urn:interchat:problem:${code}` ||
      typeof json.title !== 'string' ||
      typeof json.detail !== 'string' ||
      json.detail === '' ||
      typeof json.instance !== 'string';
    if (wrong) t.fail(`${why}: not the problem ${code}`, json);
    if (answer.text.includes(token) || answer.text.includes(cursor)) t.fail(`${why}: the answer repeats a secret`);
    if (status === 405 && answer.headers.allow === undefined) t.fail(`${why}: 405 without Allow`);
    if (status === 401 && answer.headers['www-authenticate'] === undefined)
      t.fail(`${why}: 401 without WWW-Authenticate`);
  }
  t.pass('all were refused as they should be');
});

void t.test('bad input is named', async (t) => {
  const answer = await ask(`${server.url}/clients?limit=x&stauts=away`);
  t.match(answer.json, {
    errors: [
      { path: 'limit', message: String },
      { path: 'stauts', message: /not known/ },
    ],
  });
  t.match((await ask(`${server.url}${MESSAGES}`, { json: { text: 'a', tll: 1 } })).json, {
    errors: [{ path: 'tll' }],
    detail: /tll/,
  });
});

void t.test('what is not even HTTP is answered and cut off, whatever it is', async (t) => {
  const raw: [string, RegExp][] = [
    ['GET /clients HTTP/1.1\r\nHost: localhost\r\nX: a\u0000b\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['GARBAGE\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['GET /clients HTTP/9.9\r\n\r\n', /^HTTP\/1\.1 (400|505) /],
    [
      'POST /clients/1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    ['POST /clients/1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'POST /clients/1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [`GET /clients HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['GET /clients HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  ];
  for (const [text, expected] of raw) {
    const answer = await new Promise<string>((resolve, reject) => {
      let received = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
      socket.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
      socket.on('close', () => resolve(received)).on('error', reject);
    });
    t.match(answer, expected, JSON.stringify(text.slice(0, 60)));
    t.match(answer, /\r\nContent-Type: application\/problem\+json/i);
  }
});

void t.test('after all that the server serves on, and nobody got anything that was refused', async (t) => {
  t.equal((await ask(`${server.url}/readyz`)).status, 200);
  const sent = await ask(`${server.url}${MESSAGES}`, plain('at last'));
  t.match(sent, { status: 201 });
  t.equal((await one.next()).data.text, 'at last');
  const { text } = await ask(`${server.url}/metrics`);
  t.notMatch(text, /status="500"/);
});
