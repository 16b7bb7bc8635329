import { connect } from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { spawnServer } from '../support/server.js';
import { answersIn, type Outcome, speak } from './raw.js';
import { SEED, report } from './seed.js';

const server = await spawnServer(t, { folder: await temporaryFolder(t) });
const { port } = server;
/** The addressed: what reaches it must have been meant. */
const victim = await EventReader.open(t, `${server.url}/events?name=victim`);
const { token, cursor } = (await victim.next()).data as { token: string; cursor: string };

const HOST = 'Host: localhost\r\n';
const TO = '/clients/1/messages';
const TEXT = 'Content-Type: text/plain\r\n';

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const send = (text: string, headers = '') =>
  `POST ${TO} HTTP/1.1\r\n${HOST}${TEXT}${headers}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
const post = (headers: string, body: string) => `POST ${TO} HTTP/1.1\r\n${HOST}${TEXT}${headers}\r\n${body}`;
const SMUGGLED = send('smuggled');
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const chunks = (body: string, headers = '') => post(`${CHUNKED}${headers}`, body);
const WAITING = get(`${TO}?wait=0.2&after=999999`, `Authorization: Bearer ${token}\r\n`);

/** What is sent, and the statuses of which the first answer has one; none where the connection may just end. */
type Odd = readonly [what: string, bytes: string | Buffer, statuses: readonly number[]];

const REFUSED = [400];
/** More than fits into the buffers on the way: the end of the connection may overtake the answer. */
const GONE = 0;
/** Where one version of Node's parser refuses, and another reads it as it is meant. */
const EITHER = [201, 400];

const odd: readonly Odd[] = [
  ['a length and chunks', post(`Content-Length: 5\r\n${CHUNKED}`, `0\r\n\r\n${SMUGGLED}`), REFUSED],
  ['chunks and a length', post(`${CHUNKED}Content-Length: 5\r\n`, `0\r\n\r\n${SMUGGLED}`), REFUSED],
  ...[
    'chunked, identity',
    'identity, chunked',
    'gzip, chunked',
    'identity',
    'xchunked',
    'chunkedx',
    'chunked;q=1',
    '"chunked"',
    '\vchunked',
    'chunked\0',
    'chunked\r\nTransfer-Encoding: identity',
    'identity\r\nTransfer-Encoding: chunked',
    'chunked\r\nTransfer-Encoding: chunked',
    '\r\n chunked',
    '',
  ].map((coding): Odd => [
    `Transfer-Encoding ${JSON.stringify(coding)}`,
    post(`Transfer-Encoding: ${coding}\r\n`, `0\r\n\r\n${SMUGGLED}`),
    REFUSED,
  ]),
  ...['chunked\t', 'Chunked'].map((coding): Odd => [
    `Transfer-Encoding ${JSON.stringify(coding)}`,
    post(`Transfer-Encoding: ${coding}\r\n`, '2\r\nok\r\n0\r\n\r\n'),
    EITHER,
  ]),
  ['chunks in HTTP/1.0', chunks('2\r\nno\r\n0\r\n\r\n').replace('HTTP/1.1', 'HTTP/1.0'), REFUSED],
  ['Transfer_Encoding', post('Transfer_Encoding: chunked\r\nContent-Length: 2\r\n', 'ok'), [201]],
  ...[
    '+2',
    '-2',
    '0x2',
    '2 2',
    '2,2',
    '2, 3',
    '',
    'two',
    '2.0',
    '1e1',
    '18446744073709551618',
    '99999999999999999999',
  ].map((length): Odd => [
    `Content-Length ${JSON.stringify(length)}`,
    post(`Content-Length: ${length}\r\n`, 'no'),
    REFUSED,
  ]),
  ['two lengths', post('Content-Length: 2\r\nContent-Length: 300\r\n', `no${SMUGGLED}`), REFUSED],
  ['the same length twice', post('Content-Length: 2\r\nContent-Length: 2\r\n', 'ok'), EITHER],
  ['a space before the colon', post('Content-Length : 2\r\n', 'no'), REFUSED],
  ['a folded header', get('/readyz', 'X: a\r\n b\r\n'), REFUSED],
  ['line feeds alone', get('/readyz').replaceAll('\r\n', '\n'), [200, 400]],
  ['carriage returns alone', get('/readyz').replaceAll('\r\n', '\r'), REFUSED],
  ['a carriage return in a value', get('/readyz', 'X: a\rb\r\n'), REFUSED],
  ['NUL in a value', get('/readyz', 'X: a\0b\r\n'), REFUSED],
  ['NUL in a name', get('/readyz', 'X\0: a\r\n'), REFUSED],
  ['a header without a name', get('/readyz', ': a\r\n'), REFUSED],
  ['a header without a colon', get('/readyz', 'nonsense\r\n'), REFUSED],
  ['bytes beyond ASCII in the path', get('/rooms/\x80\xff'), REFUSED],
  ['no Host', 'GET /readyz HTTP/1.1\r\n\r\n', REFUSED],
  ['two Hosts', get('/readyz', 'Host: localhost\r\n'), REFUSED],
  ['two Hosts, one of them evil', get('/readyz', 'hOsT: evil.example\r\n'), REFUSED],
  ['an odd Host', get('/readyz').replace('localhost', 'a b'), [403]],
  ['a Host that is a URL', get('/readyz').replace('localhost', 'http://localhost/'), [403]],
  ['an absolute target', get('http://localhost/readyz'), [200]],
  ['an absolute target of another scheme', get('ftp://localhost/readyz'), REFUSED],
  ['an authority as target', get('localhost:80'), REFUSED],
  ['a star as target', get('*'), REFUSED],
  ['a star to SEND to', send('no').replace(TO, '*'), REFUSED],
  ['OPTIONS *', get('*').replace('GET', 'OPTIONS'), [204]],
  ['a target that climbs', get('/docs/../../../../etc/passwd'), [404]],
  ['HTTP/0.9', 'GET /readyz\r\n\r\n', []],
  ['HTTP/1.0', 'GET /readyz HTTP/1.0\r\n\r\n', [200]],
  ['HTTP/1.0 that is kept', 'GET /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', [200]],
  ['HTTP/2.0 in the words of 1.1', get('/readyz').replace('1.1', '2.0'), REFUSED],
  ['HTTP/0.9 in the words of 1.1', get('/readyz').replace('1.1', '0.9'), REFUSED],
  ['HTTP/1.2', get('/readyz').replace('1.1', '1.2'), REFUSED],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', REFUSED],
  ['TLS', Buffer.from('1603010200010001fc0303', 'hex'), REFUSED],
  ['garbage', Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) % 256)), REFUSED],
  ['a method of 10 kB', get('/readyz').replace('GET', 'A'.repeat(10_000)), REFUSED],
  ['a URL of 1 MB', get(`/${'a'.repeat(1_000_000)}`), [431, GONE]],
  ['10,000 headers', get('/readyz', 'a: b\r\n'.repeat(10_000)), [431, GONE]],
  ['2,500 headers', get('/readyz', 'a:b\r\n'.repeat(2500)), [200, 431]],
  ['a header of 1 MB', get('/readyz', `X: ${'x'.repeat(1_000_000)}\r\n`), [431, GONE]],
  ['a header with a name of 1 MB', get('/readyz', `${'x'.repeat(1_000_000)}: x\r\n`), [431, GONE]],
  ['chunk extensions', chunks('2;a=b;c="d"\r\nok\r\n0\r\n\r\n'), EITHER],
  ['huge chunk extensions', chunks(`2;${'a'.repeat(100_000)}\r\nno\r\n0\r\n\r\n`), [400, 413, GONE]],
  ['a line feed in a chunk extension', chunks(`2;\nno\r\n0\r\n\r\n`), REFUSED],
  ...['-2', 'fffffffffffffffff', '0x2', '2 2', 'zz', '', '2_0'].map((size): Odd => [
    `a chunk of ${JSON.stringify(size)} bytes`,
    chunks(`${size}\r\nno\r\n0\r\n\r\n`),
    REFUSED,
  ]),
  ['a chunk longer than it says', chunks('2\r\nno more\r\n0\r\n\r\n'), REFUSED],
  ['a chunk that ends with a line feed', chunks('2\r\nno\n0\r\n\r\n'), REFUSED],
  ['chunks of line feeds alone', chunks('2\nno\n0\n\n'), REFUSED],
  ['a chunk that is announced and never comes', chunks('ffffffff\r\nno'), []],
  ['no last chunk', chunks('2\r\nno\r\n'), []],
  ['trailers', chunks('2\r\nok\r\n0\r\nX-Trailer: a\r\n\r\n'), EITHER],
  ['a credential as a trailer', chunks('2\r\nok\r\n0\r\nAuthorization: Bearer x\r\n\r\n'), EITHER],
  ['a length as a trailer', chunks('2\r\nno\r\n0\r\nContent-Length: 300\r\n\r\n'), REFUSED],
  ['chunks as a trailer', chunks('2\r\nno\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'), REFUSED],
  ['a trailer of 100 kB', chunks(`2\r\nno\r\n0\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), [431, GONE]],
  ['Expect: 100-continue', send('ok', 'Expect: 100-continue\r\n'), [201]],
  ['another expectation', send('no', 'Expect: 200-maybe\r\n'), [417]],
  ['Upgrade: websocket', get('/readyz', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'), [200]],
  [
    'Upgrade: h2c',
    get('/readyz', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n'),
    [200],
  ],
  ['CONNECT', get('localhost:80').replace('GET', 'CONNECT'), []],
  ['TRACE', get('/clients').replace('GET', 'TRACE'), [405]],
  ['TRACE of nothing', get('/nowhere').replace('GET', 'TRACE'), [405]],
  ['half a request line', 'GET /rea', []],
  ['half a head', `POST ${TO} HTTP/1.1\r\n${HOST}Content-Le`, []],
  ['half a body', post('Content-Length: 100\r\n', 'no'), []],
  ['nothing', '', []],
];

void t.test(
  `each of ${odd.length} odd requests is refused, or answered as it is meant, and nothing is read out of its body`,
  async (t) => {
    for (const [what, bytes, statuses] of odd) {
      const { answers, rest } = await speak([bytes], { port, half: statuses.length === 0 });
      const [first] = answers;
      if (rest !== '') t.fail(`${what}: behind the answers came ${JSON.stringify(rest.slice(0, 200))}`);
      if (statuses.length > 0 && !statuses.includes(first?.status ?? GONE))
        t.fail(`${what}: ${first?.status} ${first?.body}`);
      if (answers.length > 1) t.fail(`${what}: ${answers.length} answers`);
      for (const { status, head } of answers) {
        if (status >= 500) t.fail(`${what}: ${status}`);
        if (status >= 400 && !head.includes('application/problem+json')) t.fail(`${what}: ${status} without a problem`);
      }
    }
    t.equal((await ask(`${server.url}/readyz`)).status, 200);
  },
);

/** Requests on one connection, with the statuses of their answers. */
const pipelines: readonly (readonly [
  what: string,
  parts: readonly string[],
  statuses: readonly number[],
  methods?: string[],
])[] = [
  ['an error, then others', [get('/nowhere') + get('/readyz') + get('/clients/999')], [404, 200, 404]],
  [
    'HEAD, 204 and 405 have nothing that shifts what follows',
    [
      get('/clients').replace('GET', 'HEAD') +
        get('/clients').replace('GET', 'OPTIONS') +
        get('/clients').replace('GET', 'PUT') +
        get('/readyz'),
    ],
    [200, 204, 405, 200],
    ['HEAD'],
  ],
  ['garbage behind one that waits', [`${WAITING}GARBAGE\r\n\r\n`], [200, 400]],
  ['a broken body behind one that waits', [WAITING + chunks('zz\r\n')], [200, 400]],
  ['garbage behind a SEND', [`${send('ok')}GARBAGE\r\n\r\n`], [201, 400]],
  [
    'a body that breaks after its refusal',
    [chunks('2\r\nno\r\n', 'Content-Encoding: gzip\r\n'), 'zz\r\n', SMUGGLED],
    [415],
  ],
  ['a body that is refused for its length', [post('Content-Length: 200000\r\n', SMUGGLED), SMUGGLED], [413]],
  [
    'a body that no route takes',
    [post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED).replace(TO, '/nowhere') + get('/readyz')],
    [415],
  ],
  [
    'a body of GET',
    [get('/readyz', `Content-Length: ${SMUGGLED.length}\r\n`) + SMUGGLED + get('/clients/999')],
    [200, 404],
  ],
  [
    'a body of another method',
    [post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED).replace('POST', 'PUT') + get('/readyz')],
    [405, 200],
  ],
  ['a body of a wrong expectation', [post(`Expect: x\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED)], [417]],
  ['a body in another coding', [post('Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n`) + SMUGGLED], [400]],
];

void t.test('on one connection each answer is to its own request, in their order', async (t) => {
  for (const [what, parts, statuses, methods] of pipelines) {
    const { answers, rest } = await speak(parts, { port, methods });
    t.same(
      answers.map(({ status }) => status),
      statuses,
      what,
    );
    t.equal(rest, '', `${what}: nothing else`);
  }
});

void t.test('what follows an Upgrade that is not granted is not taken for a request', async (t) => {
  const upgrade = get('/readyz', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');
  const head = post(`Content-Length: ${SMUGGLED.length}\r\n`, '').replace(TO, '/nowhere');
  const { answers } = await speak([upgrade + head, SMUGGLED], { port });
  t.equal(answers[0]?.status, 200);
  t.notOk(answers.some(({ status }) => status === 201));
});

void t.test('nothing gets into a stream from the connection it is on', async (t) => {
  for (const [accept, junk] of [
    ['text/event-stream', 'GARBAGE\r\n\r\n'],
    ['application/x-ndjson', 'GARBAGE\r\n\r\n'],
    ['text/event-stream', send('no').replace(TO, '/nowhere')],
  ] as const) {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    socket.write(get('/events', `Accept: ${accept}\r\n`));
    while (!text.includes('welcome')) await once(socket, 'data');
    socket.end(junk);
    await closed;
    const [answer, ...others] = answersIn(text, []).answers;
    t.equal(answer?.status, 200);
    t.same(others, []);
    t.notMatch(text, /problem|400 Bad/, `${accept}: ${junk.slice(0, 10)}`);
  }
});

void t.test('nothing gets into the answers to many lines when their body breaks', async (t) => {
  const line = JSON.stringify({ to: { client: 1 }, text: 'ok' });
  const head = `POST /messages HTTP/1.1\r\n${HOST}Content-Type: application/x-ndjson\r\n${CHUNKED}\r\n`;
  const { answers, rest } = await speak([`${head}${(line.length + 1).toString(16)}\r\n${line}\n\r\n`, 'zz\r\n'], {
    port,
  });
  for (const { body } of answers) t.notMatch(body, /problem/);
  t.notMatch(rest, /HTTP/);
});

void t.test('a connection that is reset in the middle leaves nothing behind', async (t) => {
  for (let at = 1; at < SMUGGLED.length; at += 5) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    await new Promise((resolve) => socket.write(SMUGGLED.slice(0, at), resolve));
    socket.resetAndDestroy();
  }
  const connections = async () =>
    Number(/^nodejs_active_handles_total (\d+)/m.exec((await ask(`${server.url}/metrics`)).text)?.[1] ?? 0);
  const deadline = performance.now() + 5000;
  while ((await connections()) > 20 && performance.now() < deadline)
    await new Promise((resolve) => setImmediate(resolve));
  t.ok((await connections()) <= 20, 'the connections are gone');
});

void t.test('cut anywhere, a request is the same', async (t) => {
  const bytes = Buffer.from(chunks('2\r\nok\r\n0\r\n\r\n') + get('/clients/999'));
  const cuts = Array.from({ length: bytes.length - 1 }, (_, at) => [bytes.subarray(0, at + 1), bytes.subarray(at + 1)]);
  for (let at = 0; at < cuts.length; at += 20) {
    const outcomes = await Promise.all(cuts.slice(at, at + 20).map((parts) => speak(parts, { port })));
    for (const [i, { answers }] of outcomes.entries()) {
      if (answers.map(({ status }) => status).join() !== '201,404') t.fail(`cut at ${at + i + 1}`, { answers });
    }
  }
  const byByte = await speak(
    [...bytes].map((byte) => Buffer.of(byte)),
    { port },
  );
  t.same(
    byByte.answers.map(({ status }) => status),
    [201, 404],
    'byte by byte',
  );
});

/** A request of somebody whose every text is marked, and whether it is one that is stored. */
const asking = (mark: string) =>
  fc.oneof(
    fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((text) => send(`${mark}${text}`)),
    fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((text) => {
      const body = `${mark}${text}`;
      return chunks(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    }),
    fc.constant(get(`/nowhere/${mark}`)),
    fc.constant(get(`/rooms/${mark}`)),
    fc.constant(send(`${mark}-in-a-body`).replace('POST', 'PUT')),
  );
/** What becomes of bytes on their way. */
const damage = fc.oneof(
  fc.constant(undefined),
  fc.record({
    at: fc.nat(400),
    take: fc.nat(5),
    put: fc.constantFrom('', '\r\n', '\n', '\r', '\0', ' ', ':', '0\r\n\r\n', 'Z', '\xff'),
  }),
);
const talk = (mark: string) =>
  fc.record({
    requests: fc.array(asking(mark), { minLength: 1, maxLength: 5 }),
    damage,
    cuts: fc.array(fc.nat(600), { maxLength: 8 }),
  });

void t.test(
  'of two that speak at once, whatever they send, neither is answered with what is for the other',
  async (t) => {
    const property = fc.asyncProperty(talk('ALPHA'), talk('OMEGA'), async (alpha, omega) => {
      const said = await Promise.all(
        [alpha, omega].map(({ requests, damage, cuts }) =>
          speak(cutUp(requests, damage, cuts), { port, half: damage !== undefined }),
        ),
      );
      assertOwn(said[0] as Outcome, alpha, 'OMEGA');
      assertOwn(said[1] as Outcome, omega, 'ALPHA');
    });
    const runs = Number(process.env.TEST_HOSTILE_RUNS ?? 150);
    await report(fc.check(property, { seed: SEED, numRuns: runs }), t);
  },
);

const STATUSES: Readonly<Record<string, number>> = { POST: 201, 'PUT ': 405, 'GET ': 404 };

interface Talk {
  readonly requests: readonly string[];
  readonly damage: { readonly at: number; readonly take: number; readonly put: string } | undefined;
}

function cutUp(requests: readonly string[], damage: Talk['damage'], cuts: readonly number[]): Buffer[] {
  let bytes = Buffer.from(requests.join(''), 'latin1');
  if (damage) {
    const at = damage.at % bytes.length;
    bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(damage.put, 'latin1'), bytes.subarray(at + damage.take)]);
  }
  const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, at) => bytes.subarray(places[at], place));
}

function assertOwn({ answers, rest }: Outcome, { requests, damage }: Talk, other: string): void {
  const text = answers.map(({ body }) => body).join('') + rest;
  if (text.includes(other)) throw new Error(`answered with what is for another: ${text}`);
  if (rest !== '') throw new Error(`behind the answers came ${rest}`);
  if (answers.some(({ status }) => status >= 500)) throw new Error(`answered with ${text}`);
  if (damage !== undefined) return;
  const expected = requests.map((request) => STATUSES[request.slice(0, 4)]).join();
  const statuses = answers.map(({ status }) => status).join();
  if (statuses !== expected) throw new Error(`answered with ${statuses} instead of ${expected}`);
}

void t.test(
  'in the end the server lives, has told of no fault, and has delivered nothing that was smuggled',
  async (t) => {
    const last = await ask(`${server.url}${TO}`, { body: 'last', headers: { 'content-type': 'text/plain' } });
    t.equal(last.status, 201);
    await victim.until(({ events }) => events.at(-1)?.data.text === 'last');
    const texts = victim.events.map(({ data }) => String(data.text));
    t.notOk(texts.some((text) => text.includes('smuggled') || text === 'no'));
    t.ok(texts.includes('ok'));
    t.equal(server.process.exitCode, null);
    t.equal((await ask(`${server.url}/readyz`)).status, 200);
    t.notMatch((await ask(`${server.url}/metrics`)).text, /status="5/);
    t.notMatch(server.output(), /"level":(?:50|60)|Error/);
    t.notOk(server.output().includes(token) || server.output().includes(cursor), 'no secret is in the log');
  },
);
