import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { startServer } from '../support/server.js';

const execute = promisify(execFile);
const top = fileURLToPath(new URL('../..', import.meta.url));
const tool = (name: string) => join(top, 'node_modules', '.bin', name);

const PROGRAM = `
import createClient from 'openapi-fetch';
import type { paths } from './api.js';

const api = createClient<paths>({ baseUrl: process.argv[2] as string });
const made = await api.POST('/clients', { body: { name: 'generated' } });
if (!made.data) throw new Error(made.error.detail);
const { client, token } = made.data;
const headers = { authorization: \`Bearer \${token}\` };
const path = { index: client.index };

const sent = await api.POST('/clients/{index}/messages', { params: { path }, body: { text: 'typed', data: { n: 1 } } });
if (!sent.data) throw new Error(sent.error.detail);
const reach: number = sent.data.reach;

const renamed = await api.PATCH('/clients/{index}', { params: { path }, body: { name: 'renamed' }, headers });
const list = await api.GET('/clients', { params: { query: { status: 'away', limit: 10 } } });
const mailbox = await api.GET('/clients/{index}/messages', { params: { path, query: { wait: 1 } }, headers });
const texts = mailbox.data?.messages.map(({ text }) => text);
const left = await api.DELETE('/clients/{index}', { params: { path }, headers });
const gone = await api.GET('/clients/{index}', { params: { path } });

const account = { name: 'typed', password: 'correct horse battery staple' };
const refused = await api.POST('/accounts', { body: { ...account, may: ['admin'] } });
await api.POST('/accounts', { body: account });
const signedIn = await api.POST('/sessions', { body: account });
if (!signedIn.data) throw new Error(signedIn.error.detail);
const mine = { authorization: \`Bearer \${signedIn.data.token}\` };
const room = await api.PUT('/rooms/{room}', { params: { path: { room: 'crew' } }, body: { private: true }, headers: mine });
const out = await api.DELETE('/sessions/{id}', { params: { path: { id: 'current' } }, headers: mine });
const members = [refused.error?.permission, signedIn.data.kind, room.data?.private, out.response.status];
console.log(JSON.stringify([reach, renamed.data?.name, typeof list.data === 'object' && list.data.total, texts, left.response.status, gone.error?.code, ...members]));
`;

/** Each is a mistake that the generated types must not let pass. */
const MISTAKES = [
  "await api.POST('/clients/{index}/messages', { params: { path }, body: { text: 5 } });",
  "await api.GET('/clients', { params: { query: { status: 'gone' } } });",
  "await api.GET('/client');",
  'const wrong: string = sent.data.reach;',
  "await api.POST('/keys', { body: { name: 'a key' } });",
  "await api.PUT('/rooms/{room}', { params: { path: { room: 'crew' } }, body: { private: false } });",
  'const nothing: null = signedIn.data.token;',
];

void t.test('a client generated from the document type-checks and works', async (t) => {
  const server = await startServer(t, { registration: 'open' });
  // Inside the repository, so that the program finds openapi-fetch.
  const folder = await mkdtemp(join(top, '.tap', 'generated-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await execute(tool('openapi-typescript'), [join(top, 'openapi', 'openapi.yaml'), '-o', join(folder, 'api.ts')]);
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', '--types', 'node'];
  const check = async (name: string, program: string) => {
    await writeFile(join(folder, name), program);
    return execute(tool('tsc'), ['--ignoreConfig', ...options, join(folder, name)]).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
  };
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');

  t.equal(await check('program.ts', PROGRAM), '');
  const { stdout } = await execute(process.execPath, [join(folder, 'program.js'), server.url]);
  t.same(JSON.parse(stdout), [0, 'renamed', 1, ['typed'], 204, 'client-gone', 'admin', 'account', true, 204]);

  const wrong = await check('mistakes.ts', PROGRAM + MISTAKES.join('\n'));
  const lines = new Set([...wrong.matchAll(/mistakes\.ts\((\d+),/g)].map((match) => match[1]));
  t.equal(lines.size, MISTAKES.length, wrong);
});
