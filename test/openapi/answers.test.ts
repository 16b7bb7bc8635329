import t, { type Test } from 'tap';
import { House, PASSWORD } from '../access/house.js';
import { EventReader } from '../support/event-reader.js';
import { type Answer, type Asked, ask } from '../support/http.js';
import { waitFor } from '../support/wait.js';
import { type Content, document, faultsOf, type Json, type Operation, operations } from './described.js';

/** Whether a value is what a schema of the document says; a component or one that stands in an operation. */
function assertIs(t: Test, schema: Json, value: unknown, what: string): void {
  const errors = faultsOf(schema, value);
  if (errors === null) t.pass(what);
  else t.fail(what, { errors, value });
}

function component(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

const house = await House.open(t, { keepMessages: 3, registration: 'open' });
const { server } = house;
const reader = await EventReader.open(t, `${server.url}/events?name=one&typo=1`);
const { token } = (await reader.next()).data as { token: string };

/** The client of the index that the examples name. */
const two = await house.stranger('two');
const gone = await house.stranger();
await house.ask(`/clients/${gone.index}`, { method: 'DELETE', token: gone.token });
const admin = (await house.member('root', ['admin'])).token;
const weak = await house.key('weak', ['connect']);
const mallory = await house.member('mallory');
const ban = (await house.order('/bans', { json: { account: 'mallory', seconds: 3600 } })).json;
const lost = await house.member('zoe');
const other = await house.signIn('zoe');
const third = await house.signIn('zoe');
const { sessions } = (await house.ask('/sessions', { token: third.token })).json as {
  sessions: { id: string; current: boolean }[];
};
const session = sessions.find(({ current }) => current)?.id;
for (let i = 0; i < 5; i++) await house.ask('/sessions', { json: { name: 'guessed', password: 'a wrong one' } });
await house.ask('/rooms/lobby/members/1', { method: 'PUT', token });
const id = async (path: string) => String((await house.ask(path, { json: { text: 'to be deleted' }, token })).json.id);
const ids = {
  client: await id('/clients/2/messages'),
  room: await id('/rooms/lobby/messages'),
  everyone: String(
    (await house.ask('/messages', { json: { to: { everyone: true }, text: 'to be deleted' }, token })).json.id,
  ),
};
const NOWHERE = '0123456789abcdef01';
const LARGE = JSON.stringify({ name: 'x'.repeat(70_000) });
const TEXT: Asked = { body: 'x', headers: { 'content-type': 'text/plain' } };

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
  ['get', '/clients/{index}/messages/{id}', `/clients/2/messages/${ids.client}`, { token: two.token }],
  ['get', '/rooms/{room}/messages/{id}', `/rooms/lobby/messages/${ids.room}`, {}],
  ['get', '/messages/{id}', `/messages/${ids.everyone}`, { token }],
  ['put', '/rooms/{room}/members/{index}', '/rooms/yard/members/1', { method: 'PUT', token }],
  ['delete', '/rooms/{room}/members/{index}', '/rooms/yard/members/1', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}/members/{index}', '/rooms/yard/members/1', { method: 'DELETE' }],
  ['get', '/metrics', '/metrics?x=1', {}],
  ['get', '/metrics', '/metrics', { token: weak }],
  ['get', '/healthz', '/healthz?x=1', {}],
  ['get', '/clients', '/clients', { token: weak }],
  ['get', '/clients', '/clients', { token: gone.token }],
  ['post', '/clients', '/clients', { method: 'POST', token: weak }],
  ['post', '/clients', '/clients', { json: { name: 'weak' } }],
  ['patch', '/clients/{index}', '/clients/1', { method: 'PATCH', json: { name: 'root' }, token }],
  ['delete', '/clients/{index}', '/clients/1', { method: 'DELETE', token: weak }],
  ['post', '/clients/{index}/messages', '/clients/1/messages', { json: { text: 'a' }, token: weak }],
  ['post', '/messages', '/messages', { json: { to: { everyone: true }, text: 'x' }, token: weak }],
  ['get', '/rooms/{room}/messages', '/rooms/lobby/messages', { token: weak }],

  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: true }, token }],
  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: true }, token }],
  ['put', '/rooms/{room}', '/rooms/lobby', { method: 'PUT', json: { private: true }, token }],
  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: false }, token }],
  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: true } }],
  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: true }, token: weak }],
  ['put', '/rooms/{room}', '/rooms/crew', { method: 'PUT', json: { private: true }, token: house.operator }],
  ['put', '/rooms/{room}', '/rooms/crew', { ...TEXT, method: 'PUT', token }],
  ['get', '/rooms/{room}', '/rooms/crew', { token }],
  ['get', '/rooms/{room}', '/rooms/crew', {}],
  ['get', '/rooms', '/rooms', { token }],
  ...(['crew', 'lobby', 'nowhere', 'no%20room'] as const).flatMap((room): [string, string, string, Asked][] => [
    ['put', '/rooms/{room}/invitations/{index}', `/rooms/${room}/invitations/2`, { method: 'PUT', token }],
    ['get', '/rooms/{room}/invitations', `/rooms/${room}/invitations`, { token }],
    ['patch', '/rooms/{room}', `/rooms/${room}`, { method: 'PATCH', json: { owner: 1 }, token }],
  ]),
  ['put', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'PUT', token }],
  ['put', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'PUT' }],
  ['put', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'PUT', token: two.token }],
  ['put', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/999', { method: 'PUT', token }],
  ['put', '/rooms/{room}/invitations/{index}', `/rooms/crew/invitations/${gone.index}`, { method: 'PUT', token }],
  ['get', '/rooms/{room}/invitations', '/rooms/crew/invitations', {}],
  ['get', '/clients/{index}/invitations', '/clients/2/invitations', { token: two.token }],
  ['get', '/clients/{index}/invitations', '/clients/2/invitations', { token }],
  ['get', '/clients/{index}/invitations', '/clients/2/invitations', {}],
  ['get', '/clients/{index}/invitations', '/clients/x/invitations', { token }],
  ['get', '/clients/{index}/invitations', '/clients/999/invitations', { token }],
  ['get', '/clients/{index}/invitations', `/clients/${gone.index}/invitations`, { token }],
  ['patch', '/rooms/{room}', '/rooms/crew', { method: 'PATCH', json: { owner: 2 }, token }],
  ['patch', '/rooms/{room}', '/rooms/crew', { method: 'PATCH', json: { owner: 2 } }],
  ['delete', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'DELETE' }],
  ['delete', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'DELETE', token: two.token }],
  ['delete', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/2', { method: 'DELETE', token: two.token }],
  ['delete', '/rooms/{room}/invitations/{index}', '/rooms/lobby/invitations/2', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}/invitations/{index}', '/rooms/crew/invitations/x', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}', '/rooms/no%20room', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}', '/rooms/nowhere', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}', '/rooms/crew', { method: 'DELETE' }],
  ['delete', '/rooms/{room}', '/rooms/crew', { method: 'DELETE', token: weak }],
  ['delete', '/rooms/{room}', '/rooms/lobby', { method: 'DELETE', token }],
  ['delete', '/rooms/{room}', '/rooms/crew', { method: 'DELETE', token }],

  ['post', '/accounts', '/accounts', { json: { name: 'ann', password: PASSWORD, may: ['list'] }, token: admin }],
  ['post', '/accounts', '/accounts', { json: { name: 'ben', password: PASSWORD } }],
  ['post', '/accounts', '/accounts', { json: { name: 'cid', password: 'short' }, token: admin }],
  ['post', '/accounts', '/accounts', { json: { name: 'cid', password: PASSWORD, may: ['fly'] }, token: admin }],
  ['post', '/accounts', '/accounts', { json: { name: 'cid', password: PASSWORD }, token: 'x' }],
  ['post', '/accounts', '/accounts', { json: { name: 'cid', password: PASSWORD, may: ['admin'] } }],
  ['post', '/accounts', '/accounts', { json: { name: 'ann', password: PASSWORD }, token: admin }],
  ['post', '/accounts', '/accounts', { body: LARGE, headers: { 'content-type': 'application/json' } }],
  ['post', '/accounts', '/accounts', TEXT],
  ['post', '/sessions', '/sessions', { json: { name: 'root', password: PASSWORD } }],
  ['post', '/sessions', '/sessions', { json: { name: 'root' } }],
  ['post', '/sessions', '/sessions', { json: { name: 'root', password: 'a wrong one' } }],
  ['post', '/sessions', '/sessions', { json: { name: 'mallory', password: PASSWORD } }],
  ['post', '/sessions', '/sessions', { json: { name: 'guessed', password: 'a wrong one' } }],
  ['post', '/sessions', '/sessions', { body: LARGE, headers: { 'content-type': 'application/json' } }],
  ['post', '/sessions', '/sessions', TEXT],
  ['put', '/accounts/{name}/password', '/accounts/ann/password', put(admin, { password: 'a longer one' })],
  ['put', '/accounts/{name}/password', '/accounts/ann/password', put(admin, { password: 'short' })],
  ['put', '/accounts/{name}/password', '/accounts/ann/password', put(weak, { password: 'a longer one' })],
  ['put', '/accounts/{name}/password', '/accounts/ann/password', put(undefined, { password: 'a longer one' })],
  ['put', '/accounts/{name}/password', '/accounts/nobody/password', put(admin, { password: 'a longer one' })],
  ['put', '/accounts/{name}/password', '/accounts/root/password', put(admin, { password: PASSWORD })],
  [
    'put',
    '/accounts/{name}/password',
    '/accounts/root/password',
    put(admin, { password: PASSWORD, current: 'a wrong one' }),
  ],
  ['put', '/accounts/{name}/password', '/accounts/ann/password', { ...TEXT, method: 'PUT', token: admin }],
  ['patch', '/accounts/{name}', '/accounts/ben', { method: 'PATCH', json: { may: ['list'] }, token: admin }],
  ['patch', '/accounts/{name}', '/accounts/ben', { method: 'PATCH', json: { may: ['sing'] }, token: admin }],
  ['patch', '/accounts/{name}', '/accounts/nobody', { method: 'PATCH', json: { may: [] }, token: admin }],
  ['patch', '/accounts/{name}', '/accounts/ben', { method: 'PATCH', json: { may: [] }, token: weak }],
  ['patch', '/accounts/{name}', '/accounts/ben', { method: 'PATCH', json: { may: [] } }],
  ['delete', '/accounts/{name}', '/accounts/%20', { method: 'DELETE', token: admin }],
  ['delete', '/accounts/{name}', '/accounts/ben', { method: 'DELETE', token: weak }],
  ['delete', '/accounts/{name}', '/accounts/ben', { method: 'DELETE' }],
  ['delete', '/accounts/{name}', '/accounts/ben', { method: 'DELETE', token: admin }],
  ['delete', '/accounts/{name}', '/accounts/ben', { method: 'DELETE', token: admin }],

  ...[undefined, token, weak, admin, house.operator].map((who): [string, string, string, Asked] => [
    'get',
    '/sessions/current',
    '/sessions/current',
    { token: who },
  ]),
  ['get', '/sessions/current', '/sessions/current', { token: 'x' }],
  ['get', '/sessions/current', '/sessions/current', { token: mallory.token }],
  ['get', '/sessions/current', '/sessions/current?x=1', {}],
  ['get', '/sessions/current', '/sessions/current', { token: gone.token }],
  ['delete', '/sessions/{id}', '/sessions/x', { method: 'DELETE', token: lost.token }],
  ['delete', '/sessions/{id}', `/sessions/${NOWHERE}`, { method: 'DELETE', token: lost.token }],
  ['delete', '/sessions/{id}', `/sessions/${NOWHERE}`, { method: 'DELETE' }],
  ['delete', '/sessions/{id}', `/sessions/${NOWHERE}`, { method: 'DELETE', token: weak }],
  ['delete', '/sessions/{id}', `/sessions/${session}`, { method: 'DELETE', token: other.token }],
  ['delete', '/sessions/current', '/sessions/current?x=1', { method: 'DELETE', token: lost.token }],
  ['delete', '/sessions/current', '/sessions/current', { method: 'DELETE' }],
  ['delete', '/sessions/current', '/sessions/current', { method: 'DELETE', token: weak }],
  ['delete', '/sessions/current', '/sessions/current', { method: 'DELETE', token: lost.token }],
  ['delete', '/sessions', '/sessions?x=1', { method: 'DELETE', token: other.token }],
  ['delete', '/sessions', '/sessions', { method: 'DELETE' }],
  ['delete', '/sessions', '/sessions', { method: 'DELETE', token: weak }],
  ['delete', '/sessions', '/sessions', { method: 'DELETE', token: other.token }],

  ['post', '/keys', '/keys', { json: { name: 'pump', may: ['list'] }, token: admin }],
  ['post', '/keys', '/keys', { json: { name: 'pump', may: ['list'] }, token: admin }],
  ['post', '/keys', '/keys', { json: { name: 'tap', may: [] }, token: admin }],
  ['post', '/keys', '/keys', { json: { name: 'tap', may: ['list'] }, token: weak }],
  ['post', '/keys', '/keys', { json: { name: 'tap', may: ['list'] } }],
  ['post', '/keys', '/keys', { ...TEXT, token: admin }],
  ['delete', '/keys/{name}', '/keys/%20', { method: 'DELETE', token: admin }],
  ['delete', '/keys/{name}', '/keys/pump', { method: 'DELETE' }],
  ['delete', '/keys/{name}', '/keys/pump', { method: 'DELETE', token: weak }],
  ['delete', '/keys/{name}', '/keys/pump', { method: 'DELETE', token: admin }],
  ['delete', '/keys/{name}', '/keys/pump', { method: 'DELETE', token: admin }],

  ['post', '/bans', '/bans', { json: { address: '192.0.2.7', seconds: 1, reason: 'noise' }, token: admin }],
  ['post', '/bans', '/bans', { json: { address: 'nowhere', seconds: 1 }, token: admin }],
  ['post', '/bans', '/bans', { json: { client: 1, seconds: 1 }, token: admin }],
  ['post', '/bans', '/bans', { json: { account: 'nobody', seconds: 1 }, token: admin }],
  ['post', '/bans', '/bans', { json: { client: 999, seconds: 1 }, token: admin }],
  ['post', '/bans', '/bans', { json: { client: gone.index, seconds: 1 }, token: admin }],
  ['post', '/bans', '/bans', { json: { account: 'ann', seconds: 1 }, token: weak }],
  ['post', '/bans', '/bans', { json: { account: 'ann', seconds: 1 } }],
  ['delete', '/bans/{id}', '/bans/x', { method: 'DELETE', token: admin }],
  ['delete', '/bans/{id}', `/bans/${NOWHERE}`, { method: 'DELETE', token: admin }],
  ['delete', '/bans/{id}', `/bans/${String(ban.id)}`, { method: 'DELETE' }],
  ['delete', '/bans/{id}', `/bans/${String(ban.id)}`, { method: 'DELETE', token: weak }],
  ...(['accounts', 'sessions', 'keys', 'bans', 'audit'] as const).flatMap((list) =>
    [{ token: admin }, {}, { token: weak }, { token: 'x' }].flatMap((who): [string, string, string, Asked][] => [
      ['get', `/${list}`, `/${list}`, who],
      ['get', `/${list}`, `/${list}?x=1`, who],
    ]),
  ),
  ['get', '/audit', '/audit?limit=1&after=1', { token: admin }],
  ['get', '/audit', '/audit?limit=0', { token: admin }],
  ['delete', '/bans/{id}', `/bans/${String(ban.id)}`, { method: 'DELETE', token: admin }],
  ...[
    ['/clients/{index}/messages/{id}', `/clients/2/messages/${ids.client}`],
    ['/rooms/{room}/messages/{id}', `/rooms/lobby/messages/${ids.room}`],
    ['/messages/{id}', `/messages/${ids.everyone}`],
  ].flatMap(([path = '', real = '']) =>
    [{}, { token: weak }, { token: admin }, { token: admin }].map((who): [string, string, string, Asked] => [
      'delete',
      path,
      real,
      { method: 'DELETE', ...who },
    ]),
  ),
  ['delete', '/clients/{index}/messages/{id}', '/clients/1/messages/x', { method: 'DELETE', token: admin }],
  ['delete', '/rooms/{room}/messages/{id}', '/rooms/nowhere/messages/1', { method: 'DELETE', token: admin }],
  ['delete', '/rooms/{room}/messages/{id}', '/rooms/lobby/messages/x', { method: 'DELETE', token: admin }],
  ['delete', '/messages/{id}', '/messages/x', { method: 'DELETE', token: admin }],
  ['get', '/events', '/events?presence=true', { token: weak }],
  ['get', '/events', '/events?name=root', {}],
  ['get', '/events', '/events', { headers: { accept: 'application/json' } }],
  ['get', '/events', '/events?token=x', {}],
];

function put(token: string | undefined, json: Json): Asked {
  return { method: 'PUT', json, token };
}

void t.test('every answer is what the document says', async (t) => {
  const seen = new Map<string, Set<number>>();
  for (const [method, path, real, request] of asked) {
    const answer = await ask(`${server.url}${real}`, request);
    const what = `${method} ${real}: ${answer.status}`;
    const described = document.paths[path]?.[method]?.responses[String(answer.status)];
    if (!described) {
      t.fail(`${what} is not in the document`);
      continue;
    }
    assertDescribed(t, described, answer, what);
    const { operationId } = document.paths[path]?.[method] as Operation;
    seen.set(operationId, (seen.get(operationId) ?? new Set()).add(answer.status));
  }
  for (const { operation } of operations) {
    const statuses = [...(seen.get(operation.operationId) ?? [])];
    const { operationId, responses, tags } = operation;
    // That a client leaves is asked for below, and a stream does not end.
    if (operationId !== 'leave' && operationId !== 'connect')
      t.ok(
        statuses.some((status) => status < 300),
        operationId,
      );
    if (!NEW.has(tags[0] ?? '')) continue;
    // What a busy server answers, or a disk that is full, and a body that is too large, is the same everywhere.
    const rest = Object.keys(responses).filter((status) => !statuses.includes(Number(status)));
    const foreseen = ['410', '413', '415', '422', '429', '503'];
    t.same(
      rest.filter((status) => !foreseen.includes(status)),
      [],
      `${operationId}: each answer that can be had was had`,
    );
  }
});

/** The groups whose every answer is asked for. */
const NEW = new Set(['Accounts', 'Keys', 'Order', 'Private rooms']);

function assertDescribed(t: Test, { content, headers = {} }: Content, answer: Answer, what: string): void {
  if (answer.status >= 400) {
    for (const name of Object.keys(headers)) t.type(answer.headers[name.toLowerCase()], 'string', `${what}: ${name}`);
  }
  if (answer.status === 204) {
    t.same([content, answer.text], [undefined, ''], what);
    return;
  }
  const type = String(answer.headers['content-type']).split(';')[0] as string;
  const schema = content?.[type]?.schema;
  if (!schema) t.fail(`${what}: ${type} is not in the document`);
  else assertIs(t, schema, type.endsWith('json') ? answer.json : answer.text, what);
}

void t.test('every event is what its schema says, as SSE and as a line', async (t) => {
  await house.ask('/clients/1/messages', { json: { text: 'the last before' }, token });
  const { cursor } = (await house.ask('/clients/1/messages', { token })).json as { cursor: string };
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
  const last = String(back.events.at(-1)?.data.id);
  t.equal((await house.order(`/clients/1/messages/${last}`, { method: 'DELETE' })).status, 204);
  await house.ask('/rooms/crew', put(two.token, { private: true }));
  t.equal((await house.ask('/rooms/crew/invitations/1', { method: 'PUT', token: two.token })).status, 201);
  await back.until(({ events }) => events.length >= 7);
  await waitFor(async () => text.split('\n').length > 7);
  await ask(`${server.url}/clients/1`, { method: 'DELETE', token });
  await back.end();
  const schemas: Record<string, string> = {
    welcome: 'WelcomeEvent',
    message: 'Message',
    gap: 'GapEvent',
    deleted: 'DeletedEvent',
    invited: 'InvitedEvent',
    bye: 'ByeEvent',
  };
  for (const { event, data } of back.events) assertIs(t, component(schemas[event] as string), data, event);
  t.same(
    back.events.map(({ event }) => event),
    ['welcome', 'gap', 'message', 'message', 'message', 'deleted', 'invited', 'bye'],
  );

  await ended;
  const read = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);
  for (const line of read) assertIs(t, component('StreamLine'), line, `the line of ${String(line.event)}`);
  t.same(
    read.map(({ event }) => event),
    ['welcome', 'gap', 'message', 'message', 'message', 'deleted', 'invited', 'bye'],
  );
  assertIs(t, component('StreamLine'), { event: 'heartbeat', id: null, data: null }, 'the line of a heartbeat');
});

void t.test('every example is what its schema says, and can be sent as it is', async (t) => {
  t.equal(two.index, 2, 'the client that the examples name');
  await house.ask('/rooms/lobby/members/2', { method: 'PUT', token: two.token });
  for (const { path, method, operation } of operations) {
    const { operationId, requestBody } = operation;
    for (const [type, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
      t.not(example, undefined, `${method} ${path} has an example as ${type}`);
      const lines = type === 'application/x-ndjson' ? String(example).trim().split('\n') : [];
      const values = lines.length > 0 ? lines.map((line) => JSON.parse(line) as unknown) : [example];
      for (const value of values) assertIs(t, schema, value, `${method} ${path} as ${type}`);
      const body = type === 'application/json' ? JSON.stringify(example) : String(example);
      const answer = await ask(server.url + filledIn(path, operation), {
        method: method.toUpperCase(),
        body,
        headers: { 'content-type': type },
        token: ADMINISTRATORS.has(operation.tags[0] ?? '') ? admin : two.token,
      });
      t.equal(Math.floor(answer.status / 100), 2, `${operationId} takes its example as ${type}: ${answer.text}`);
    }
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const example of (schema.examples as unknown[] | undefined) ?? []) assertIs(t, schema, example, name);
  }
  for (const { operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      const { schema, example } = content['application/problem+json'] ?? {};
      if (schema === undefined) continue;
      assertIs(t, schema, example, `${operation.operationId}: ${status}`);
      t.equal((example as { status: number }).status, Number(status));
    }
  }
});

const ADMINISTRATORS = new Set(['Accounts', 'Keys', 'Order']);

/** A path with its examples. */
function filledIn(path: string, { parameters = [] }: Operation): string {
  const example = (name: string) => parameters.find((parameter) => parameter.name === name)?.example;
  return path.replace(/\{(\w+)\}/g, (_, name: string) => String(example(name)));
}

void t.test('whoever lacks the permission that the document names is told so', async (t) => {
  const house = await House.open(t);
  const { token } = await house.stranger();
  await house.ask('/rooms/lobby/members/1', { method: 'PUT', token });
  const key = await house.key('nearly nothing', ['send:client/999']);
  const who = (await house.ask('/sessions/current', { token: key })).json as { client: { index: number } };
  t.equal(who.client.index, 2, 'the client that the examples name');

  const without = [
    'signIn',
    'whoAmI',
    'listSessions',
    'signOut',
    'signOutDevice',
    'signOutEverywhere',
    'health',
    'readiness',
  ];
  for (const { path, method, operation } of operations) {
    const { operationId, requestBody, responses } = operation;
    const problem = responses[403]?.content?.['application/problem+json']?.example as Json;
    t.equal(problem.permission === undefined, without.includes(operationId), operationId);
    if (problem.permission === undefined) continue;
    const example = requestBody?.content?.['application/json']?.example;
    // To make an account takes it only where somebody else than the server decides what it may do.
    const json = operationId === 'createAccount' ? { ...(example as Json), may: ['list'] } : example;
    // Oneself one can see in any case.
    const real = operationId === 'getClient' ? '/clients/1' : filledIn(path, operation);
    const answer = await house.ask(real, { method: method.toUpperCase(), json, token: key });
    t.same(answer.json, { ...problem, instance: real }, operationId);
  }
});
