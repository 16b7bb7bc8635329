import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { enterRoom, noBrowser, say, shows, startBrowser, visit } from '../support/browser.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const bash = async (command: string) =>
  JSON.parse((await promisify(execFile)('bash', ['-euc', `${command} -sS`])).stdout || '{}') as Record<string, unknown>;

void t.test('the page shows how it is done', { skip: noBrowser }, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const { page, context, complaints } = await visit(t, browser, `http://localhost:${server.port}/`, {
    name: 'alice',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const copied = async (name: RegExp) => {
    await page.evaluate(() => navigator.clipboard.writeText(''));
    await page.getByRole('button', { name }).click();
    let text = '';
    await waitFor(async () => (text = await page.evaluate(() => navigator.clipboard.readText())) !== '');
    return text;
  };

  await t.test('the commands it begins with', async (t) => {
    t.match(await bash(await copied(/LIST/)), { clients: [{ name: 'alice' }], total: 1 });
    t.match(await bash(await copied(/SEND/)), { to: { client: 1 }, from: null, reach: 1 });
    t.match(await copied(/Be a client/), /^curl -N '.*\/events\?name=alice'$/);
  });

  await t.test('what would be sent, as curl', async (t) => {
    await enterRoom(page, 'lobby');
    const text = `It's <"${'$'}HOME"> & \`id\`\n@file %41 ü`;
    await page.locator('.composer textarea').fill(text);
    const sent = await bash(await copied(/curl command that sends this/));
    t.match(sent, { text, to: { room: 'lobby' }, from: { index: 1, name: 'alice' } });
    await shows(page, text);
    await page.locator('.composer textarea').fill('');
    // What is undone before it was told is not told at all.
    await page.getByRole('button', { name: 'How it works' }).click();
    await page.locator('.trail', { hasText: '"change":"entered"' }).waitFor();
    const command = await copied(/curl command to leave lobby/);
    await promisify(execFile)('bash', ['-euc', `${command} -sS`]);
    await page.getByRole('button', { name: /^Enter the room/ }).waitFor();
    await page.getByRole('button', { name: /^Enter the room/ }).click();
    await page.locator('.composer textarea:enabled').waitFor();
  });

  await t.test('each thing done, as the command that does the same', async (t) => {
    await say(page, 'from the page');
    const done = page.getByRole('list', { name: 'What you did, as curl' }).getByRole('listitem');
    await done.filter({ hasText: /Send to the room lobby 201/ }).waitFor();
    const whats = (await done.allTextContents()).join('\n');
    for (const what of [
      /Connect as a new client 200/,
      /Change my name 200/,
      /LIST 200/,
      /Enter the room lobby 20[01]/,
    ]) {
      t.match(whats, what);
    }
    // Run in a terminal it is a repeat of what was sent, under the same key: nothing comes twice.
    const command = String(await done.filter({ hasText: 'Send to the room lobby' }).locator('code').textContent());
    const { stdout } = await promisify(execFile)('bash', ['-euc', `${command} -sSi`]);
    t.match(stdout, /idempotency-replayed: true/i);
    const rename = String(await done.filter({ hasText: 'Change my name' }).locator('code').textContent());
    t.match(await bash(rename.replace('"alice"', '"alicia"')), { name: 'alicia' });
    await page.locator('.self .name', { hasText: 'alicia' }).waitFor();
    const connect = String(await done.filter({ hasText: 'Connect as' }).locator('code').textContent());
    t.match(connect, /^curl -N '.*\/events\?presence=true'$/);
  });

  await t.test('the events of its stream, as they come', async (t) => {
    const reader = await EventReader.open(t, `${server.url}/events?name=bob`);
    await reader.take('welcome');
    const events = page.getByRole('list', { name: 'Your stream, as it comes' }).getByRole('listitem');
    await events.filter({ hasText: '"change":"joined"' }).waitFor();
    await ask(`${server.url}/clients/1/messages`, { json: { text: 'raw' } });
    const raw = String(await events.filter({ hasText: '"text":"raw"' }).locator('code').textContent());
    t.match(raw, /^data: \{"id":"\d+",.*"text":"raw".*\}\nid: \d+\.1\.\S+$/);
    t.match(await events.first().textContent(), /retry: \d+\s*event: welcome\s*id: \S+\s*data: \{/);
  });
  t.same(complaints, []);
  await context.close();
});

void t.test(
  'notifications: asked for on a click, none for what one looks at or catches up with',
  { skip: noBrowser },
  async (t) => {
    const server = await startServer(t);
    const browser = await startBrowser(t);
    const { page, context, complaints } = await visit(t, browser, `http://localhost:${server.port}/`, {
      name: 'alice',
    });
    // Headless, no desktop shows them: what the page asks of the browser is recorded.
    await context.addInitScript({
      content: `
        globalThis.shown = [];
        globalThis.asked = 0;
        globalThis.Notification = class {
          static permission = 'default';
          static async requestPermission() {
            asked++;
            return (this.permission = 'granted');
          }
          constructor(title, { body }) {
            shown.push(title + ': ' + body);
          }
          close() {}
        };`,
    });
    await page.reload();
    const asked = () => page.evaluate<number>('asked');
    const shown = () => page.evaluate<string[]>('shown');
    await page.getByText('You are alice', { exact: true }).waitFor();
    t.equal(await asked(), 0, 'nothing is asked unasked');
    await page.getByRole('button', { name: 'Notify me' }).click();
    await page.locator('button[aria-pressed=true]', { hasText: 'Notify me' }).waitFor();
    t.equal(await asked(), 1);

    const bob = await EventReader.open(t, `${server.url}/events?name=bob`);
    const { token } = (await bob.take('welcome')).data as { token: string };
    await page.getByRole('navigation').getByRole('link', { name: 'Everyone' }).click();
    await page.locator('.composer textarea:enabled').waitFor();
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'in view' }, token });
    await shows(page, 'in view');
    const lines = ['one', 'two', 'three'].map((text) => JSON.stringify({ to: { client: 1 }, text }));
    const headers = { 'content-type': 'application/x-ndjson' };
    await ask(`${server.url}/messages`, { body: lines.join('\n'), headers, token });
    await waitFor(async () => (await shown()).length > 0);
    t.same(await shown(), ['bob: 3 messages. The last: three'], 'what comes together is told together');
    t.same(complaints, []);
  },
);
