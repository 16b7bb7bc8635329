import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { noBrowser, startBrowser } from '../support/browser.js';
import { startServer } from '../support/server.js';

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** The first block of code behind a heading, as it is printed. */
function codeBehind(heading: string, language: string): string {
  const at = readme.indexOf(`### ${heading}\n`);
  const block = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(readme.slice(at));
  if (at < 0 || !block?.[1]) throw new Error(`the README has no ${language} behind ${heading}`);
  return block[1];
}

void t.test('agents talking to each other with curl', async (t) => {
  const { port } = await startServer(t);
  const script = codeBehind('Agents talking to each other with curl', 'bash');
  const { stdout } = await promisify(execFile)('bash', ['-euc', script.replace('localhost:8080', `localhost:${port}`)]);
  t.match(stdout, /The answer is 42\.\n/);
});

void t.test('a chat in a browser in 20 lines', { skip: noBrowser }, async (t) => {
  const html = codeBehind('A chat in a browser in 20 lines', 'html');
  t.ok(html.trimEnd().split('\n').length <= 20, 'it is no longer than it says');

  let server = '';
  const pages = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end(html.replace('http://localhost:8080', server));
  }).listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.teardown(() => pages.close());
  const origin = `http://localhost:${(pages.address() as AddressInfo).port}`;
  const { port } = await startServer(t, { corsOrigins: [origin] });
  server = `http://localhost:${port}`;

  const browser = await startBrowser(t);
  const open = async (name: string) => {
    const page = await browser.newPage();
    const welcomed = page.waitForResponse((response) => response.url().includes('/events'));
    await page.goto(`${origin}/chat.html?name=${name}`);
    await welcomed;
    return page;
  };
  const alice = await open('alice');
  const bob = await open('bob');
  await bothAreIn(t, server);
  const say = async (page: typeof alice, text: string) => {
    await page.fill('input', text);
    await page.click('button');
  };
  await say(alice, 'Hello <b>Bob</b>!');
  for (const page of [alice, bob]) await page.waitForSelector('li:has-text("alice: Hello <b>Bob</b>!")');
  await say(bob, 'Hello Alice!');
  for (const page of [alice, bob]) await page.waitForSelector('li:has-text("bob: Hello Alice!")');
  t.equal(await bob.locator('li b').count(), 0, 'markup stays text');
  t.same(await alice.locator('li').allTextContents(), ['alice: Hello <b>Bob</b>!', 'bob: Hello Alice!']);
});

async function bothAreIn(t: Test, server: string): Promise<void> {
  for (;;) {
    const { online } = (await (await fetch(`${server}/rooms/lobby`)).json()) as { online?: number };
    if (online === 2) return void t.pass('both are in the room');
  }
}
