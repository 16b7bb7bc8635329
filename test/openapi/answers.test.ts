import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { EventReader } from '../support/event-reader.js';
import { type Answer, type Asked, ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

type Json = Record<string, unknown>;
interface Content {
  readonly content?: Record<string, { schema: Json; example?: unknown }>;
}
interface Operation {
  readonly requestBody?: Content;
  readonly responses: Record<string, Content>;
}

const document = parse(await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
};
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: 'openapi', components: document.components });

/** Whether a value is what a schema of the document says; a component or one that stands in an operation. */
function assertIs(t: Test, schema: Json, value: unknown, what: string): void {
  const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')) as Json;
  const valid = ajv.validate(local, value);
  if (valid) t.pass(what);
  else t.fail(what, { errors: ajv.errors, value });
}

function component(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

const server = await startServer(t, { keepMessages: 3 });
const reader = await EventReader.open(t, `${server.url}/events?name=one&typo=1`);
const { token, cursor } = (await reader.next()).data as { token: string; cursor: string };

/** What is to be asked of each operation: at least a success, and errors of the kinds it has. */
const asked: [method: string, path: string, real: string, asked: Asked][] = [
  ['get', '/clients', '/clients?limit=1', {}],
  ['get', '/clients', '/clients?limit=0', {}],
  ['get', '/clients', '/clients', { headers: { accept: 'text/plain' } }],
  ['get', '/clients', '/clients', { headers: { accept: 'image/png' } }],
  ['get', '/clients', '/clients', { headers: { origin: 'http://evil.example' } }],
  ['post', '/clients', '/clients', { json: { name: 'two' } }],
  ['post', '/clients', '/clients', { json: { name: '' } }],
  ['post', '/clients', '/clients', { body: 'x', headers: { 'content-type': 'text/plain' } }],
  ['get', '/clients/{index}', '/clients/1', {}],
  ['get', '/clients/{index}', '/clients/x', {}],
  ['get', '/clients/{index}', '/clients/99', {}],
  ['put', '/rooms/{room}/members/{index}', '/rooms/lobby/members/1', { method: 'PUT', token }],
  ['put', '/rooms/{room}/members/{index}', '/rooms/lobby/members/1', { method: 'PUT', token }],
  ['put', '/rooms/{room}/members/{index}', '/rooms/lobby/members/1', { method: 'PUT' }],
  ['put', '/rooms/{room}/members/{index}', '/rooms/no%20room/members/1', { method: 'PUT', token }],
  ['get', '/rooms', '/rooms', {}],
  ['get', '/rooms', '/rooms?limit=0', {}],
  ['get', '/rooms/{room}', '/rooms/lobby', {}],
  ['get', '/rooms/{room}', '/rooms/nowhere', {}],
  ['get', '/rooms/{room}/members', '/rooms/lobby/members', {}],
  ['get', '/rooms/{room}/members', '/rooms/lobby/members', { headers: { accept: 'text/plain' } }],
  ['get', '/rooms/{room}/members', '/rooms/nowhere/members', {}],
  ['post', '/rooms/{room}/messages', '/rooms/lobby/messages', { json: { text: 'x', ttl: 0 }, token }],
  ['post', '/rooms/{room}/messages', '/rooms/nowhere/messages', { json: { text: 'x' } }],
  ['get', '/rooms/{room}/messages', '/rooms/lobby/messages', {}],
  ['get', '/rooms/{room}/messages', '/rooms/nowhere/messages', {}],
  ['get', '/rooms/{room}/messages/{id}', '/rooms/lobby/messages/999', {}],
  ['post', '/messages', '/messages', { json: { to: { everyone: true }, data: 1, ttl: 0 } }],
  ['post', '/messages', '/messages', { json: { to: { room: 'nowhere' }, text: 'x' } }],
  ['post', '/messages', '/messages', { json: { text: 'x' } }],
  ['get', '/messages', '/messages', { token }],
  ['get', '/messages', '/messages', {}],
  ['get', '/messages/{id}', '/messages/999', { token }],
  ['get', '/clients/{index}/read', '/clients/1/read', { token }],
  ['put', '/clients/{index}/read', '/clients/1/read', { method: 'PUT', json: { mailbox: '1' }, token }],
  ['put', '/clients/{index}/read', '/clients/1/read', { method: 'PUT', json: { rooms: { other: '1' } }, token }],
  ['patch', '/clients/{index}', '/clients/1', { method: 'PATCH', json: { name: 'uno' }, token }],
  ['patch', '/clients/{index}', '/clients/1', { method: 'PATCH', json: { name: 'uno' } }],
  ['patch', '/clients/{index}', '/clients/2', { method: 'PATCH', json: { name: 'uno' }, token }],
  [
    'post',
    '/clients/{index}/messages',
    '/clients/1/messages',
    { json: { text: 'a', data: [1, { b: null }], ttl: 60 }, token },
  ],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { data: null } }],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { text: 'now', ttl: 0 } }],
  [
    'post',
    '/clients/{index}/messages',
    '/clients/1/messages',
    { body: 'a', headers: { 'content-type': 'text/plain' } },
  ],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { txt: 'a' } }],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { body: 'a', headers: { 'content-type': 'a/b' } }],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { text: 'x'.repeat(70_000) } }],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { text: 'a' }, token: 'x' }],
  ['get', '/clients/{index}/messages', '/clients/1/messages', { token }],
  ['get', '/clients/{index}/messages', '/clients/1/messages?wait=0.01&after=99', { token }],
  ['get', '/clients/{index}/messages', '/clients/1/messages', {}],
  ['get', '/clients/{index}/messages/{id}', '/clients/1/messages/1', { token }],
  ['get', '/clients/{index}/messages/{id}', '/clients/1/messages/99', { token }],
  ['delete', '/clients/{index}', '/clients/1', { method: 'DELETE' }],
  ['get', '/healthz', '/healthz', {}],
  ['get', '/readyz', '/readyz', {}],
  ['get', '/metrics', '/metrics', {}],
  ['get', '/events', '/events', { headers: { accept: 'application/json' } }],
  ['get', '/events', '/events?token=x', {}],
];

void t.test('every answer is what the document says', async (t) => {
  for (const [method, path, real, request] of asked) {
    const answer = await ask(`${server.url}${real}`, request);
    const what = `${method} ${real}: ${answer.status}`;
    const described = document.paths[path]?.[method]?.responses[String(answer.status)];
    if (!described) {
      t.fail(`${what} is not in the document`);
      continue;
    }
    assertDescribed(t, described, answer, what);
  }
});

function assertDescribed(t: Test, { content }: Content, answer: Answer, what: string): void {
  const type = String(answer.headers['content-type']).split(';')[0] as string;
  const schema = content?.[type]?.schema;
  if (!schema) t.fail(`${what}: ${type} is not in the document`);
  else assertIs(t, schema, type.endsWith('json') ? answer.json : answer.text, what);
}

void t.test('every event is what its schema says, as SSE and as a line', async (t) => {
  for (let i = 0; i < 10; i++)
    await ask(`${server.url}/clients/1/messages`, { json: { text: `${i}`, data: { i } }, token });
  const floor = async () => (await ask(`${server.url}/clients/1/messages`, { token })).json;
  while (((await floor()).messages as unknown[]).length !== 3) await new Promise((resolve) => setImmediate(resolve));

  const back = await EventReader.open(t, `${server.url}/events`, { 'last-event-id': cursor });
  const lines = await fetch(`${server.url}/events?after=${cursor}`, { headers: { accept: 'application/x-ndjson' } });
  let text = '';
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const part of lines.body as ReadableStream<Uint8Array>) text += decoder.decode(part, { stream: true });
  })();
  await back.until(({ events }) => events.length >= 5);
  await waitFor(async () => text.split('\n').length > 5);
  await ask(`${server.url}/clients/1`, { method: 'DELETE', token });
  await back.end();
  const schemas: Record<string, string> = {
    welcome: 'WelcomeEvent',
    message: 'Message',
    gap: 'GapEvent',
    bye: 'ByeEvent',
  };
  for (const { event, data } of back.events) assertIs(t, component(schemas[event] as string), data, event);
  t.same(
    back.events.map(({ event }) => event),
    ['welcome', 'gap', 'message', 'message', 'message', 'bye'],
  );

  await ended;
  const read = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);
  for (const line of read) assertIs(t, component('StreamLine'), line, `the line of ${String(line.event)}`);
  t.same(
    read.map(({ event }) => event),
    ['welcome', 'gap', 'message', 'message', 'message', 'bye'],
  );
  assertIs(t, component('StreamLine'), { event: 'heartbeat', id: null, data: null }, 'the line of a heartbeat');
});

void t.test('every example is what its schema says, and can be sent as it is', async (t) => {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      for (const [type, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
        t.not(example, undefined, `${method} ${path} has an example as ${type}`);
        const lines = type === 'application/x-ndjson' ? String(example).trim().split('\n') : [];
        const values = lines.length > 0 ? lines.map((line) => JSON.parse(line) as unknown) : [example];
        for (const value of values) assertIs(t, schema, value, `${method} ${path} as ${type}`);
        const made = (await ask(`${server.url}/clients`, { method: 'POST', json: { rooms: ['lobby'] } })).json as {
          client: { index: number };
          token: string;
        };
        const body = type === 'application/json' ? JSON.stringify(example) : String(example);
        const real = path.replace('{index}', String(made.client.index)).replace('{room}', 'lobby');
        const answer = await ask(`${server.url}${real}`, {
          method: method.toUpperCase(),
          body,
          headers: { 'content-type': type },
          token: made.token,
        });
        t.equal(Math.floor(answer.status / 100), 2, `${method} ${path} takes its example as ${type}`);
      }
    }
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const example of (schema.examples as unknown[] | undefined) ?? []) assertIs(t, schema, example, name);
  }
});
