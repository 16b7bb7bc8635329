import { readdir, readFile } from 'node:fs/promises';
import t from 'tap';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { isAmong, locked, nameAt, shipped, TOP } from './packages.js';

/** What can be shipped with a program under the MIT licence, and asks for no more than to be named. */
const PERMISSIVE = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', '0BSD', 'Unlicense'];
/** Of what only helps to develop: nothing of it is given to anybody. */
const TOOLS = [...PERMISSIVE, 'CC0-1.0', 'CC-BY-3.0', 'MPL-2.0', 'Python-2.0', 'Zlib', 'WTFPL'];
/** Says it in a file alone. */
const IN_A_FILE: Readonly<Record<string, string>> = { 'jsonc-simple-parser': 'MIT' };

void t.test('whatever is shipped may be, and so may be used what is not', async (t) => {
  t.ok(shipped.length > 50 && locked.length > shipped.length, `${shipped.length} of ${locked.length} are shipped`);
  const not = locked
    .map(([path, { license, dev }]) => ({ path, dev, license: license ?? IN_A_FILE[nameAt(path)] ?? 'none' }))
    .filter(({ license, dev }) => !isAmong(dev ? TOOLS : PERMISSIVE, license));
  t.same(not, []);
});

void t.test('what is installed here says the same of itself as the lock does', async (t) => {
  const others: string[] = [];
  let installed = 0;
  for (const [path, { version, license }] of shipped) {
    const file = await readFile(new URL(`${path}/package.json`, TOP), 'utf8').catch(() => undefined);
    // Of those for other platforms there is nothing here.
    if (file === undefined) continue;
    installed++;
    const its = JSON.parse(file) as { version: string; license?: string };
    if (its.version !== version || its.license !== license) others.push(path);
  }
  t.same(others, []);
  t.ok(installed > 50, `${installed} are installed`);
});

void t.test('licences are read as SPDX has them', async (t) => {
  for (const good of ['MIT', '(MIT OR GPL-3.0-only)', 'MIT AND ISC', 'GPL-3.0-only OR MIT AND ISC'])
    t.ok(isAmong(PERMISSIVE, good), good);
  for (const bad of [
    'none',
    'GPL-3.0-only',
    '(MIT AND GPL-3.0-only)',
    'SEE LICENSE IN LICENSE',
    'MIT WITH x',
    '(MIT)(x)',
  ])
    t.notOk(isAmong(PERMISSIVE, bad), bad);
});

void t.test('the page comes with the licences of all that is in it', async (t) => {
  const { url } = await startServer(t);
  const [script = ''] = /assets\/page-\w+\.js/.exec((await ask(url)).text) ?? [];
  const { text } = await ask(`${url}/${script}`);
  const [, name = ''] = /\/\*! Licences: \.\/(notices-\w+\.txt) \*\/\s*$/.exec(text) ?? [];
  const notices = await ask(`${url}/assets/${name}`);
  t.match(notices, { status: 200, headers: { 'content-type': /^text\/plain/, 'cache-control': /immutable/ } });
  // What its sources import, and what those do.
  const sources = await readdir(new URL('src/web/', TOP), { recursive: true });
  const texts = sources
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => readFile(new URL(`src/web/${file}`, TOP), 'utf8'));
  const imported = (await Promise.all(texts)).flatMap((text) =>
    [...text.matchAll(/from '((?:@[^/']+\/)?[^./'][^/']*)/g)].map(([, name]) => name as string),
  );
  const names = new Set([...imported, '@preact/signals-core']);
  t.ok(names.has('preact'));
  for (const name of names) {
    const { version } = JSON.parse(await readFile(new URL(`node_modules/${name}/package.json`, TOP), 'utf8')) as {
      version: string;
    };
    const license = (await readFile(new URL(`node_modules/${name}/LICENSE`, TOP), 'utf8')).trim();
    t.match(notices.text, `${name} ${version} (MIT)\n\n${license}\n`, name);
  }
});
