import type { Page } from 'playwright-core';
import t from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import {
  enterRoom,
  isLive,
  makeAccount,
  noBrowser,
  openConversation,
  say,
  shows,
  startBrowser,
  textsOf,
  visit,
  visitAs,
  type Visit,
} from '../support/browser.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

const SECRET = 'a secret of thirty-two characters';

/** Everything that a page is answered, streams too: it asks by fetch alone. */
const LISTENING = `
  globalThis.answered = '';
  const real = globalThis.fetch;
  globalThis.fetch = async (...request) => {
    const response = await real(...request);
    if (!response.body) return response;
    const [own, other] = response.body.tee();
    const decoder = new TextDecoder();
    void (async () => {
      const reader = other.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        answered += decoder.decode(value, { stream: true });
      }
    })().catch(() => undefined);
    const { status, statusText, headers } = response;
    return new Response(own, { status, statusText, headers });
  };`;

async function makeRoom(page: Page, room: string): Promise<void> {
  await page.getByLabel('Make it private').check();
  await page.getByLabel('Name of a room to enter, or to make').fill(room);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: `#${room}` }).waitFor();
  await page.locator('.composer textarea:enabled').waitFor();
}

async function invite(page: Page, whom: string): Promise<void> {
  await page.getByLabel('Name or number of whom to invite').fill(whom);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: `Take back the invitation of ${whom}` }).waitFor();
}

/** Where a page has nothing of a room. */
async function hasNothingOf(page: Page, words: RegExp): Promise<boolean> {
  const all = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...sessionStorage }));
  return !words.test(all);
}

void t.test('a private room, from its making to its closing', { skip: noBrowser }, async (t) => {
  const server = await startServer(t, { secret: SECRET });
  const url = `http://localhost:${server.port}/`;
  const browser = await startBrowser(t);
  for (const name of ['alice', 'carol']) await makeAccount(server.url, SECRET, name);

  const listens = async (visited: Visit) => {
    await visited.context.addInitScript({ content: LISTENING });
    await visited.page.reload();
    await isLive(visited.page);
    return visited;
  };
  const alice = await visitAs(t, browser, url, 'alice');
  const bob = await visit(t, browser, url, { name: 'bob' });
  const carol = await listens(await visitAs(t, browser, url, 'carol'));
  await carol.page.getByRole('button', { name: 'How it works' }).click();
  // What carol sees and is answered, from the beginning to the end.
  const SECRETS = /hideout|lair|a secret plan|do not tell/;

  await t.test('is made, and somebody is invited, who accepts', async () => {
    await makeRoom(alice.page, 'hideout');
    await alice.page.getByRole('link', { name: /hideout.*private, your own/ }).waitFor();
    await alice.page.locator('.about .lock').waitFor();
    await alice.page.getByText('Private, your own. 1 member, 1 online').waitFor();
    await say(alice.page, 'a secret plan, made before bob was here');
    await shows(alice.page, 'a secret plan, made before bob was here');
    await alice.page.getByRole('button', { name: 'Members' }).click();
    await alice.page.getByLabel('Name or number of whom to invite').fill('nobody of this name');
    await alice.page.keyboard.press('Enter');
    await alice.page.getByRole('alert').getByText('Nobody here is called nobody of this name.').waitFor();
    await invite(alice.page, 'bob');
    await bob.page.locator('.invitation', { hasText: 'hideout by alice' }).waitFor();
    await bob.page
      .getByRole('status')
      .getByText('alice invites you to the private room hideout.')
      .waitFor({ state: 'attached' });

    // Declined, invited again by the view of the person, taken up after a reload.
    await bob.page.getByRole('button', { name: 'Decline to enter hideout' }).click();
    await bob.page.locator('.invitation').waitFor({ state: 'detached' });
    await openConversation(alice.page, /bob/);
    await alice.page.getByRole('button', { name: 'Invite bob' }).click();
    await alice.page.getByRole('status').getByText('Invited.').waitFor();
    await bob.page.locator('.invitation').waitFor();
    await bob.page.reload();
    await bob.page.getByRole('button', { name: 'Accept and enter hideout' }).click();
    await bob.page.getByRole('heading', { name: '#hideout' }).waitFor();
    await bob.page.locator('.invitation').waitFor({ state: 'detached' });
    await bob.page.getByText('Private, of alice. 2 members, 2 online').waitFor();
    await bob.page.locator('.composer textarea:enabled').waitFor();
    await openConversation(alice.page, /hideout/);
    await alice.page.getByText('2 members, 2 online').waitFor();
    await say(bob.page, 'do not tell');
    await shows(alice.page, 'do not tell');
  });

  await t.test('stays what it is whatever is said of its members to all', async () => {
    // Presence names public rooms alone.
    await enterRoom(bob.page, 'lobby');
    await enterRoom(alice.page, 'lobby');
    await alice.page.getByText('2 members, 2 online').waitFor();
    await openConversation(alice.page, /hideout.*private/);
    await openConversation(bob.page, /hideout.*private/);
    await say(bob.page, 'still in');
    await shows(alice.page, 'still in');
    await alice.page.getByRole('button', { name: 'Members' }).click();
    const members = alice.page.locator('.room-panel .rows').first();
    await members.locator('.name', { hasText: 'bob' }).waitFor();
    await alice.page.reload();
    await alice.page.getByRole('link', { name: /hideout.*private, your own.*you among them/ }).waitFor();
    await shows(alice.page, 'still in');
  });

  await t.test('its owner deletes what was said, and the others see that', async (t) => {
    t.equal(
      await bob.page
        .locator('.message')
        .getByRole('button', { name: /^Delete/ })
        .count(),
      0,
      'bob may not',
    );
    await say(alice.page, 'to be deleted');
    await shows(bob.page, 'to be deleted');
    const message = alice.page.locator('.message', { hasText: 'to be deleted' });
    await message.getByRole('button', { name: /^Delete/ }).click();
    await message.getByRole('button', { name: /^Yes, delete/ }).click();
    for (const { page } of [alice, bob]) {
      await page.locator('.message .deleted').waitFor();
      await page.locator('.message', { hasText: 'to be deleted' }).waitFor({ state: 'detached' });
    }
    await shows(bob.page, 'still in');
    t.notMatch(await textsOf(bob.page), /to be deleted/);
  });

  await t.test('who is put out keeps nothing of it on the screen', async (t) => {
    await say(bob.page, 'a secret plan of bob');
    await shows(bob.page, 'a secret plan of bob');
    await bob.page.locator('.composer textarea').fill('do not tell: half written');
    await bob.page.getByRole('button', { name: 'How it works' }).click();
    await bob.page.locator('.trail').last().getByText('a secret plan of bob').first().waitFor();
    await alice.page.getByRole('button', { name: 'Members' }).click();
    await alice.page.getByRole('button', { name: 'Put out bob' }).click();
    await alice.page.getByRole('button', { name: 'Yes, put out bob' }).click();
    await bob.page.locator('.notice', { hasText: 'not in the private room hideout any more' }).waitFor();
    await bob.page.getByRole('button', { name: 'Dismiss this notice' }).click();
    await bob.page.locator('.notice').waitFor({ state: 'detached' });
    await waitFor(() => hasNothingOf(bob.page, /a secret plan|do not tell|still in|href="#room\/hideout"/));
    t.equal(new URL(bob.page.url()).hash, '');
    await alice.page.getByText('1 member, 1 online').waitFor();

    // Put out while the page is away: what was said in it before is not shown any more when it comes back.
    await invite(alice.page, 'bob');
    await bob.page.getByRole('button', { name: 'Accept and enter hideout' }).click();
    await bob.page.locator('.composer textarea:enabled').waitFor();
    await bob.page.locator('.composer textarea').fill('do not tell: also half written');
    const address = bob.page.url();
    await bob.page.goto('about:blank');
    await alice.page.getByText('2 members, 1 online').waitFor();
    await say(alice.page, 'a secret plan while bob is away');
    await shows(alice.page, 'a secret plan while bob is away');
    await alice.page.getByRole('button', { name: 'Put out bob' }).click();
    await alice.page.getByRole('button', { name: 'Yes, put out bob' }).click();
    await alice.page.getByText('1 member, 1 online').waitFor();
    await bob.page.goto(address);
    await isLive(bob.page);
    await bob.page.locator('.notice', { hasText: 'not in the private room hideout any more' }).waitFor();
    const token = operatorToken(SECRET);
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'after that' }, token });
    await bob.page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
    t.ok(await hasNothingOf(bob.page, /a secret plan|do not tell/));
    t.equal(await bob.page.getByRole('link', { name: /hideout/ }).count(), 0);
  });

  await t.test('is handed over, and closed', async (t) => {
    await invite(alice.page, 'bob');
    await bob.page.getByRole('button', { name: 'Accept and enter hideout' }).click();
    await bob.page.locator('.composer textarea:enabled').waitFor();
    await alice.page.getByRole('button', { name: 'Make owner bob' }).click();
    await alice.page.getByRole('button', { name: 'Yes, make owner bob' }).click();
    await alice.page.getByText('Private, of bob. 2 members').waitFor();
    t.equal(await alice.page.getByRole('button', { name: /^Close the room/ }).count(), 0);
    await openConversation(bob.page, 'Everyone');
    await openConversation(bob.page, /hideout/);
    await bob.page.getByText('Private, your own.').waitFor();
    await bob.page.getByRole('button', { name: 'Members' }).click();
    await bob.page.getByRole('button', { name: 'Close the room hideout' }).click();
    await bob.page.getByRole('button', { name: 'Yes, close the room hideout' }).click();
    await alice.page.locator('.notice', { hasText: 'not in the private room hideout any more' }).waitFor();
    for (const { page } of [alice, bob]) {
      await page.getByRole('link', { name: /hideout/ }).waitFor({ state: 'detached' });
      t.ok(await hasNothingOf(page, /a secret plan|do not tell/));
    }
  });

  await t.test('who was never invited has seen and heard nothing of it', async (t) => {
    await ask(`${server.url}/messages`, {
      json: { to: { everyone: true }, text: 'the end of it' },
      token: operatorToken(SECRET),
    });
    await openConversation(carol.page, /Everyone/);
    await shows(carol.page, 'the end of it');
    const answered = await carol.page.evaluate<string>('answered');
    t.match(answered, /lobby/, 'what is public it was told');
    t.match(answered, /the end of it/);
    t.notMatch(answered, SECRETS);
    t.ok(await hasNothingOf(carol.page, SECRETS));
  });
  t.same([...alice.complaints, ...bob.complaints, ...carol.complaints], []);
});

void t.test('what an administrator deletes goes, and is unread no more', { skip: noBrowser }, async (t) => {
  const server = await startServer(t, { secret: SECRET });
  const url = `http://localhost:${server.port}/`;
  const browser = await startBrowser(t);
  await makeAccount(server.url, SECRET, 'warden', ['admin']);
  const { page, complaints } = await visit(t, browser, url, { name: 'alice' });
  const token = operatorToken(SECRET);
  const reader = await EventReader.open(t, `${server.url}/events?name=writer`);
  const { token: writer } = (await reader.take('welcome')).data as { token: string };
  const sent = async (to: string, text: string) =>
    String((await ask(`${server.url}/${to}`, { json: { text }, token: writer })).json.id);
  await enterRoom(page, 'lobby');
  await openConversation(page, 'Everyone');
  const ids = [await sent('rooms/lobby/messages', 'one'), await sent('rooms/lobby/messages', 'two')];
  await page.getByRole('link', { name: /lobby.*2 unread/ }).waitFor();
  await ask(`${server.url}/rooms/lobby/messages/${ids[0]}`, { method: 'DELETE', token });
  await page.getByRole('link', { name: /lobby.*1 unread/ }).waitFor();
  const mail = await sent('clients/1/messages', 'to you alone');
  await page.getByRole('link', { name: /writer.*1 unread/ }).waitFor();
  await ask(`${server.url}/clients/1/messages/${mail}`, { method: 'DELETE', token });
  await page.getByRole('link', { name: /writer(?!.*unread)/ }).waitFor();
  await page.waitForFunction(() => document.title === '(1) InterChat');

  // More than is held here: only the server knows what of it was unread.
  const lines = Array.from({ length: 250 }, (_, at) => JSON.stringify({ to: { room: 'lobby' }, text: `line ${at}` }));
  const headers = { 'content-type': 'application/x-ndjson' };
  await ask(`${server.url}/messages`, { body: lines.join('\n'), token: writer, headers });
  await page.getByRole('link', { name: /lobby.*251 unread/ }).waitFor();
  await page.reload();
  await page.getByRole('link', { name: /lobby.*251 unread/ }).waitFor();
  await ask(`${server.url}/rooms/lobby/messages/${ids[1]}`, { method: 'DELETE', token });
  await page.getByRole('link', { name: /lobby.*250 unread/ }).waitFor();

  // While the page is away.
  await page.goto('about:blank');
  const { messages } = (await ask(`${server.url}/rooms/lobby/messages?after=0&limit=1000`, { token })).json as {
    messages: { id: string; text: string }[];
  };
  const last = messages.at(-1);
  await ask(`${server.url}/rooms/lobby/messages/${last?.id}`, { method: 'DELETE', token });
  await page.goto(`${url}#everyone`);
  await page.getByRole('link', { name: /lobby.*249 unread/ }).waitFor();
  await openConversation(page, /lobby/);
  await shows(page, 'line 248');
  t.notMatch(await textsOf(page), /line 249/);

  const warden = await visitAs(t, browser, url, 'warden');
  await warden.page.getByRole('link', { name: 'Account' }).click();
  await warden.page.getByText('You may do everything, and keep order').waitFor();
  await openConversation(warden.page, /lobby/);
  await shows(warden.page, 'line 248');
  const message = warden.page.locator('.message').filter({ has: warden.page.getByText('line 248', { exact: true }) });
  await message.getByRole('button', { name: /^Delete/ }).focus();
  await warden.page.keyboard.press('Enter');
  await warden.page.waitForFunction(() => document.activeElement?.textContent?.includes('Yes,'));
  await warden.page.keyboard.press('Escape');
  await warden.page.waitForFunction(() => document.activeElement?.textContent?.startsWith('Delete'));
  await warden.page.keyboard.press('Enter');
  await warden.page.waitForFunction(() => document.activeElement?.textContent?.includes('Yes,'));
  await warden.page.keyboard.press('Enter');
  for (const one of [page, warden.page]) await one.locator('.message').last().locator('.deleted').waitFor();
  t.same([...complaints, ...warden.complaints], []);
});
