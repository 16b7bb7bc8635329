import { readFile } from 'node:fs/promises';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { parse, stringify } from 'yaml';
import type { App } from './context.js';
import { PROBLEM_TYPE, problemExample } from './problem.js';
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
  { name: 'Self', description: 'Change your name, or leave.' },
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
          token: { type: 'http', scheme: 'bearer', description: 'The token from the welcome, or from POST /clients.' },
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

/** The headers that come with some problems, whatever the route. */
const PROBLEM_HEADERS: Readonly<Record<string, Fragment>> = {
  401: { 'WWW-Authenticate': { schema: { type: 'string' }, example: 'Bearer realm="interchat"' } },
  429: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'string' }, example: '1' } },
  503: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'string' }, example: '1' } },
};

/** Gives each problem of each operation an example of its own, and its headers. */
function illustrateProblems(document: Fragment): void {
  const paths = within(document, 'paths') as Record<string, Record<string, Fragment>>;
  for (const [path, operations] of Object.entries(paths)) {
    for (const operation of Object.values(operations)) {
      for (const [status, answer] of Object.entries(within(operation, 'responses') as Record<string, Fragment>)) {
        const content = within(within(answer, 'content'), PROBLEM_TYPE);
        if (!content) continue;
        const instance = path.replace(/\{(\w+)\}/g, (_, name: string) => String(IN_PATH[name]));
        const example = problemExample(Number(status), String(answer.description), instance);
        merge(answer, { headers: PROBLEM_HEADERS[status], content: { [PROBLEM_TYPE]: { example } } });
      }
    }
  }
}

/** What stands in a path, by its name. */
const IN_PATH: Readonly<Record<string, unknown>> = { index: 2, id: 17, room: 'lobby' };

/**
 * Swagger fills examples in, and sends them. What a path needs has one; what may be left out has none, for a filter that nobody
 * meant finds nothing.
 */
function fillIn(document: Fragment): void {
  const paths = within(document, 'paths') as Record<string, Record<string, Fragment>>;
  for (const { parameters = [] } of Object.values(paths).flatMap((operations) => Object.values(operations))) {
    for (const parameter of parameters as { name: string; required?: boolean; example?: unknown }[]) {
      if (parameter.required) parameter.example = IN_PATH[parameter.name];
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
