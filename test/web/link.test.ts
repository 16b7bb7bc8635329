import type { Page } from 'playwright-core';
import t from 'tap';
import {
  enterRoom,
  isLive,
  noBrowser,
  openConversation,
  say,
  shows,
  startBrowser,
  textsOf,
  visit,
} from '../support/browser.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { lastingPort } from '../support/port.js';
import { spawnServer, startServer } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait.js';

/** Has the page try again at once, as it does when the browser says that there is a network again. */
async function hurry(page: Page): Promise<void> {
  await page.evaluate(() => dispatchEvent(new Event('online')));
}

void t.test('the link of the page', { skip: noBrowser }, async (t) => {
  const browser = await startBrowser(t);

  await t.test('a server that is killed and comes back: nothing is lost, nothing doubled', async (t) => {
    const folder = await temporaryFolder(t);
    const port = await lastingPort();
    const url = `http://localhost:${port}/`;
    let server = await spawnServer(t, { folder, port });
    const alice = await visit(t, browser, url, { name: 'alice' });
    const bob = await visit(t, browser, url, { name: 'bob' });
    await openConversation(alice.page, /bob/);
    await openConversation(bob.page, /alice/);
    await say(alice.page, 'before');
    await shows(bob.page, 'before');

    await server.end('SIGKILL');
    await alice.page
      .getByText(/Reconnecting/)
      .first()
      .waitFor();
    await say(alice.page, 'while it was down');
    await say(alice.page, 'and another');
    await alice.page.getByText(/Not sent\. The server cannot be reached/).waitFor();
    // There is nothing to load the page from. What was written outlives that.
    await alice.page.reload().catch(() => undefined);
    server = await spawnServer(t, { folder, port });
    await alice.page.goto(`${url}#client/2`);
    for (const { page } of [alice, bob]) {
      await hurry(page);
      await isLive(page);
      await shows(page, 'and another');
      await page.locator('.pending').waitFor({ state: 'detached' });
      t.same(await textsOf(page), ['before', 'while it was down', 'and another']);
    }
    await say(bob.page, 'after');
    await shows(alice.page, 'after');
    t.match((await ask(`${server.url}/clients`)).json, { total: 2 }, 'they are who they were');
    t.same([...alice.complaints, ...bob.complaints], []);
  });

  await t.test('a server that was set up anew is begun with anew', async (t) => {
    const port = await lastingPort();
    const url = `http://localhost:${port}/`;
    const first = await spawnServer(t, { folder: await temporaryFolder(t), port });
    const { page, complaints } = await visit(t, browser, url, { name: 'alice' });
    await enterRoom(page, 'lobby');
    await say(page, 'of old');
    await shows(page, 'of old');
    await first.end('SIGKILL');
    await page.locator('.sidebar .link.broken').waitFor();
    const server = await spawnServer(t, { folder: await temporaryFolder(t), port });
    await hurry(page);
    await page.getByText(/set up anew/).waitFor();
    await isLive(page);
    await page.locator('.composer textarea:enabled').waitFor();
    // Its id is that of the message of old.
    await say(page, 'of now');
    await shows(page, 'of now');
    t.same(await textsOf(page), ['of now']);
    t.match((await ask(`${server.url}/clients/1`)).json, { name: 'alice', rooms: ['lobby'] });
    t.same(complaints, []);
  });

  await t.test('two tabs of one client begin anew together, and leave and return together', async (t) => {
    const port = await lastingPort();
    const url = `http://localhost:${port}/#everyone`;
    const first = await spawnServer(t, { folder: await temporaryFolder(t), port });
    const { page, context, complaints } = await visit(t, browser, url);
    const kept = await page.evaluate<Record<string, string>>(() => ({ ...sessionStorage }));
    const other = await context.newPage();
    await other.addInitScript((items) => {
      if (sessionStorage.length > 0) return;
      for (const [name, value] of Object.entries(items)) sessionStorage.setItem(name, value);
    }, kept);
    await other.goto(url);
    await isLive(other);
    await other.locator('.composer textarea:enabled').waitFor();
    await say(page, 'of old');
    for (const one of [page, other]) await shows(one, 'of old');
    await first.end('SIGKILL');
    const server = await spawnServer(t, { folder: await temporaryFolder(t), port });
    for (const one of [page, other]) await hurry(one);
    for (const one of [page, other]) await one.getByText(/set up anew/).waitFor();
    for (const one of [page, other]) await isLive(one);
    // Its id, and the number of the client, are those of old.
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'of now' } });
    for (const one of [page, other]) await shows(one, 'of now');
    for (const one of [page, other]) t.same(await textsOf(one), ['of now']);
    t.match((await ask(`${server.url}/clients`)).json, { total: 1, clients: [{ index: 1, streams: 1 }] });

    const token = await page.evaluate(() => JSON.parse(sessionStorage.getItem('interchat.token') ?? '') as string);
    await ask(`${server.url}/clients/1`, { method: 'DELETE', token });
    for (const one of [page, other]) await one.locator('.sidebar').getByText('You have left').waitFor();
    await other.locator('.sidebar').getByRole('button', { name: 'Connect' }).click();
    for (const one of [page, other]) {
      await isLive(one);
      await one.locator('.self', { hasText: 'Client 2' }).waitFor();
    }
    await say(other, 'here again');
    for (const one of [page, other]) await shows(one, 'here again');
    t.match((await ask(`${server.url}/clients`)).json, { total: 1, clients: [{ index: 2, streams: 1 }] });
    t.same(complaints, []);
  });

  await t.test('one of two is cut off, returns, and has missed nothing', async (t) => {
    const server = await startServer(t, { heartbeat: 0.3 });
    const proxy = await TcpProxy.open(await lastingPort(), server.port);
    t.teardown(() => proxy.close());
    const alice = await visit(t, browser, `http://localhost:${server.port}/`, { name: 'alice' });
    const bob = await visit(t, browser, `http://localhost:${proxy.port}/`, { name: 'bob' });
    await enterRoom(alice.page, 'lobby');
    await enterRoom(bob.page, 'lobby');
    await openConversation(alice.page, /bob/);

    proxy.cut();
    await bob.page.locator('.sidebar .link.broken').waitFor();
    await alice.page.getByText(/Client 2, away, last seen/).waitFor();
    for (const text of ['one', 'two', 'three']) await say(alice.page, text);
    await shows(alice.page, 'three');
    proxy.heal();
    await hurry(bob.page);
    await isLive(bob.page);
    await bob.page.getByRole('link', { name: /alice.*3 unread/ }).waitFor();
    await alice.page.getByText('Client 2, online', { exact: true }).waitFor();
    await openConversation(bob.page, /alice/);
    t.same(await textsOf(bob.page), ['one', 'two', 'three']);

    // The worse cut: nobody is told, and nothing comes any more, not even a heartbeat.
    proxy.stall();
    await say(alice.page, 'four');
    await shows(bob.page, 'four');
    t.same(await textsOf(bob.page), ['one', 'two', 'three', 'four']);
    t.match((await ask(`${server.url}/clients`)).json, { total: 2 });
    t.same([...alice.complaints, ...bob.complaints], []);
  });

  await t.test('something before the server that refuses a new client is not asked without a pause', async (t) => {
    const server = await startServer(t);
    const context = await browser.newContext();
    t.teardown(() => context.close());
    const page = await context.newPage();
    let asked = 0;
    await page.route('**/events?*', (route) => {
      asked++;
      return route.fulfill({ status: 401, body: 'Who are you?' });
    });
    await page.goto(`http://localhost:${server.port}/`);
    await page.locator('.sidebar .link.broken').waitFor();
    t.ok(asked <= 2, `asked ${asked} times`);
    t.equal(await page.locator('.notice').count(), 0, 'nobody says that the server has lost anything');
    await page.unroute('**/events?*');
    await hurry(page);
    await isLive(page);
  });

  await t.test('what could not be loaded at once is loaded later', async (t) => {
    const server = await startServer(t);
    const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/`);
    await ask(`${server.url}/clients/1/messages`, { json: { text: 'for you' } });
    await page.getByRole('link', { name: /nobody.*1 unread/ }).waitFor();
    const refused = new Set<string>();
    await page.route(/\/(read|rooms|clients)(\?.*)?$/, async (route) => {
      const path = new URL(route.request().url()).pathname;
      if (refused.has(path)) return route.continue();
      refused.add(path);
      return route.fulfill({ status: 429, headers: { 'retry-after': '0' } });
    });
    await page.reload();
    await page.getByRole('link', { name: /nobody.*1 unread/ }).waitFor();
    await page.locator('nav a[href="#client/1"]').waitFor();
    t.equal(refused.size, 3);
    t.equal(await page.locator('.notice').count(), 0);
    t.same(complaints, []);
  });

  await t.test('an answer that is lost on the way: sent again under the same key, it is there once', async (t) => {
    const server = await startServer(t);
    const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/`, { name: 'alice' });
    await openConversation(page, 'Everyone');
    const keys: (string | undefined)[] = [];
    await page.route('**/messages', async (route) => {
      keys.push(route.request().headers()['idempotency-key']);
      const answer = await route.fetch();
      // It has arrived, and nobody is told.
      if (keys.length === 1) return route.abort('connectionreset');
      return route.fulfill({ response: answer });
    });
    await say(page, 'once');
    await page.getByText(/Not sent/).waitFor();
    await page.locator('.pending').waitFor({ state: 'detached' });
    t.same(await textsOf(page), ['once']);
    t.match(keys[0], /^[0-9a-f-]{36}$/);
    t.same([...new Set(keys)], [keys[0]]);
    t.same(complaints, []);
  });

  await t.test('what the server refuses is said, and can be discarded', async (t) => {
    const server = await startServer(t, { maxBody: 1024 });
    const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/`);
    await openConversation(page, 'Everyone');
    await say(page, 'x'.repeat(2_000));
    await page.getByText(/Not sent\. The body is larger than 1024 bytes/).waitFor();
    await say(page, 'short');
    await shows(page, 'short');
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.locator('.pending').waitFor({ state: 'detached' });
    t.same(await textsOf(page), ['short']);
    t.same(complaints, []);
  });

  await t.test('who was gone for too long is a new client, in the same rooms, and told so', async (t) => {
    const server = await startServer(t, { grace: 0.3 });
    const proxy = await TcpProxy.open(await lastingPort(), server.port);
    t.teardown(() => proxy.close());
    const { page, complaints } = await visit(t, browser, `http://localhost:${proxy.port}/`, { name: 'alice' });
    await enterRoom(page, 'lobby');
    await say(page, 'I was here');
    await shows(page, 'I was here');
    // With a member that stays, the room stays.
    await (await EventReader.open(t, `${server.url}/events?rooms=lobby`)).take('welcome');
    proxy.cut();
    await waitFor(async () => (await ask(`${server.url}/clients/1`)).status === 410);
    await ask(`${server.url}/rooms/lobby/messages`, { json: { text: 'while you were gone' } });
    proxy.heal();
    await hurry(page);
    await page.getByText(/You are Client \d+ now, in the same rooms/).waitFor();
    await page.getByRole('button', { name: 'Dismiss this notice' }).click();
    await isLive(page);
    await page.locator('.composer textarea:enabled').waitFor();
    await say(page, 'I am back');
    await shows(page, 'I am back');
    t.same(await textsOf(page), ['I was here', 'while you were gone', 'I am back']);
    t.equal(await page.locator('.self .name').textContent(), 'alice');
    t.same(complaints, []);
  });
});
