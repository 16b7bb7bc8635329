import type { BrowserContext, Page } from 'playwright-core';
import t from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import {
  complaintsOf,
  enterRoom,
  isLive,
  makeAccount,
  noBrowser,
  openConversation,
  PASSWORD,
  say,
  shows,
  signIn,
  startBrowser,
  textsOf,
  visit,
  visitAs,
} from '../support/browser.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { lastingPort } from '../support/port.js';
import { spawnServer, startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const SECRET = 'a secret of thirty-two characters';
const TOKEN = /ic[tsko]_[\w-]{8}/;

/** All addresses that anything in a context asks for. */
function addressesOf(context: BrowserContext): string[] {
  const addresses: string[] = [];
  context.on('request', (request) => addresses.push(request.url()));
  return addresses;
}

/** All that a script of the page could read of what the browser keeps. */
function keptBy(page: Page): Promise<string> {
  return page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
}

async function hurry(page: Page): Promise<void> {
  await page.evaluate(() => dispatchEvent(new Event('online')));
}

/** Who there is, by name. */
async function clientsOf(url: string): Promise<Map<string | null, { index: number; streams: number; status: string }>> {
  const { clients } = (await ask(`${url}/clients?limit=1000`, { token: operatorToken(SECRET) })).json as {
    clients: { index: number; name: string | null; streams: number; status: string }[];
  };
  return new Map(clients.map((client) => [client.name, client]));
}

async function openAccount(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Account' }).click();
  await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor();
}

void t.test('signing in', { skip: noBrowser }, async (t) => {
  const browser = await startBrowser(t);

  await t.test('a page signs in, keeps no secret, and is the same client when the server was killed', async (t) => {
    const folder = await temporaryFolder(t);
    const port = await lastingPort();
    const settings = { folder, port, env: { INTERCHAT_SECRET: SECRET } };
    let server = await spawnServer(t, settings);
    await makeAccount(server.url, SECRET, 'alice');
    const { page, context, complaints } = await visit(t, browser, `http://localhost:${port}/`, { name: 'anon' });
    const addresses = addressesOf(context);
    await enterRoom(page, 'before');
    await page.getByRole('link', { name: 'Sign in' }).click();
    const name = page.getByLabel('Name', { exact: true });
    const password = page.getByLabel('Password');
    await name.fill('alice');
    await password.fill('not her password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
    t.equal(await name.getAttribute('autocomplete'), 'username');
    t.equal(await password.getAttribute('autocomplete'), 'current-password');
    t.equal(await page.getByRole('button', { name: 'Make an account' }).count(), 0, 'registration is closed');
    await signIn(page, 'alice');
    t.equal(new URL(page.url()).hash, '', 'what one looked at before is behind');
    const me = (await clientsOf(server.url)).get('alice');
    t.match(await clientsOf(server.url), new Map([['alice', { status: 'online', streams: 1 }]]));
    t.notOk((await clientsOf(server.url)).has('anon'), 'the client of before has left');
    t.notMatch(await keptBy(page), TOKEN);
    t.notMatch(await keptBy(page), /anon|before/);

    const plain = await page.evaluate(
      () =>
        new Promise<{ url: string; welcome: { token: unknown; client: { index: number } } }>((resolve, reject) => {
          const events = new EventSource('/events');
          events.addEventListener('error', () => reject(new Error('refused')));
          events.addEventListener('welcome', ({ data }: MessageEvent<string>) => {
            events.close();
            resolve({ url: events.url, welcome: JSON.parse(data) as never });
          });
        }),
    );
    t.equal(plain.url, `http://localhost:${port}/events`);
    t.match(plain.welcome, { token: null, client: { index: me?.index } });

    await enterRoom(page, 'lobby');
    await say(page, 'before');
    await shows(page, 'before');
    await server.end('SIGKILL');
    await page.locator('.sidebar .link.broken').waitFor();
    await say(page, 'while it was down');
    await page.getByText(/Not sent\. The server cannot be reached/).waitFor();
    server = await spawnServer(t, settings);
    await ask(`${server.url}/rooms/lobby/messages`, { json: { text: 'from elsewhere' }, token: operatorToken(SECRET) });
    await hurry(page);
    await isLive(page);
    await shows(page, 'from elsewhere');
    await shows(page, 'while it was down');
    await page.locator('.pending').waitFor({ state: 'detached' });
    t.same((await textsOf(page)).sort(), ['before', 'from elsewhere', 'while it was down']);
    t.equal((await clientsOf(server.url)).get('alice')?.index, me?.index);
    await page.reload();
    await isLive(page);
    await shows(page, 'while it was down');
    t.same((await textsOf(page)).sort(), ['before', 'from elsewhere', 'while it was down']);

    await page.getByRole('button', { name: 'How it works' }).click();
    await page.locator('.trail').first().getByText('Connect as alice').first().waitFor();
    const panel = String(await page.locator('.inspector').textContent());
    t.match(panel, /-H "Authorization: Bearer \$TOKEN"/);
    t.notMatch(panel, TOKEN, 'no secret is shown');
    t.notMatch(await page.content(), PASSWORD);
    t.same(
      addresses.filter((address) => TOKEN.test(address) || /token/i.test(address)),
      [],
    );
    t.notMatch(await keptBy(page), TOKEN);
    t.same(complaints, []);
  });

  await t.test('two devices of one account have both all; one of them signs out', async (t) => {
    const server = await startServer(t, { secret: SECRET });
    const url = `http://localhost:${server.port}/`;
    for (const name of ['alice', 'bob']) await makeAccount(server.url, SECRET, name);
    const one = await visitAs(t, browser, url, 'alice');
    await enterRoom(one.page, 'lobby');
    await say(one.page, 'said before the other was there');
    await shows(one.page, 'said before the other was there');
    const other = await visitAs(t, browser, url, 'alice');
    const { index } = (await clientsOf(server.url)).get('alice') ?? { index: 0 };
    await openConversation(other.page, /lobby.*you among them/);
    await shows(other.page, 'said before the other was there');
    await say(other.page, 'from the other');
    await shows(one.page, 'from the other');
    t.match(await one.page.locator('.message', { hasText: 'from the other' }).getAttribute('class'), /mine/);
    const token = operatorToken(SECRET);
    await ask(`${server.url}/clients/${index}/messages`, { json: { text: 'to you' }, token });
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'to all' }, token });
    for (const { page } of [one, other]) {
      await page.getByRole('link', { name: /nobody.*1 unread/ }).waitFor();
      await page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
    }
    await openConversation(one.page, /Everyone/);
    await other.page.getByRole('link', { name: 'Everyone', exact: true }).waitFor();
    await enterRoom(other.page, 'second');
    await one.page.getByRole('link', { name: /second.*you among them/ }).waitFor();

    // A second tab of one device shares its stream.
    const tab = await one.context.newPage();
    const tabComplaints = complaintsOf(tab);
    await tab.goto(`${url}#room/lobby`);
    await isLive(tab);
    await shows(tab, 'from the other');
    t.equal((await clientsOf(server.url)).get('alice')?.streams, 2, 'two devices, two streams');

    // What is written and waits outlives that one is signed out from elsewhere.
    await tab.locator('.composer textarea').fill('half a sen');
    await tab.route('**/rooms/second/messages', (route) => route.abort());
    await openConversation(tab, /second/);
    await say(tab, 'still to be sent');
    await tab.getByText(/Not sent\./).waitFor();
    await openAccount(other.page);
    const devices = other.page.locator('.rows li', { hasText: 'Chrome on Linux' });
    await devices.nth(1).waitFor();
    t.equal(await devices.count(), 2);
    await other.page.getByRole('button', { name: 'Sign out on Chrome on Linux' }).click();
    for (const page of [one.page, tab]) {
      await page.getByText('You were signed out. What you were writing is kept').waitFor();
      t.equal(await page.locator('.message').count(), 0);
    }
    await isLive(other.page);
    t.equal((await clientsOf(server.url)).get('alice')?.streams, 1);
    t.equal((await clientsOf(server.url)).size, 1, 'nobody has become somebody else');
    await tab.unroute('**/rooms/second/messages');
    await signIn(tab, 'alice');
    await shows(tab, 'still to be sent');
    await openConversation(other.page, /second/);
    await shows(other.page, 'still to be sent');
    await openConversation(tab, /lobby/);
    t.equal(await tab.locator('.composer textarea').inputValue(), 'half a sen');
    await isLive(one.page);

    // Out by oneself: nothing is left, and another account sees nothing of it.
    await openAccount(tab);
    await tab.getByRole('button', { name: 'Sign out here' }).click();
    await tab.getByText('You have signed out.').waitFor();
    t.notMatch(await keptBy(tab), /half a sen|still to be sent|alice/);
    await one.page.locator('.signing-in').waitFor();
    await signIn(one.page, 'bob');
    for (const text of ['from the other', 'to you', 'second', 'unread', 'half a sen']) {
      t.equal(await one.page.locator('.sidebar').getByText(text).count(), text === 'second' ? 1 : 0, text);
    }
    t.equal(await one.page.getByRole('link', { name: /you among them/ }).count(), 0, 'he is in no room');
    await tab.getByText('You have signed out.').waitFor();

    await openAccount(other.page);
    await other.page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await other.page.getByText('You have signed out on all your devices.').waitFor();
    await other.page.getByRole('button', { name: 'Go on without an account' }).click();
    await isLive(other.page);
    await other.page.getByRole('link', { name: 'Sign in' }).waitFor();
    t.match(await clientsOf(server.url), new Map([['alice', { status: 'away', streams: 0 }]]));
    t.same([...one.complaints, ...other.complaints, ...tabComplaints], []);
  });

  await t.test('two tabs, of which one signs in as somebody else, do not speak for each other', async (t) => {
    const server = await startServer(t, { secret: SECRET });
    const url = `http://localhost:${server.port}/`;
    for (const name of ['alice', 'bob']) await makeAccount(server.url, SECRET, name);
    const { page, context } = await visit(t, browser, url, { name: 'anon' });
    const other = await context.newPage();
    await other.goto(url);
    await isLive(other);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signIn(page, 'alice');
    await openConversation(other, 'Everyone');
    await say(other, 'I am still nobody');
    await openConversation(page, 'Everyone');
    await shows(page, 'I am still nobody');
    t.match(await page.locator('.message .said').first().textContent(), /^Client 2/, 'the cookie is not for all tabs');
    await other.getByRole('link', { name: 'Sign in' }).click();
    await other.locator('.self', { hasText: 'alice' }).waitFor();
    await isLive(other);
    // As if the browser had been signed in by a tab that did not ask.
    await other.evaluate(
      async (credentials) => {
        const headers = { 'Content-Type': 'application/json' };
        await fetch('/sessions', { method: 'POST', headers, body: JSON.stringify(credentials) });
        localStorage.setItem('interchat@', credentials.name);
      },
      { name: 'bob', password: PASSWORD },
    );
    await page.getByText('bob has signed in in this browser.').waitFor();
  });

  await t.test('a server for members alone', async (t) => {
    const server = await startServer(t, { secret: SECRET, access: 'members', registration: 'open' });
    const url = `http://localhost:${server.port}/`;
    const context = await browser.newContext();
    t.teardown(() => context.close());
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    const addresses = addressesOf(context);
    await page.goto(`${url}#room/lobby`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    t.same(
      addresses.filter((address) => address.includes('/events')),
      [],
      'it does not connect',
    );
    t.equal(await page.getByRole('button', { name: 'Go on without an account' }).count(), 0);

    await page.route('**/sessions', (route) =>
      route.fulfill({ status: 429, headers: { 'retry-after': '7', 'content-type': 'text/plain' }, body: '' }),
    );
    await page.getByLabel('Name', { exact: true }).fill('alice');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('try again in 7 s').waitFor();
    await page.unroute('**/sessions');

    await makeAccount(server.url, SECRET, 'mallory');
    const ban = { account: 'mallory', seconds: 60 };
    const banned = await ask(`${server.url}/bans`, { json: ban, token: operatorToken(SECRET) });
    t.equal(banned.status, 201);
    await page.getByLabel('Name', { exact: true }).fill('mallory');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page
      .getByRole('alert')
      .getByText(/kept out by an administrator until/)
      .waitFor();

    await page.getByRole('button', { name: 'Make an account' }).click();
    t.equal(await page.getByLabel('Password').getAttribute('autocomplete'), 'new-password');
    await signIn(page, 'alice');
    await page.getByRole('heading', { name: '#lobby' }).waitFor();
    t.equal(new URL(page.url()).hash, '#room/lobby', 'one is where one wanted to go');
    await page.reload();
    await isLive(page);
    await page.getByRole('button', { name: /^Enter the room/ }).click();
    await page.locator('.composer textarea:enabled').waitFor();
    await say(page, 'Among ourselves.');
    await shows(page, 'Among ourselves.');

    // A message that waits when the session is over goes when there is one again.
    await page.locator('.composer textarea').fill('not finished');
    await context.clearCookies();
    await page.locator('.composer textarea').fill('written without a session');
    await page.keyboard.press('Enter');
    await page.getByText('Your session is over. What you were writing is kept: sign in as alice to go on.').waitFor();
    t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'alice');
    await signIn(page, 'alice');
    await shows(page, 'written without a session');
    t.same(await textsOf(page), ['Among ourselves.', 'written without a session']);
    t.same(complaints, []);
  });

  await t.test('an account that one makes oneself', async (t) => {
    const server = await startServer(t, { registration: 'open' });
    const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/`, { name: 'dora' });
    const taken = await visit(t, browser, `http://localhost:${server.port}/`);
    for (const { page: one } of [{ page }, taken]) {
      await one.getByRole('link', { name: 'Sign in' }).click();
      await one.getByRole('button', { name: 'Make an account' }).click();
      t.equal(await one.getByLabel('Password').getAttribute('autocomplete'), 'new-password');
    }
    await signIn(page, 'erin');
    await taken.page.getByLabel('Name', { exact: true }).fill('erin');
    await taken.page.getByLabel('Password').fill(PASSWORD);
    await taken.page.keyboard.press('Enter');
    await taken.page.getByRole('alert').getByText('The name erin is taken.').waitFor();
    t.same([...complaints, ...taken.complaints], []);
  });

  await t.test('what one may not do is not offered, and why is said', async (t) => {
    const server = await startServer(t, { secret: SECRET });
    const url = `http://localhost:${server.port}/`;
    await makeAccount(server.url, SECRET, 'reader', ['connect', 'list', 'send:room/lobby', 'read:lobby', 'read:news*']);
    await makeAccount(server.url, SECRET, 'blind', ['connect', 'send:*', 'read:*']);
    await makeAccount(server.url, SECRET, 'nothing', ['list']);
    await ask(`${server.url}/clients`, { json: { name: 'script', rooms: ['secret', 'news'] } });
    const { page, complaints } = await visitAs(t, browser, url, 'reader');
    await page.getByRole('link', { name: 'Account' }).click();
    await page.getByRole('heading', { name: 'You are reader' }).waitFor();
    for (const words of [
      'You may see who and what there is.',
      'You may send to the room lobby.',
      'You may enter the rooms whose names look like news*, and read what is said there.',
    ]) {
      await page.getByText(words, { exact: true }).waitFor();
    }
    await openConversation(page, 'Everyone');
    const composer = page.locator('.composer textarea');
    t.ok(await composer.isDisabled());
    t.match(await composer.getAttribute('placeholder'), /You may not send to everyone.*send:everyone/);
    await openConversation(page, /secret/);
    t.ok(await page.getByRole('button', { name: /^Enter the room/ }).isDisabled());
    await page
      .getByRole('alert')
      .getByText(/You may not enter the room secret.*read:secret/)
      .waitFor();
    await page.locator('.beginning', { hasText: 'You may not enter the room secret' }).waitFor();
    // What is not known beforehand is said when the server refuses.
    await page.getByLabel('Name of a room to enter, or to make').fill('elsewhere');
    await page.keyboard.press('Enter');
    await page.locator('#enter-refusal', { hasText: 'you do not have the permission read:elsewhere' }).waitFor();
    await enterRoom(page, 'lobby');
    await say(page, 'Here I may.');
    await shows(page, 'Here I may.');

    const blind = await visitAs(t, browser, url, 'blind');
    await blind.page
      .locator('.list')
      .getByText(/You may not see who and what there is/)
      .waitFor();
    await enterRoom(blind.page, 'lobby');
    await shows(blind.page, 'Here I may.');

    const nothing = await browser.newContext();
    t.teardown(() => nothing.close());
    const third = await nothing.newPage();
    await third.goto(`${url}#sign-in`);
    await third.getByLabel('Name', { exact: true }).fill('nothing');
    await third.getByLabel('Password').fill(PASSWORD);
    await third.keyboard.press('Enter');
    await third
      .locator('.sidebar .link')
      .getByText(/You may not be a client/)
      .waitFor();
    t.same([...complaints, ...blind.complaints], []);
  });

  await t.test('a token of a session is in no answer that a page could keep it from', async (t) => {
    const server = await startServer(t, { secret: SECRET });
    await makeAccount(server.url, SECRET, 'alice');
    const { page, context } = await visitAs(t, browser, `http://localhost:${server.port}/`, 'alice');
    const [cookie] = await context.cookies();
    t.match(cookie, { name: 'interchat_session', httpOnly: true, sameSite: 'Strict' });
    t.notMatch(await keptBy(page), String(cookie?.value));
    await waitFor(async () => (await clientsOf(server.url)).size === 1);
  });
});
