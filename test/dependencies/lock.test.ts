import t from 'tap';
import { locked, manifest, nameAt } from './packages.js';

/** They want to run something when they are installed, and are not let (`allowScripts`): what has native code brings it built. */
const WITH_SCRIPTS = ['esbuild', 'lmdb', 'msgpackr-extract'];
const RANGE = /^(?:\^|~|>=)?\d+\.\d+\.\d+(?:-[\w.]+)?$/;

void t.test('whatever is installed is what it was when it was chosen, from wherever it comes', async (t) => {
  t.ok(locked.length > 100);
  const without = locked.filter(([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity));
  t.same(without, [], 'each has the hash of its content');
  const bound = locked.filter(([, { resolved, link }]) => resolved !== undefined || link !== undefined);
  t.same(bound, [], 'none is bound to a place');
});

void t.test('what wants to run when it is installed is known, and is not let', async (t) => {
  const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameAt(path));
  t.same([...new Set(scripted)].sort(), WITH_SCRIPTS);
  t.same(manifest.allowScripts, Object.fromEntries(WITH_SCRIPTS.map((name) => [name, false])));
});

void t.test('what is asked for is a version, and never a file, a repository or a URL', async (t) => {
  const { dependencies, devDependencies, overrides } = manifest as Record<string, Record<string, string | object>>;
  const all = Object.entries({ ...dependencies, ...devDependencies, ...overrides }).flatMap(([name, range]) =>
    typeof range === 'string' ? [[name, range]] : Object.entries(range as Record<string, string>),
  );
  t.ok(all.length > 30);
  // `$NAME` is the range that NAME has above.
  const others = all.filter(([, range = '']) => !RANGE.test(range) && !range.startsWith('$'));
  t.same(others, []);
});
