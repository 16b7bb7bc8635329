import { createSecretKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import type { Config } from '../../src/config.js';
import { AUDIENCE, ISSUER, type Key, newKey, Provider, sign } from '../identity/provider.js';
import { EventReader } from '../support/event-reader.js';
import type { Asked } from '../support/http.js';
import { House } from './house.js';

/** What a route takes: nothing at all, whatever an open server takes, a permission, or to be a certain client. */
type Takes = 'nothing' | 'anything' | 'self' | 'account' | `${'connect' | 'list' | 'admin' | 'send' | 'read'}${string}`;

interface Route {
  readonly method: string;
  /** As the document has it. */
  readonly path: string;
  /** Its own index, where that differs from {@link path}. */
  readonly at?: (who: { readonly self: number; readonly other: number }) => string;
  readonly takes: Takes;
  /** What is answered where it is allowed: what is asked for is often something that is not there, so that nothing changes. */
  readonly answer: number;
  readonly asked?: Asked;
}

const TEXT: Asked = { json: { text: 'hello' } };
const id = '0123456789abcdef01';

const self = (path: string) => ({ path, at: ({ self }: { self: number }) => path.replace('{index}', String(self)) });
const other = (path: string) => ({
  path,
  at: ({ other }: { other: number }) => path.replace('{index}', String(other)),
});

/** Every route there is, and what it takes. */
const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', takes: 'nothing', answer: 200 },
  { method: 'GET', path: '/readyz', takes: 'nothing', answer: 200 },
  {
    method: 'POST',
    path: '/sessions',
    takes: 'nothing',
    answer: 400,
    asked: { json: { name: 'nobody' } },
  },
  { method: 'GET', path: '/events', takes: 'connect', answer: 200 },
  { method: 'GET', path: '/clients', takes: 'list', answer: 200 },
  { method: 'POST', path: '/clients', takes: 'connect', answer: 201 },
  { method: 'GET', ...other('/clients/{index}'), takes: 'list', answer: 200 },
  { method: 'PATCH', ...self('/clients/{index}'), takes: 'self', answer: 200, asked: { json: { name: 'other' } } },
  { method: 'DELETE', ...other('/clients/{index}'), takes: 'admin', answer: 204 },
  { method: 'POST', ...other('/clients/{index}/messages'), takes: 'send:client/OTHER', answer: 201, asked: TEXT },
  {
    method: 'POST',
    path: '/messages',
    takes: 'send:everyone',
    answer: 201,
    asked: { json: { to: { everyone: true }, text: 'all' } },
  },
  { method: 'GET', path: '/messages', takes: 'self', answer: 200 },
  { method: 'GET', path: '/messages/{id}', takes: 'self', answer: 404 },
  { method: 'GET', ...self('/clients/{index}/messages'), takes: 'self', answer: 200 },
  { method: 'GET', ...self('/clients/{index}/messages/{id}'), takes: 'self', answer: 404 },
  { method: 'GET', ...self('/clients/{index}/read'), takes: 'self', answer: 200 },
  { method: 'PUT', ...self('/clients/{index}/read'), takes: 'self', answer: 200, asked: { json: { mailbox: '0' } } },
  { method: 'GET', path: '/rooms', takes: 'list', answer: 200 },
  { method: 'GET', path: '/rooms/{room}', takes: 'list', answer: 200 },
  { method: 'PUT', path: '/rooms/{room}', takes: 'self', answer: 409, asked: { json: { private: true } } },
  { method: 'PATCH', path: '/rooms/{room}', takes: 'self', answer: 403, asked: { json: { owner: 1 } } },
  { method: 'DELETE', path: '/rooms/{room}', takes: 'self', answer: 403 },
  { method: 'GET', path: '/rooms/{room}/members', takes: 'list', answer: 200 },
  { method: 'PUT', ...self('/rooms/{room}/members/{index}'), takes: 'read:lobby', answer: 201 },
  { method: 'DELETE', ...self('/rooms/{room}/members/{index}'), takes: 'self', answer: 204 },
  { method: 'POST', path: '/rooms/{room}/messages', takes: 'send:room/lobby', answer: 201, asked: TEXT },
  { method: 'GET', path: '/rooms/{room}/messages', takes: 'read:lobby', answer: 200 },
  { method: 'GET', path: '/rooms/{room}/messages/{id}', takes: 'read:lobby', answer: 404 },
  { method: 'GET', path: '/rooms/{room}/invitations', takes: 'self', answer: 403 },
  { method: 'PUT', ...other('/rooms/{room}/invitations/{index}'), takes: 'self', answer: 403 },
  { method: 'DELETE', ...other('/rooms/{room}/invitations/{index}'), takes: 'self', answer: 403 },
  { method: 'GET', ...self('/clients/{index}/invitations'), takes: 'self', answer: 200 },
  {
    method: 'POST',
    path: '/accounts',
    takes: 'admin',
    answer: 400,
    asked: { json: { name: 'new', password: 'short' } },
  },
  { method: 'GET', path: '/accounts', takes: 'admin', answer: 200 },
  { method: 'DELETE', path: '/accounts/{name}', takes: 'admin', answer: 404 },
  { method: 'PATCH', path: '/accounts/{name}', takes: 'admin', answer: 404, asked: { json: { may: [] } } },
  {
    method: 'PUT',
    path: '/accounts/{name}/password',
    takes: 'admin',
    answer: 404,
    asked: { json: { password: 'long enough' } },
  },
  { method: 'GET', path: '/sessions', takes: 'account', answer: 200 },
  { method: 'GET', path: '/sessions/current', takes: 'anything', answer: 200 },
  { method: 'DELETE', path: '/sessions/{id}', takes: 'account', answer: 404 },
  { method: 'POST', path: '/keys', takes: 'admin', answer: 409, asked: { json: { name: 'taken', may: ['list'] } } },
  { method: 'GET', path: '/keys', takes: 'admin', answer: 200 },
  { method: 'DELETE', path: '/keys/{name}', takes: 'admin', answer: 404 },
  { method: 'POST', path: '/bans', takes: 'admin', answer: 404, asked: { json: { account: 'nobody', seconds: 60 } } },
  { method: 'GET', path: '/bans', takes: 'admin', answer: 200 },
  { method: 'DELETE', path: '/bans/{id}', takes: 'admin', answer: 404 },
  { method: 'GET', path: '/audit', takes: 'admin', answer: 200 },
  { method: 'DELETE', ...other('/clients/{index}/messages/{id}'), takes: 'admin', answer: 404 },
  { method: 'DELETE', path: '/rooms/{room}/messages/{id}', takes: 'admin', answer: 404 },
  { method: 'DELETE', path: '/messages/{id}', takes: 'admin', answer: 404 },
  { method: 'GET', path: '/metrics', takes: 'list', answer: 200 },
  // The last one, as it ends what the others are asked with; the one of all sessions is tried in devices.test.ts.
  { method: 'DELETE', path: '/sessions/current', takes: 'account', answer: 204 },
];

/** What somebody comes with. */
interface Credential {
  readonly token: string | undefined;
  /** `401` or `403` where it is refused whatever is asked for. */
  readonly refused?: 401 | 403;
  /** What it may do; all that members may, unless set. */
  readonly may?: readonly string[];
  readonly kind: 'none' | 'client' | 'account' | 'key' | 'jwt' | 'operator';
  /** The client it is. */
  readonly index?: number;
}

void t.test('the table names every route that the document has, and no other', async (t) => {
  const text = await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8');
  const { paths } = parse(text) as { paths: Record<string, Record<string, unknown>> };
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const here = ROUTES.map(({ method, path }) => `${method} ${path}`);
  t.same(documented.filter((one) => one !== 'DELETE /sessions').sort(), here.sort());
});

for (const access of ['open', 'members'] as const) {
  void t.test(`who may do what where the server has --access ${access}`, async (t) => {
    const { house, credentials, others } = await furnish(t, access);
    for (const [name, credential] of Object.entries(await credentials())) {
      const outcomes: Record<string, number> = {};
      const expected: Record<string, number> = {};
      for (const route of ROUTES) {
        const key = `${route.method} ${route.path}`;
        const somebody = await others(route.answer === 204 && route.takes === 'admin');
        const path = (route.at?.({ self: credential.index ?? somebody, other: somebody }) ?? route.path)
          .replace('{room}', 'lobby')
          .replace('/bans/{id}', `/bans/${id}`)
          .replace('/sessions/{id}', `/sessions/${id}`)
          .replace('{id}', '999999')
          .replace('{name}', 'nobody');
        outcomes[key] = await statusOf(t, house, route, path, credential.token);
        expected[key] = expectedOf(route, credential, access);
      }
      t.same(outcomes, expected, name);
    }
  });
}

/** What should be answered: the rules of docs/access.md, said once more. */
function expectedOf(
  { method, path, takes, answer }: Route,
  credential: Credential,
  access: 'open' | 'members',
): number {
  const { kind, refused, may = ['connect', 'list', 'send', 'read'] } = credential;
  const route = `${method} ${path}`;
  if (takes === 'nothing') return answer;
  if (refused) return refused;
  if (access === 'members' && (kind === 'none' || kind === 'client')) {
    // Making an account is a door that has to be reached; it is closed to them all the same.
    return route === 'POST /accounts' && kind === 'none' ? 403 : 401;
  }
  const admin = may.includes('admin');
  const allows = (permission: string) =>
    admin || may.some((one) => permission === one || permission.startsWith(`${one}:`));
  const refusal = kind === 'none' ? 401 : 403;
  switch (takes) {
    case 'anything':
      return answer;
    case 'account':
      return kind === 'account' ? answer : refusal;
    case 'self':
      if (kind === 'none') return 401;
      if (kind === 'operator' || !allows('connect')) return 403;
      // The name of a client that signs in is not for it to change.
      if (method === 'PATCH' && path === '/clients/{index}' && kind !== 'client') return 403;
      // A private room beside the public one of this name is made by who may read it.
      if (method === 'PUT' && path === '/rooms/{room}' && !allows('read:lobby')) return 403;
      return answer;
    case 'connect':
      if (!allows('connect') || kind === 'operator') return refusal;
      // Who signs in is a client already.
      return path === '/clients' && kind !== 'none' && kind !== 'client' ? 200 : answer;
    case 'admin':
      if (kind === 'none' && route === 'POST /accounts') return 403;
      return admin ? answer : refusal;
    default:
      if (path === '/rooms/{room}/members/{index}') {
        if (kind === 'none') return 401;
        if (kind === 'operator' || !allows('connect')) return 403;
      }
      return allows(takes) ? answer : refusal;
  }
}

async function statusOf(t: Test, house: House, { method, path, asked }: Route, real: string, token?: string) {
  if (path !== '/events') return (await house.ask(real, { ...asked, method, token, agent })).status;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const { response } = await EventReader.open(t, house.url + real, headers);
  response.destroy();
  return response.statusCode ?? 0;
}

const agent = new Agent({ keepAlive: true });
t.teardown(() => agent.destroy());

/** A server, and one of each kind of credential. */
async function furnish(t: Test, access: 'open' | 'members') {
  const provider = await Provider.start(t);
  const good = await newKey('ES256', 'one');
  provider.keys = [good];
  const settings: Partial<Config> = {
    access,
    jwtJwks: provider.url,
    jwtIssuer: ISSUER,
    jwtAudience: AUDIENCE,
    jwtAlgorithms: ['ES256'],
  };
  const house = await House.open(t, settings);
  const keeper = await house.member('keeper');
  await house.stream(keeper.token, 'rooms=lobby');
  await house.key('taken', ['list']);

  /** Somebody else; another one where this one may be removed. */
  let made = 0;
  let somebody: number | undefined;
  const others = async (removed: boolean): Promise<number> => {
    if (somebody !== undefined && !removed) return somebody;
    const key = await house.key(`other${++made}`, ['connect']);
    const { index } = (await house.ask('/sessions/current', { token: key })).json.client as { index: number };
    if (!removed) somebody = index;
    return index;
  };

  const indexOf = async (token: string) => {
    const { client } = (await house.ask('/sessions/current', { token })).json as { client: { index: number } | null };
    return client?.index;
  };
  const withIndex = async (credential: Credential): Promise<Credential> => ({
    ...credential,
    index: credential.token === undefined ? undefined : await indexOf(credential.token),
  });
  const key = async (name: string, may: string[]) =>
    withIndex({ kind: 'key', token: await house.key(name, may), may: may.map((one) => one.replace(/[:/]\*$/, '')) });
  const jwt = (claims: Record<string, unknown>, by: Key = good, header = {}) =>
    sign(by, Date.now(), { claims: { sub: 'dora', name: 'dora', ...claims }, header });

  const credentials = async (): Promise<Record<string, Credential>> => {
    const list: Record<string, Credential> = {
      none: { kind: 'none', token: undefined },
      'no token at all': { kind: 'none', token: 'nonsense', refused: 401 },
      account: await withIndex({ kind: 'account', token: (await house.member('alice')).token }),
      'account that may read and connect': await withIndex({
        kind: 'account',
        token: (await house.member('bob', ['connect', 'read:lobby'])).token,
        may: ['connect', 'read'],
      }),
      administrator: await withIndex({
        kind: 'account',
        token: (await house.member('root', ['admin'])).token,
        may: ['admin'],
      }),
      operator: { kind: 'operator', token: house.operator, may: ['admin'] },
      'key to list': await key('lister', ['list']),
      'key to send': await key('sender', ['send:*']),
      'key to send to a room': await key('caller', ['send:room/lobby']),
      'key to send to another room': { ...(await key('elsewhere', ['send:room/elsewhere'])), may: [] },
      'key to connect': await key('connector', ['connect']),
      'key to connect and read': await key('reader', ['connect', 'read:*']),
      'key to read another room': { ...(await key('foreign', ['read:elsewhere'])), may: [] },
      JWT: await withIndex({ kind: 'jwt', token: await jwt({}) }),
      'JWT with permissions': await withIndex({
        kind: 'jwt',
        token: await jwt({ sub: 'eve', name: 'eve', permissions: 'connect list' }),
        may: ['connect', 'list'],
      }),
      'JWT that has expired': {
        kind: 'jwt',
        refused: 401,
        token: await jwt({ exp: Math.floor(Date.now() / 1000) - 3600 }),
      },
      'JWT for another audience': { kind: 'jwt', refused: 401, token: await jwt({ aud: 'elsewhere' }) },
      'JWT of another issuer': { kind: 'jwt', refused: 401, token: await jwt({ iss: 'https://evil.example/' }) },
      'JWT by another algorithm': {
        kind: 'jwt',
        refused: 401,
        token: await jwt({}, { ...(await newKey('ES384', 'one')) }),
      },
      'JWT by a public key as a secret': {
        kind: 'jwt',
        refused: 401,
        token: await sign(
          { alg: 'HS256', kid: 'one', privateKey: createSecretKey(Buffer.from(JSON.stringify(good.jwk))) as never },
          Date.now(),
        ),
      },
      'JWT by nobody': { kind: 'jwt', refused: 401, token: unsigned() },
    };
    if (access === 'open') {
      const { token } = await house.stranger('passer-by');
      list.client = await withIndex({ kind: 'client', token });
    }
    const gone = await house.member('gone');
    await house.ask('/sessions/current', { method: 'DELETE', token: gone.token });
    list['session that is over'] = { kind: 'account', token: gone.token, refused: 401 };
    const revoked = await house.key('revoked', ['list']);
    await house.order('/keys/revoked', { method: 'DELETE' });
    list['key that was revoked'] = { kind: 'key', token: revoked, refused: 401 };
    const late = await house.key('late', ['list'], new Date(Date.now() - 1000).toISOString());
    list['key that holds no longer'] = { kind: 'key', token: late, refused: 401 };
    const banned = await house.member('mallory');
    await house.order('/bans', { json: { account: 'mallory', seconds: 3600 } });
    list['account that is banned'] = { kind: 'account', token: banned.token, refused: 403 };
    return list;
  };
  return { house, credentials, others };
}

/** `alg: none` (RFC 7519, section 6). */
function unsigned(): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return `${part({ alg: 'none', kid: 'one' })}.${part({ iss: ISSUER, aud: AUDIENCE, sub: 'dora', exp })}.`;
}
