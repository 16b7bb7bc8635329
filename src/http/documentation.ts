import { readFile } from 'node:fs/promises';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { parse, stringify } from 'yaml';
import type { Permission } from '../hub/access/permissions.js';
import { PermissionMissing } from '../hub/errors.js';
import { SESSION_COOKIE } from './admission.js';
import type { App } from './context.js';
import {
  HttpProblem,
  type Problem as ProblemBody,
  PROBLEM_TYPE,
  problemBody,
  type ProblemCode,
  problemExample,
} from './problem.js';
import { Problem } from './schemas.js';

/** JSON that is put into the OpenAPI document as it is. */
export interface Fragment {
  readonly [key: string]: unknown;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Merged over the operation that is generated from the schema: what a schema cannot say. */
    openapi?: Fragment;
  }
}

const FILE = new URL('../../openapi/openapi.yaml', import.meta.url);
const PACKAGE = new URL('../../package.json', import.meta.url);

const TAGS = [
  { name: 'Connect', description: 'Become a client, and receive: the stream and its events.' },
  { name: 'LIST', description: 'See who there is.' },
  { name: 'SEND', description: 'Reach one of them, a room, or everyone.' },
  { name: 'Mailbox', description: 'Read what came without holding a stream, and say how far one has read.' },
  { name: 'Rooms', description: 'Enter and leave them, send to all who are in one, read its history.' },
  {
    name: 'Private rooms',
    description: 'Rooms that are there to their members alone: make, invite, hand over, close.',
  },
  { name: 'Self', description: 'Change your name, or leave.' },
  { name: 'Accounts', description: 'Sign up, in and out: an identity that lasts, on any number of devices.' },
  { name: 'Keys', description: 'Credentials for machines, for administrators.' },
  { name: 'Order', description: 'Keep somebody out, delete a message, and see who did: for administrators.' },
  { name: 'Serving', description: 'Health, readiness and metrics, for those who run the server.' },
];

const DESCRIPTION = `A message router that anything that speaks HTTP can reach. Each connected client holds a stream of
Server-Sent Events; \`GET /clients\` is LIST, \`POST /clients/{index}/messages\` is SEND.

Try it on this page, with what is filled in:

1. **Connect**, \`POST /clients\`: makes a client, and answers with its token.
2. **Authorize**, below: paste the token, and what you send is from that client.
3. **LIST**, \`GET /clients\`: shows who there is, each with an \`index\`.
4. **SEND**, \`POST /clients/{index}/messages\`: reaches one of them. Without a token it is from nobody.
5. **Mailbox**, \`GET /clients/{index}/messages\`: reads what reached your client.

Whoever has an account signs in with \`POST /sessions\`: this page gets a cookie, and what you send is from that account. Elsewhere, and here
under **Authorize**, the session's token does the same, and so does a key: \`Authorization: Bearer TOKEN\`. Without either, an open server lets
you do what is above, and only the groups Accounts, Keys and Order take somebody who signed in; where the server runs with
\`--access members\`, everything but signing in and health does. A description that names a permission says what the credential has to
carry; \`GET /sessions/current\` shows what yours does.

The stream of events, \`GET /events\`, does not end, so this page cannot show it: \`curl -N localhost:8080/events\` does, and so does the
chat at [the root of this server](../). Errors are problem details (RFC 9457) with a \`code\` for programs and a \`detail\` that says
what to do.
`;

/** The answers of a route that are errors, by status: `{404: 'what it means here'}`. */
export function problems(meanings: Readonly<Record<number, string>>) {
  return Object.fromEntries(
    Object.entries(meanings).map(([status, description]) => [
      status,
      { description, content: { [PROBLEM_TYPE]: { schema: Problem } } },
    ]),
  );
}

/**
 * The Content-Security-Policy of the docs page. Not the one its plugin brings, which has browsers fetch the page's own files by
 * https: where there is none, on http://192.168.0.7:8080 say, the page would stay empty.
 */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Collects the OpenAPI document from the routes that are added after this. */
export async function registerOpenApi(app: App): Promise<void> {
  const overlays: { path: string; method: string; openapi: Fragment }[] = [];
  app.addHook('onRoute', ({ url, method, config }) => {
    if (!config?.openapi) return;
    const path = url.replace(/:(\w+)/g, '{$1}');
    for (const one of [method].flat()) overlays.push({ path, method: one.toLowerCase(), openapi: config.openapi });
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'InterChat',
        version: await packageVersion(),
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description:
              'The token of a client, from its welcome or from POST /clients; that of a session, from POST /sessions; a key, from POST /keys; ' +
              'the token of the operator; or a JWT of the identity provider that the server trusts.',
          },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: SESSION_COOKIE,
            description:
              'What a browser gets by POST /sessions, and sends by itself: there is nothing to be filled in here. It counts for pages of ' +
              'this server alone, and where no token comes with it.',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => {
      const object = withoutTwins(jsonSchemaTransformObject(document));
      for (const { path, method, openapi } of overlays) {
        const operation = within(within(within(object, 'paths'), path), method);
        if (operation) merge(operation, openapi);
      }
      emptyBodies(object);
      secure(object);
      illustrateProblems(object);
      fillIn(object);
      return object;
    },
  });
}

/** What the routes of this app say of themselves, as the text that is kept in openapi/openapi.yaml. */
export function generateOpenApi(app: App): string {
  // Through JSON, for what JSON cannot carry is not meant to be there: YAML would write it as an alias or a tag.
  const document = JSON.parse(JSON.stringify(app.swagger())) as unknown;
  return stringify(document, { lineWidth: 120, aliasDuplicateObjects: false, blockQuote: 'literal' });
}

/** Serves the file, word for word, and the page on which it can be tried. */
export async function registerDocs(app: App): Promise<void> {
  const yaml = await readFile(FILE, 'utf8');
  // Parsing it takes a quarter of what a start does, and few ask for it.
  let parsed: Record<string, unknown> | undefined;
  const document = () => (parsed ??= parse(yaml) as Record<string, unknown>);

  app.get('/openapi.yaml', { schema: { hide: true } }, (_request, reply) => reply.type('application/yaml').send(yaml));
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(document())),
  );

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    theme: { title: 'InterChat: the API' },
    uiConfig: {
      layout: 'BaseLayout',
      tryItOutEnabled: true,
      deepLinking: true,
      displayRequestDuration: true,
      persistAuthorization: false,
    },
    transformSpecification: document,
    transformSpecificationClone: false,
  });
}

export async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(PACKAGE, 'utf8')) as { version: string };
  return version;
}

export const OPENAPI_FILE = FILE;

/** What takes no credential, wherever the server runs. */
const WITHOUT_CREDENTIAL = new Set(['health', 'readiness', 'signIn']);

/**
 * The permission that an operation takes, and what else there is to say of it; that of what is not here is none. It is decided in
 * hub/acting.ts, and a test asks for each of these without it.
 */
const TAKES: Readonly<Record<string, readonly [permission: string, more?: string]>> = {
  connect: ['connect', '; to enter `rooms` also `read:ROOM` for each, and for `presence` also `list`'],
  createClient: ['connect', '; to enter `rooms` also `read:ROOM` for each'],
  listClients: ['list'],
  getClient: ['list', '; to see oneself none'],
  renameClient: ['connect'],
  leave: ['connect', '; to remove another client `admin`'],
  send: ['send:client/{index}'],
  sendToAny: ['send:everyone', ', `send:room/ROOM` or `send:client/INDEX`, as `to` says'],
  readEveryone: ['connect'],
  readMessageToEveryone: ['connect'],
  readMailbox: ['connect'],
  readMessage: ['connect'],
  getReadState: ['connect'],
  markRead: ['connect'],
  listRooms: ['list'],
  getRoom: ['list'],
  listMembers: ['list'],
  enterRoom: ['connect', ' and `read:ROOM`'],
  exitRoom: ['connect'],
  sendToRoom: ['send:room/{room}'],
  readRoom: ['read:{room}'],
  readRoomMessage: ['read:{room}'],
  makeRoom: ['connect', ' and `read:ROOM`'],
  handOverRoom: ['connect'],
  closeRoom: ['connect'],
  listGuests: ['connect'],
  invite: ['connect'],
  withdrawInvitation: ['connect'],
  listInvitations: ['connect'],
  createAccount: ['admin', '; with `--registration open` only to say what the account may do'],
  listAccounts: ['admin'],
  permitAccount: ['admin'],
  removeAccount: ['admin', '; for one’s own account none'],
  setPassword: ['admin', '; for one’s own account none'],
  createKey: ['admin'],
  listKeys: ['admin'],
  revokeKey: ['admin'],
  ban: ['admin'],
  listBans: ['admin'],
  liftBan: ['admin'],
  readAudit: ['admin'],
  deleteMessage: ['admin'],
  deleteRoomMessage: ['admin', '; for the owner of a private room none'],
  deleteMessageToEveryone: ['admin'],
  metrics: ['list'],
};

/** An operation of the document, as far as it is looked at here. */
interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: { name: string; required?: boolean; example?: unknown }[];
  readonly responses: Record<string, Fragment>;
  description?: string;
  security?: readonly Fragment[];
}

interface Place {
  readonly path: string;
  readonly operation: Operation;
}

function operationsOf(document: Fragment): Place[] {
  const paths = within(document, 'paths') as Record<string, Record<string, Operation>>;
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.values(operations).map((operation) => ({ path, operation })),
  );
}

/**
 * Says of each operation which permission it takes, that a credential can come with it, since it must where only members may come:
 * by a header, or by a browser's cookie wherever a token would do; and what may be refused, whatever is asked for.
 */
function secure(document: Fragment): void {
  for (const { operation } of operationsOf(document)) {
    const { operationId, responses, security = [{}, { token: [] }] } = operation;
    const takes = TAKES[operationId];
    if (takes) {
      const [permission, more = ''] = takes;
      const text = permission.replace(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase());
      const sentence = `Takes the permission \`${text}\`${more}.`;
      operation.description = operation.description ? `${operation.description.trimEnd()}\n\n${sentence}` : sentence;
    }
    const needs = !WITHOUT_CREDENTIAL.has(operationId);
    operation.security = needs ? [...security, { session: [] }] : [];
    const meanings: Record<string, string> = { ...ALWAYS, ...(needs ? WITH_CREDENTIAL : {}) };
    for (const [status, meaning] of Object.entries(meanings)) {
      responses[status] ??= problems({ [status]: meaning })[status] as Fragment;
      const content = within(within(responses[status], 'content'), PROBLEM_TYPE) as { schema?: unknown } | undefined;
      if (content) content.schema = { $ref: '#/components/schemas/Problem' };
    }
    if (!needs) continue;
    if (security.some((one) => Object.keys(one).length === 0))
      merge(responses[401] as Fragment, { description: NOT_GENUINE });
    const { description } = responses[403] as { description: string };
    merge(responses[403] as Fragment, { description: refusals(description, takes !== undefined) });
  }
}

const NOT_GENUINE =
  'The credential is not genuine, or over; or there is none, and this is only for members, or for whoever has signed in.';

const NOT_ALLOWED = 'the Origin or Host is not allowed';

/** Puts between what a route says of 403 and its last words what holds for all of them. */
function refusals(description: string, takesPermission: boolean): string {
  const own = description.replace(new RegExp(`(, or )?${NOT_ALLOWED}\\.$`, 'i'), '');
  const lacks = takesPermission ? ['the credential lacks a permission'] : [];
  const all = [...(own === '' ? [] : [own]), ...lacks, 'the account or the address is kept out'].join(', ');
  return `${all.charAt(0).toUpperCase()}${all.slice(1)}, or ${NOT_ALLOWED}.`;
}

/** What may be refused whatever is asked for. */
const ALWAYS = {
  400: 'A parameter is not known.',
  403: 'The Origin or Host is not allowed.',
  429: 'Too many requests.',
  503: 'The server has too much to do, or is stopping.',
};

const WITH_CREDENTIAL = {
  401: 'There is no credential, or one that is not genuine.',
  410: 'The client of the token has left.',
  503: 'The credential cannot be checked now, or the server has too much to do, or is stopping.',
};

/** The headers that come with some problems, whatever the route. */
const PROBLEM_HEADERS: Readonly<Record<string, Fragment>> = {
  401: { 'WWW-Authenticate': { schema: { type: 'string' }, example: 'Bearer realm="interchat"' } },
  429: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'string' }, example: '1' } },
  503: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'string' }, example: '1' } },
};

/** An answer that has no body has no type of it either (RFC 9110, section 15.3.5): the generator gives one to what is undefined. */
function emptyBodies(document: Fragment): void {
  for (const { operation } of operationsOf(document)) {
    const answer = within(operation.responses, '204') as { content?: unknown } | undefined;
    if (answer) delete answer.content;
  }
}

/** Gives each problem of each operation an example of its own, and its headers. */
function illustrateProblems(document: Fragment): void {
  for (const place of operationsOf(document)) {
    for (const [status, answer] of Object.entries(place.operation.responses)) {
      const content = within(within(answer, 'content'), PROBLEM_TYPE);
      if (!content) continue;
      const example = exampleOf(place, Number(status), String(answer.description));
      merge(answer, { headers: PROBLEM_HEADERS[status], content: { [PROBLEM_TYPE]: { example } } });
    }
  }
}

function exampleOf(place: Place, status: number, detail: string): ProblemBody {
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, name: string) => String(inPath(place, name)));
  const instance = fill(place.path);
  const [takes] = TAKES[place.operation.operationId] ?? [];
  if (status === 403 && takes !== undefined) {
    const permission = fill(takes) as Permission;
    return problemBody(
      new HttpProblem('forbidden', new PermissionMissing(permission).message, { permission }),
      instance,
    );
  }
  const code = codeOf(status, place.operation);
  return code ? problemBody(new HttpProblem(code, detail), instance) : problemExample(status, detail, instance);
}

/** What is not the first code of its status. */
function codeOf(status: number, { operationId, tags: [tag = ''] }: Operation): ProblemCode | undefined {
  const rooms = tag === 'Private rooms' || operationId === 'enterRoom';
  if (status === 403 && operationId === 'signIn') return 'banned';
  if (status === 404 && NAMED.has(tag)) return 'not-found';
  if (status === 404 && operationId === 'readMessageToEveryone') return 'not-found';
  if (status === 409 && rooms) return 'room-exists';
  if (status === 422 && (rooms || tag === 'Connect')) return 'too-many-rooms';
  return undefined;
}

/** Groups in which what is missing is neither a client nor a room. */
const NAMED = new Set(['Accounts', 'Keys', 'Order']);

/** What stands in a path, by its name. Swagger fills it in, so what one operation makes is there for the next. */
function inPath({ path, operation }: Place, name: string): unknown {
  if (name === 'room') return operation.tags.includes('Private rooms') ? 'team' : 'lobby';
  if (name === 'name') return path.startsWith('/keys') ? 'sensor' : 'alice';
  return name === 'id' && path in IDS ? IDS[path] : IN_PATH[name];
}

/** Ids that are not those of messages. */
const IDS: Readonly<Record<string, string>> = {
  '/sessions/{id}': '0123456789abcdef01',
  '/bans/{id}': '0123456789abcdef01',
};

const IN_PATH: Readonly<Record<string, unknown>> = { index: 2, id: 17 };

/**
 * Swagger fills examples in, and sends them. What a path needs has one; what may be left out has none, for a filter that nobody
 * meant finds nothing.
 */
function fillIn(document: Fragment): void {
  for (const place of operationsOf(document)) {
    for (const parameter of place.operation.parameters ?? []) {
      if (parameter.required) parameter.example = inPath(place, parameter.name);
      else delete parameter.example;
    }
  }
}

/**
 * The generator makes two components of each schema, one as it goes in and one as it comes out. No schema here is used for
 * both, so one of the two is enough: the one that is referred to. Bounds that only say "a safe integer" go as well.
 */
function withoutTwins(document: unknown): Fragment {
  const text = JSON.stringify(document, (key, value: unknown) =>
    (key === 'maximum' || key === 'minimum') && Math.abs(value as number) === Number.MAX_SAFE_INTEGER
      ? undefined
      : value,
  );
  const object = JSON.parse(text.replace(/(#\/components\/schemas\/\w+)Input"/g, '$1"')) as Fragment;
  const schemas = within(within(object, 'components'), 'schemas') as Record<string, unknown>;
  for (const [name, schema] of Object.entries(schemas)) {
    if (!name.endsWith('Input')) continue;
    if (text.includes(`#/components/schemas/${name}"`)) schemas[name.slice(0, -'Input'.length)] = schema;
    delete schemas[name];
  }
  return object;
}

function within(object: Fragment | undefined, key: string): Fragment | undefined {
  return object?.[key] as Fragment | undefined;
}

/** Puts `extra` into `target`, object by object; anything else replaces what was there. */
function merge(target: Fragment, extra: Fragment): void {
  const into = target as Record<string, unknown>;
  for (const [key, value] of Object.entries(extra)) {
    const there = into[key];
    if (isFragment(there) && isFragment(value)) merge(there, value);
    else into[key] = value;
  }
}

function isFragment(value: unknown): value is Fragment {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
