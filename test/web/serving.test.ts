import { readdir, readFile } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import t from 'tap';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const ASSETS = new URL('../../dist/web/assets/', import.meta.url);

void t.test('the page is asked for each time, under a policy that lets it talk to its server alone', async (t) => {
  const { url } = await startServer(t);
  const page = await ask(url);
  t.match(page, {
    status: 200,
    headers: { 'content-type': /^text\/html; charset=utf-8$/i, 'cache-control': 'no-cache', etag: /./ },
  });
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, "default-src 'none'");
  t.match(policy, "script-src 'self';");
  t.match(policy, "style-src 'self';");
  t.match(policy, "connect-src 'self'");
  t.match(policy, "require-trusted-types-for 'script'");
  t.notMatch(policy, /unsafe|https?:|\*/);
  t.notMatch(page.text, /<script[^>]*>[^<]|<style|\son\w+=|\sstyle=/, 'nothing inline, which the policy would forbid');
  t.notMatch(page.text, /(src|href)="(https?:)?\/\//, 'nothing from anywhere else');
  const again = await ask(url, { headers: { 'if-none-match': String(page.headers.etag) } });
  t.match(again, { status: 304, text: '' }, 'nothing is sent again while it is the same');
  t.match(await ask(url, { method: 'HEAD' }), { status: 200, text: '' });
  t.match(await ask(url, { method: 'POST' }), { status: 405, json: { code: 'method-not-allowed' } });
});

void t.test('what the page loads is kept for a year, compressed, and named by its content', async (t) => {
  const { url } = await startServer(t);
  const { text } = await ask(url);
  const paths = [...text.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, path]) => String(path));
  t.equal(paths.length, 3, 'script, style and icon');
  let size = 0;
  for (const path of paths) {
    t.match(path, /-[A-Z0-9]{8}\.(js|css|svg)$/);
    const plain = await ask(`${url}/${path}`);
    t.match(plain, { status: 200, headers: { 'cache-control': /max-age=31536000, immutable/ } }, path);
    t.match(plain.headers['content-type'], /^((text|application)\/javascript|text\/css|image\/svg\+xml)/);
    t.notMatch(plain.text, /\bhttps?:\/\/(?!www\.w3\.org\/|localhost)[a-z]/, 'it names no other host');
    for (const [encoding, unpack] of [
      ['br', brotliDecompressSync],
      ['gzip', gunzipSync],
    ] as const) {
      const response = await fetch(`${url}/${path}`, { headers: { 'accept-encoding': encoding } });
      t.match(response.headers.get('content-encoding'), encoding);
      t.match(response.headers.get('vary'), /accept-encoding/i);
      const file = await readFile(
        new URL(`${path.slice('assets/'.length)}.${encoding === 'br' ? 'br' : 'gz'}`, ASSETS),
      );
      t.equal(unpack(file).toString(), plain.text, `${path}, ${encoding}`);
      if (encoding === 'gzip') size += file.length;
    }
  }
  t.comment(`${size} bytes of script, style and icon, gzipped`);
  t.ok(size < 60_000, 'it is small');
});

void t.test('nothing else is to be had under its paths', async (t) => {
  const { url } = await startServer(t);
  const [file = ''] = await readdir(ASSETS);
  for (const path of [
    '/assets/',
    '/assets',
    '/assets/nothing.js',
    `/assets/${file}.map`,
    '/assets/../index.html',
    '/assets/..%2f..%2fpackage.json',
    '/index.html',
    '/assets/%00',
  ]) {
    t.match(await ask(url + path), { status: 404, headers: { 'content-type': /problem/ } }, path);
  }
  t.notMatch(await (await fetch(`${url}/openapi.json`)).text(), '/assets/', 'the API says nothing of them');
});
