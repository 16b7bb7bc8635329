import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import fc, { type Arbitrary } from 'fast-check';
import t from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import { document, faultsOf, type Json, type Operation, operations } from '../openapi/described.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { lacking } from '../support/safety.js';
import { spawnServer } from '../support/server.js';
import { report, SEED } from './seed.js';
import { wellFormed } from './well-formed.js';

/** Stands in everything that is sent as a secret. */
const MARK = 'S3CRET';
/** Milliseconds within which each request is answered. */
const PATIENCE = 10_000;
/** Requests; TEST_HOSTILE_RUNS asks for more of them. */
const RUNS = Number(process.env.TEST_HOSTILE_RUNS ?? 1500);
/** What any path may answer, whatever stands in its description: the request was not one of this operation. */
const ANYWHERE = ['400', '404', '405', '413', '415', '417', '431'];

const secret = 'a secret that is long enough for a test';
const server = await spawnServer(t, {
  folder: await temporaryFolder(t),
  args: ['--log-level', 'debug'],
  env: { INTERCHAT_SECRET: secret },
});
const agent = new Agent({ keepAlive: true });
t.teardown(() => agent.destroy());
const operator = operatorToken(secret);
const secrets = new Set([operator, MARK]);
await ask(`${server.url}/accounts`, { json: { name: 'alice', password: `${MARK} of alice` }, token: operator });

/** Odd texts. */
const text = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\ufeff',
    '\ud800',
    '\udfff',
    '\r\n',
    '\u2028',
    '__proto__',
    'constructor',
    'toString',
    '../..',
    '%00',
    'lobby',
    'alice',
    '1',
    '-1',
    '1e400',
    'NaN',
    'null',
    'true',
    '<script>',
    "'; --",
    '{{7*7}}',
    '${x}',
    'x'.repeat(300),
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 70 }),
);
const number = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.5, 1, 2, 1e308, -1e308, 2 ** 53, 2 ** 63, 5e-324),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const anything = fc.oneof(fc.jsonValue({ maxDepth: 3 }), text, number, fc.constantFrom(null, true, false, [], {}));

/** Values of a schema of the document; its bounds and patterns are kept by its examples alone. */
function valid(schema: Json, name = ''): Arbitrary<unknown> {
  if (typeof schema.$ref === 'string')
    return valid(document.components.schemas[schema.$ref.split('/').at(-1) as string] as Json);
  const examples = (schema.examples ?? []) as unknown[];
  if (name === 'password' || name === 'current') return fc.constantFrom(`${MARK} of alice`, `${MARK} that is wrong`);
  // Of this machine nobody is kept out.
  if (name === 'address') return fc.constantFrom('192.0.2.7', '2001:db8::1', '192.0.2.0/24', 'nowhere');
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...(schema.enum as unknown[]));
  const either = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (either) return fc.oneof(...either.map((one) => valid(one, name)));
  const { properties, required = [] } = schema as { properties?: Record<string, Json>; required?: string[] };
  if (properties) {
    const fields = Object.entries(properties).map(([key, value]) => [key, valid(value, key)] as const);
    return fc.record(Object.fromEntries(fields), { requiredKeys: required });
  }
  const example = examples.length > 0 ? [fc.constantFrom(...examples)] : [];
  switch (schema.type) {
    case 'string':
      return fc.oneof(
        ...example,
        schema.format === 'date-time'
          ? fc.constant('2099-01-31T12:00:00.000Z')
          : fc.string({ minLength: 1, maxLength: 30 }),
        fc.constantFrom('lobby', 'alice', '1'),
      );
    case 'integer':
    case 'number':
      return fc.oneof(
        ...example,
        fc.integer({ min: Number(schema.minimum ?? 0), max: Math.min(Number(schema.maximum ?? 9), 9) }),
      );
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.oneof(...example, fc.array(valid(schema.items as Json), { maxLength: 3 }));
    case 'object':
      return fc.dictionary(
        fc.constantFrom('lobby', 'yard', '__proto__', 'constructor'),
        valid((schema.additionalProperties || {}) as Json),
        { maxKeys: 2, noNullPrototype: true },
      );
    default:
      return anything;
  }
}

/** JSON, or nearly. */
const wild = fc
  .oneof(
    anything.map((value) => JSON.stringify(value)),
    fc.constantFrom(
      '',
      ' ',
      '{',
      '{}',
      '[]',
      'null',
      '\ufeff{}',
      '{}\0',
      '{"text":"a","text":1}',
      '{"name":"a","name":"b"}',
      '{"__proto__":{"text":"a"}}',
      '{"text":"a","constructor":{"prototype":{"x":1}}}',
      '{"text":"\\ud800"}',
      '{"name":"\\u0000"}',
      '{"data":1e999}',
      '{"text":1e400}',
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `{"data":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
      `{"text":"${'x'.repeat(70_000)}"}`,
      `{"may":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      '{"to":{"client":1,"room":"lobby"},"text":"a"}',
      '{"rooms":{"__proto__":"1","constructor":"1"}}',
      '{"to":{"__proto__":null},"text":"a"}',
      '{"ttl":-1,"text":"a"}',
      '{"seconds":1e308,"account":"alice"}',
      '{"private":1}',
      '{"owner":1e308}',
    ),
    fc.string({ unit: 'binary', maxLength: 60 }),
  )
  .map((body) => Buffer.from(body));
const bytes = fc.oneof(
  wild,
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc
    .constantFrom('ff', 'c328', 'eda080', 'c080', 'efbbbf', '7b2274657874223a22ff227d')
    .map((hex) => Buffer.from(hex, 'hex')),
);

const odd = fc.constantFrom(
  '',
  '%',
  '%zz',
  '%00',
  '%2F',
  '%2e%2e',
  '..',
  '%ED%A0%80',
  '%FF',
  ';a=b',
  '%25',
  '+',
  '%0d%0aX:%20y',
  '0',
  '-1',
  '999',
  '1e3',
  '9'.repeat(400),
  'a'.repeat(257),
  '__proto__',
  'constructor',
  'current',
);

/** What stands in a path. */
function segment({ schema, example }: { schema: Json; example?: unknown }): Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(String(example), '1', '2', 'lobby', 'alice') },
    { weight: 1, arbitrary: valid(schema).map((value) => encodeURIComponent(wellFormed(String(value)))) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        odd,
        text.map((value) => encodeURIComponent(wellFormed(value))),
      ),
    },
  );
}

/** Nobody waits for long. */
const WAITS = fc.constantFrom('0', '0.01', '-1', '61', 'x', '');

function queryOf({ parameters = [] }: Operation): Arbitrary<string> {
  const known = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) => {
      if (name === 'wait') return WAITS.map((value) => `wait=${value}`);
      if (name === 'token') return fc.constant(`token=${MARK}`);
      return fc.oneof(valid(schema), text).map((value) => `${name}=${encodeURIComponent(wellFormed(String(value)))}`);
    });
  const pair = fc.oneof(...known, {
    weight: 1,
    arbitrary: fc.constantFrom(
      'x=1',
      '__proto__=1',
      'constructor=1',
      'a[]=1',
      'a[b]=1',
      '%',
      '%00=%00',
      '=',
      '&&',
      'limit=1&limit=2',
      'token',
      '?',
      '%FF=%FF',
      'after=%ED%A0%80',
    ),
  });
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant('') },
    {
      weight: 1,
      arbitrary: fc.array(known.length > 0 ? fc.oneof(...known) : pair, { maxLength: 2 }).map((all) => all.join('&')),
    },
    { weight: 1, arbitrary: fc.array(pair, { maxLength: 3 }).map((all) => all.join('&')) },
  );
}

const TYPES = [
  'application/json',
  'text/plain',
  'application/x-ndjson',
  'application/x-www-form-urlencoded',
  'application/json; charset=utf-16',
  'text/plain; charset="latin1"',
  'application/json;charset=',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  'nonsense',
  ';',
  '/',
  'application/json, text/plain',
  'APPLICATION/JSON',
  'application/problem+json',
  '',
];
const header = fc.record(
  {
    'content-encoding': fc.constantFrom('gzip', 'identity', 'br', 'x', ''),
    'idempotency-key': fc.constantFrom('k', '', 'a b', 'x'.repeat(300), '\x80'),
    'last-event-id': fc.constantFrom('', MARK, `1.1.${MARK}`, '\xff', 'x'.repeat(1000)),
    'user-agent': fc.constantFrom('', '\x80\x9f\xff', 'x'.repeat(2000)),
    'x-forwarded-for': fc.constantFrom('127.0.0.1', 'x', '::1, 1'),
    cookie: fc.constantFrom(
      `interchat_session=${MARK}`,
      'interchat_session',
      '__proto__=1; interchat_session=%',
      ';;=;',
    ),
    'accept-encoding': fc.constantFrom('gzip', 'br;q=x'),
    range: fc.constantFrom('bytes=0-1', 'bytes=-', 'x'),
    'if-none-match': fc.constantFrom('*', '"x"', 'W/'),
  },
  { requiredKeys: [] },
);

interface Asked {
  readonly of: { readonly path: string; readonly method: string; readonly operation: Operation };
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
  readonly who: 'nobody' | 'forged' | 'client' | 'operator';
}

function requestTo(of: Asked['of']): Arbitrary<Asked> {
  const { path, operation } = of;
  const names = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
  const target = fc
    .tuple(fc.tuple(...names.map(segment)), queryOf(operation))
    .map(
      ([values, query]) =>
        names.reduce((at, { name }, i) => at.replace(`{${name}}`, () => values[i] as string), path) +
        (query && `?${query}`),
    );
  const described = Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]) =>
    valid(schema).map((value) => ({
      type,
      body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    })),
  );
  const strange = fc.record({ type: fc.constantFrom(...TYPES), body: bytes });
  const hardly = fc.record({ type: fc.constant('application/json'), body: bytes });
  const content =
    described.length > 0
      ? fc.oneof({ weight: 3, arbitrary: fc.oneof(...described) }, hardly, strange)
      : fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, strange);
  return fc
    .record({
      target,
      content,
      extra: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, header),
      who: fc.constantFrom<Asked['who'][]>('nobody', 'forged', 'client', 'client', 'operator', 'operator'),
    })
    .map(({ target, content, extra, who }) => ({
      of,
      target,
      who,
      body: content?.body,
      headers: { ...(content && { 'content-type': content.type }), ...(extra as Record<string, string>) },
    }));
}

/** What a client makes that leaves, or is kept out, is made anew after so many requests. */
const RENEWED = 50;
let count = 0;
let client = '';

async function tokenOf(who: Asked['who']): Promise<string | undefined> {
  if (count++ % RENEWED === 0) {
    const { json } = await ask(`${server.url}/clients`, { json: { rooms: ['lobby'] } });
    client = String(json.token);
    secrets.add(client);
  }
  return { nobody: undefined, forged: `ict_1_${MARK}`, client, operator }[who];
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** As {@link ask}, but for a stream, of which the head is all. */
function answerTo({ of: { method }, target, headers, body }: Asked, token: string | undefined): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const all: Record<string, string> = { ...headers };
    if (token !== undefined) all.authorization = `Bearer ${token}`;
    if (body !== undefined) all['content-length'] = String(body.length);
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: server.port,
        method: method.toUpperCase(),
        path: target,
        headers: all,
        agent,
        timeout: PATIENCE,
      },
      (response) => {
        const { statusCode: status = 0, headers } = response;
        let text = '';
        if (headers['content-type'] === 'text/event-stream') {
          response.destroy();
          resolve({ status, headers, text });
          return;
        }
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('error', reject).on('end', () => resolve({ status, headers, text }));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('not answered in time')));
    outgoing.on('error', reject).end(body);
  });
}

/** What is wrong with an answer; undefined for nothing. */
function faultIn({ of: { operation } }: Asked, { status, headers, text }: Answered): string | undefined {
  const described = operation.responses[String(status)];
  if (status >= 500) return 'a fault of the server';
  const unsafe = lacking(headers);
  if (unsafe.length > 0) return `not safe for browsers: ${unsafe.join()}`;
  if (!described && !ANYWHERE.includes(String(status))) return 'a status that is not in the document';
  const type = String(headers['content-type']).split(';')[0] as string;
  if (status >= 400) {
    if (type !== 'application/problem+json') return `an error as ${type}`;
    const problem = JSON.parse(text) as Json;
    if (faultsOf({ $ref: '#/components/schemas/Problem' }, problem)) return 'an error that is no Problem';
    if (problem.status !== status) return 'a problem of another status';
    if (/node_modules|\.[jt]s\b|\bat \S+ \(|file:\/\//.test(text)) return 'an error that tells of the inside';
    return text.includes(client) ? 'an error that repeats a secret' : undefined;
  }
  if (status === 204) return text === '' ? undefined : '204 with a body';
  const schema = described?.content?.[type]?.schema;
  if (!schema) return `${type}, which is not in the document`;
  if (type !== 'application/json') return undefined;
  const faults = faultsOf(schema, JSON.parse(text));
  return faults ? `not what its schema says: ${JSON.stringify(faults)}` : undefined;
}

void t.test('whatever is asked of an operation, the answer is one that the document has', async (t) => {
  const property = fc.asyncProperty(fc.oneof(...operations.map(requestTo)), async (asked) => {
    const answer = await answerTo(asked, await tokenOf(asked.who));
    const fault = faultIn(asked, answer);
    if (fault !== undefined) throw new Error(`${fault}: ${answer.status} ${answer.text.slice(0, 500)}`);
  });
  await report(fc.check(property, { seed: SEED, numRuns: RUNS }), t);
});

void t.test('in the end the server lives, and has told nothing that was secret', async (t) => {
  t.equal(server.process.exitCode, null);
  t.equal((await ask(`${server.url}/readyz`)).status, 200);
  const { text } = await ask(`${server.url}/metrics`);
  t.notMatch(text, /status="5/);
  for (const status of [200, 201, 400, 401, 403, 404, 415])
    t.match(text, `status="${status}"`, `some were answered with ${status}`);
  const output = server.output();
  t.notMatch(output, /"level":(?:50|60)/);
  t.match(output, /"msg":"answered"/, 'it tells of what it answers');
  for (const one of secrets) t.notOk(output.includes(one), 'no secret is in the log');
});
