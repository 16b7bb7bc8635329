/*
 * Builds the page into dist/web: one script and one style, with a hash of their content in their names, compressed ahead; and the
 * notices of those whose work is in them.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath, URL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const HERE = new URL('./', import.meta.url);
const OUT = new URL('../../dist/web/', import.meta.url);

await rm(OUT, { recursive: true, force: true });
const options = {
  absWorkingDir: fileURLToPath(HERE),
  entryPoints: { page: 'main.tsx', style: 'style.css', icon: 'icon.svg' },
  outdir: fileURLToPath(OUT),
  entryNames: 'assets/[name]-[hash]',
  loader: { '.svg': 'copy' },
  bundle: true,
  minify: true,
  format: 'esm',
  // The first that know light-dark(), which the style is made with.
  target: ['chrome123', 'firefox121', 'safari17.5'],
  tsconfig: fileURLToPath(new URL('tsconfig.json', HERE)),
  // What there is of them is in the notices.
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};
const notices = await noticesOf(await build({ ...options, write: false }));
const digest = createHash('sha256').update(notices).digest('hex').slice(0, 8).toUpperCase();
const noticesFile = `assets/notices-${digest}.txt`;
// Its licence is to go with each copy of a program, and the script is one.
const footer = { js: `/*! Licences: ${noticesFile.replace('assets/', './')} */` };
const { metafile, outputFiles } = await build({ ...options, footer, write: true });
if (outputFiles) throw new Error('esbuild was to write the files itself');
await writeFile(new URL(noticesFile, OUT), notices);

/** The licences of all packages of which something is in what was built. */
async function noticesOf({ metafile: { outputs } }) {
  const packages = new Set();
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+\//.exec(path) ?? [];
      if (folder !== undefined && bytesInOutput > 0) packages.add(folder);
    }
  }
  const texts = [];
  for (const folder of [...packages].sort()) {
    const at = new URL(folder, HERE);
    const { name, version, license } = JSON.parse(await readFile(new URL('package.json', at), 'utf8'));
    const file = (await readdir(at)).find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) throw new Error(`${name} has no licence that could go with the page`);
    const text = (await readFile(new URL(file, at), 'utf8')).trim();
    texts.push(`${name} ${version} (${license})\n\n${text}\n`);
  }
  return `The page of InterChat has in it:\n\n${texts.join(`\n${'-'.repeat(72)}\n\n`)}`;
}

/** The path of what became of one file, relative to the page. */
function built(source) {
  const [path] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source) ?? [];
  if (path === undefined) throw new Error(`nothing was built of ${source}`);
  return path.slice(path.indexOf('assets/'));
}

const template = await readFile(new URL('index.html', HERE), 'utf8');
const page = template.replace(/(?<=(?:src|href)=")\.\/([^"]+)/g, (_, source) => built(source));
await writeFile(new URL('index.html', OUT), page);

for (const path of [...Object.keys(metafile.outputs), noticesFile]) {
  const file = new URL(path.slice(path.indexOf('assets/')), OUT);
  const content = await readFile(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  await writeFile(new URL(`${file.href}.br`), brotliCompressSync(content, { params }));
  await writeFile(new URL(`${file.href}.gz`), gzipSync(content, { level: 9 }));
}
