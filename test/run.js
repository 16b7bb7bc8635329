import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL, URL } from 'node:url';
import { build } from 'esbuild';

/**
 * Runs tests as `npx tap` does: those given, or all; with the options of tap. It builds them first, all together, so that none
 * of them has to translate TypeScript and to find a hundred modules, which took more than half the CPU of many.
 */
const top = fileURLToPath(new URL('..', import.meta.url));
/** Of this run alone, as there may be several at once; below `top`, where its modules are found. */
const folder = `test/build/${process.pid}`;

const args = process.argv.slice(2);
const given = args.filter((arg) => arg.endsWith('.ts'));
const tests = given.length > 0 ? given.map((file) => relative(top, file)) : await all();
await build({
  absWorkingDir: top,
  entryPoints: tests,
  outbase: 'test',
  outdir: folder,
  bundle: true,
  splitting: true,
  chunkNames: 'parts/[hash]',
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
  plugins: [{ name: 'import-meta-url', setup: keepPlaces }],
});

const preload = new URL('support/preload.js', import.meta.url).href;
const options = [process.env.NODE_OPTIONS, JSON.stringify(`--import=${preload}`)].filter(Boolean).join(' ');
const built = tests.map((test) => `${folder}/${relative('test', test).replace(/\.ts$/, '.js')}`);
const program = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url));
const tap = spawn(process.execPath, [program, ...args.filter((arg) => !given.includes(arg)), ...built], {
  cwd: top,
  stdio: 'inherit',
  env: { ...process.env, NODE_OPTIONS: options },
});
const [code] = await once(tap, 'exit');
await rm(`${top}/${folder}`, { recursive: true, force: true });
process.exitCode = code ?? 1;

async function all() {
  const files = await readdir(`${top}/test`, { recursive: true });
  return files.filter((file) => file.endsWith('.test.ts')).map((file) => `test/${file}`);
}

/** Files that a module names beside itself are where its source is. */
function keepPlaces({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, async ({ path }) => {
    const source = await readFile(path, 'utf8');
    return { loader: 'ts', contents: source.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)) };
  });
}
