/* Builds the page into dist/web: one script and one style, with a hash of their content in their names, compressed ahead. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath, URL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const HERE = new URL('./', import.meta.url);
const OUT = new URL('../../dist/web/', import.meta.url);

await rm(OUT, { recursive: true, force: true });
const { metafile, outputFiles } = await build({
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
  legalComments: 'none',
  metafile: true,
  write: true,
  logLevel: 'warning',
});
if (outputFiles) throw new Error('esbuild was to write the files itself');

/** The path of what became of one file, relative to the page. */
function built(source) {
  const [path] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source) ?? [];
  if (path === undefined) throw new Error(`nothing was built of ${source}`);
  return path.slice(path.indexOf('assets/'));
}

const template = await readFile(new URL('index.html', HERE), 'utf8');
const page = template.replace(/(?<=(?:src|href)=")\.\/([^"]+)/g, (_, source) => built(source));
await writeFile(new URL('index.html', OUT), page);

for (const path of Object.keys(metafile.outputs)) {
  const file = new URL(path.slice(path.indexOf('assets/')), OUT);
  const content = await readFile(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  await writeFile(new URL(`${file.href}.br`), brotliCompressSync(content, { params }));
  await writeFile(new URL(`${file.href}.gz`), gzipSync(content, { level: 9 }));
}
