import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

type Json = Record<string, unknown>;

const text = await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8');
const document = parse(text) as { paths: Record<string, Record<string, Json>>; components: { schemas: Json } };

void t.test('the document is served word for word, and as JSON', async (t) => {
  const server = await startServer(t);
  const yaml = await ask(`${server.url}/openapi.yaml`);
  t.equal(yaml.text, text);
  t.match(yaml.headers['content-type'], /yaml/);
  t.same((await ask(`${server.url}/openapi.json`)).json, document);
});

void t.test('every reference in it leads somewhere', async (t) => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] as string);
  t.ok(references.length > 20);
  for (const reference of new Set(references)) {
    let there: unknown = document;
    for (const key of reference.split('/')) there = (there as Json | undefined)?.[key];
    t.ok(there, reference);
  }
});

void t.test('every operation says what it is, what it takes and what it answers', async (t) => {
  const ids = new Set<unknown>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`;
      t.notOk(ids.has(operation.operationId), `${name} has an operationId of its own`);
      ids.add(operation.operationId);
      t.type(operation.summary, 'string', name);
      const parameters = (operation.parameters ?? []) as Json[];
      for (const { name: parameter, description, schema } of parameters) {
        t.type(description, 'string', `${name}: ${String(parameter)}`);
        t.ok(schema);
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = parameters.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name);
      t.same(declared.sort(), inPath.sort(), `${name} declares its path parameters`);
      const statuses = Object.keys(operation.responses as Json);
      t.ok(
        statuses.some((status) => status.startsWith('2')),
        `${name} tells its success`,
      );
    }
  }
});

void t.test('it has the routes of the server, and no others', async (t) => {
  const server = await startServer(t);
  for (const [path, operations] of Object.entries(document.paths)) {
    const { headers, status } = await ask(`${server.url}${path.replace(/\{\w+\}/g, '1')}`, { method: 'OPTIONS' });
    t.equal(status, 204, path);
    const allowed = (headers.allow ?? '').split(', ').filter((method) => method !== 'OPTIONS' && method !== 'HEAD');
    t.same(
      allowed.sort(),
      Object.keys(operations)
        .map((method) => method.toUpperCase())
        .sort(),
      path,
    );
  }
});

void t.test('the page that shows it may load what it needs', async (t) => {
  const server = await startServer(t);
  const page = await ask(`${server.url}/docs/`);
  t.equal(page.status, 200);
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, /script-src 'self'(;|$)/);
  t.notMatch(policy, /upgrade-insecure-requests/, 'it works where there is no TLS');
  const scripts = [...page.text.matchAll(/<script\b([^>]*)>([^<]*)<\/script>/g)];
  t.ok(scripts.length > 0);
  for (const [, attributes = '', inline = ''] of scripts) {
    t.equal(inline.trim(), '', 'no inline script, which the policy would forbid');
    const source = /src="([^"]+)"/.exec(attributes)?.[1] as string;
    t.equal((await ask(new URL(source, `${server.url}/docs/`).href)).status, 200, source);
  }
  t.same((await ask(`${server.url}/docs/json`)).json, document);
});
