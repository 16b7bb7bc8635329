import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import {
  enterRoom,
  makeAccount,
  noBrowser,
  openConversation,
  say,
  shows,
  signIn,
  startBrowser,
  visit,
  visitAs,
} from '../support/browser.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const AXE = new URL('../../node_modules/axe-core/axe.min.js', import.meta.url);
const SECRET = 'a secret of thirty-two characters';
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe-core has to say against what the page shows now. */
async function violations(page: Page): Promise<string[]> {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const found = await page.evaluate<Violation[]>('axe.run().then(({ violations }) => violations)');
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}

/** Whether all of it fits into its width, and there is something to see. */
async function looksRight(t: Test, page: Page, what: string): Promise<void> {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  t.ok(overflow <= 0, `${what}: nothing sticks out to the side`);
  const picture = await page.screenshot();
  // A picture of one colour is a few kilobytes.
  t.ok(picture.length > 8_000, `${what}: a screenshot of ${picture.length} bytes`);
}

void t.test('the page is for everybody', { skip: noBrowser }, async (t) => {
  const server = await startServer(t);
  const url = `http://localhost:${server.port}/`;
  const browser = await startBrowser(t);

  for (const [what, options] of [
    ['a desktop, light', { viewport: DESKTOP, colorScheme: 'light' }],
    ['a phone, dark', { viewport: PHONE, colorScheme: 'dark', hasTouch: true, isMobile: true }],
  ] as const) {
    await t.test(what, async (t) => {
      const name = `${what}, with a name that is longer than its place`;
      const { page, complaints } = await visit(t, browser, url, { ...options, name });
      const stream = await EventReader.open(t, `${server.url}/events?name=bob&rooms=lobby`);
      const { client, token } = (await stream.take('welcome')).data as { client: { index: number }; token: string };
      await page.getByRole('link', { name: new RegExp(`client ${client.index} `) }).waitFor();
      t.same(await violations(page), []);
      await looksRight(t, page, 'the beginning');

      const { clients } = (await ask(`${server.url}/clients?name=${encodeURIComponent(name)}`)).json;
      const [me] = clients as { index: number }[];
      for (const text of ['Hello!', `https://example.org/${'long'.repeat(60)}`]) {
        await ask(`${server.url}/clients/${me?.index}/messages`, { json: { text, data: { a: ['b', 1] } }, token });
      }
      await page.getByRole('link', { name: /bob.*2 unread/ }).click();
      await shows(page, 'Hello!');
      await page.locator('.new').waitFor();
      await say(page, 'Hello yourself');
      await shows(page, 'Hello yourself');
      t.same(await violations(page), []);
      await looksRight(t, page, 'a conversation');

      if (what.includes('phone')) {
        t.notOk(await page.getByRole('navigation').isVisible(), 'there is room for one thing');
        t.ok(await page.locator('.head .link').isVisible(), 'and for the state of the link');
        await page.getByRole('link', { name: 'Back to all conversations' }).click();
        await page.getByRole('navigation').waitFor();
        await page.goBack();
        await page.getByRole('log').waitFor();
        await page.goForward();
      }
      await page.getByRole('button', { name: 'How it works' }).click();
      await page.getByRole('heading', { name: 'How it works' }).waitFor();
      t.same(await violations(page), []);
      await looksRight(t, page, 'how it works');
      t.same(complaints, []);
      await page.close();
    });
  }

  for (const [what, options] of [
    ['signed in on a desktop, light', { viewport: DESKTOP, colorScheme: 'light' }],
    ['signed in on a phone, dark', { viewport: PHONE, colorScheme: 'dark', hasTouch: true, isMobile: true }],
  ] as const) {
    await t.test(what, async (t) => {
      const server = await startServer(t, { secret: SECRET, access: 'members', registration: 'open' });
      const url = `http://localhost:${server.port}/`;
      for (const name of ['alice', 'warden']) await makeAccount(server.url, SECRET, name, ['admin']);
      const context = await browser.newContext({ locale: 'en-GB', ...options });
      t.teardown(() => context.close());
      const page = await context.newPage();
      await page.goto(url);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'username');
      t.same(await violations(page), []);
      await looksRight(t, page, 'signing in');
      await signIn(page, 'alice');
      t.same(await violations(page), []);

      // A room of one's own, and an invitation into another's.
      const warden = await visitAs(t, browser, url, 'warden', { viewport: DESKTOP });
      for (const [one, room, whom] of [
        [warden.page, 'court', 'alice'],
        [page, 'a-room-with-a-long-name-that-does-not-fit-into-its-place', 'warden'],
      ] as const) {
        await one.getByLabel('Make it private').check();
        await one.getByLabel('Name of a room to enter, or to make').fill(room);
        await one.keyboard.press('Enter');
        await one.locator('.composer textarea:enabled').waitFor();
        await one.getByRole('button', { name: 'Members' }).click();
        await one.getByLabel('Name or number of whom to invite').fill(whom);
        await one.keyboard.press('Enter');
        await one.getByRole('button', { name: `Take back the invitation of ${whom}` }).waitFor();
      }
      await say(page, 'Hello, warden!');
      await shows(page, 'Hello, warden!');
      await page.getByRole('button', { name: /^Delete/ }).click();
      t.same(await violations(page), []);
      await looksRight(t, page, 'a private room');
      await page.goto(`${url}#`);
      await page.locator('.invitation', { hasText: 'court' }).waitFor();
      t.same(await violations(page), []);
      await looksRight(t, page, 'an invitation');
      await page.getByRole('link', { name: 'Account' }).click();
      await page.locator('.rows li', { hasText: '(this one)' }).waitFor();
      t.same(await violations(page), []);
      await looksRight(t, page, 'the account');
    });
  }

  await t.test('with the keyboard alone', async (t) => {
    const other = await EventReader.open(t, `${server.url}/events?name=carol`);
    const { client } = (await other.take('welcome')).data as { client: { index: number } };
    const { page, complaints } = await visit(t, browser, url, { viewport: DESKTOP });
    await page.getByRole('link', { name: /carol/ }).waitFor();
    const focused = () =>
      page.evaluate(() => {
        const { activeElement: element } = document;
        if (element === document.body) return '';
        const label = element?.closest('label')?.textContent ?? element?.getAttribute('aria-label');
        return `${label ?? ''} ${element?.textContent ?? ''}`;
      });
    /** Tabs on to what is called so; it is seen that it has the focus. */
    const tabTo = async (name: RegExp) => {
      for (let at = 0; at < 60; at++) {
        if (name.test(await focused())) {
          const outline = await page.evaluate(
            () => getComputedStyle(document.activeElement ?? document.body).outlineStyle,
          );
          t.not(outline, 'none', `one sees that ${name} has the focus`);
          return;
        }
        await page.keyboard.press('Tab');
      }
      t.fail(`Tab never came to ${name}`);
    };
    await tabTo(/Give yourself a name/);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.tagName === 'INPUT');
    await page.keyboard.type('dora');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.textContent === 'Change name');

    await tabTo(/carol/);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.tagName === 'TEXTAREA');
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await shows(page, 'by keyboard');
    t.match((await other.next()).data, { text: 'by keyboard', to: { client: client.index }, from: { name: 'dora' } });

    await page.keyboard.press('Shift+Tab');
    t.match(await focused(), /Messages: carol/, 'the messages can be scrolled');
    await page.keyboard.press('Alt+ArrowUp');
    await page.keyboard.press('Alt+ArrowDown');
    await page.getByRole('heading', { name: 'carol' }).waitFor();
    await tabTo(/Send|Message to carol/);

    await tabTo(/Name of a room/);
    await page.keyboard.type('keys');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: '#keys' }).waitFor();
    await tabTo(/How it works/);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'inspector');
    await page.keyboard.press('Tab');
    t.match(await focused(), /Close this panel/);
    await page.keyboard.press('Enter');
    await page.locator('.inspector').waitFor({ state: 'detached' });
    t.match(await focused(), /How it works/, 'one is back where one came from');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'inspector');
    await page.keyboard.press('Escape');
    await page.locator('.inspector').waitFor({ state: 'detached' });
    t.match(await focused(), /How it works/);

    // What goes by what it does leaves the focus to what is nearest.
    await page.route('**/rooms/keys/messages', (route) => route.fulfill({ status: 400, body: 'No.' }));
    await page.locator('.composer textarea').focus();
    for (const text of ['one', 'two']) {
      await page.keyboard.type(text);
      await page.keyboard.press('Enter');
      await page.locator('.pending.failed', { hasText: text }).waitFor();
    }
    for (const left of ['one', undefined]) {
      await page.getByRole('button', { name: 'Discard' }).last().focus();
      await page.keyboard.press('Enter');
      await page.waitForFunction((left) => {
        const { activeElement } = document;
        return left === undefined
          ? activeElement?.matches('.log')
          : activeElement?.closest('.pending')?.textContent?.includes(left);
      }, left);
    }
    t.same(complaints, []);
  });

  await t.test('what comes in is read out by a screen reader, and moves nothing', async (t) => {
    const { page } = await visit(t, browser, url, { viewport: DESKTOP, name: 'erin' });
    await enterRoom(page, 'lobby');
    await page.getByRole('status').getByText('You are in the room lobby.').waitFor({ state: 'attached' });
    const composer = () => page.locator('.composer').boundingBox();
    const head = () => page.locator('.conversation .head').boundingBox();
    const before = [await composer(), await head()];
    await ask(`${server.url}/rooms/lobby/messages`, { json: { text: 'Can you hear me?' } });
    await page.getByRole('status').getByText('Somebody: Can you hear me?').waitFor({ state: 'attached' });
    t.equal(await page.getByRole('status').getByText('Somebody: Can you hear me?').getAttribute('aria-live'), 'polite');
    t.same([await composer(), await head()], before);
    // What is said once more is no change, unless it is made one.
    const changed = page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const region = document.querySelector('[aria-live=polite]');
          const observer = new MutationObserver(() => resolve());
          if (region) observer.observe(region, { subtree: true, childList: true, characterData: true });
        }),
    );
    await ask(`${server.url}/rooms/lobby/messages`, { json: { text: 'Can you hear me?' } });
    await changed;
    t.match(await page.locator('[aria-live=polite]').textContent(), /^Somebody: Can you hear me\?\s$/);
    await openConversation(page, 'Everyone');
    t.equal(await page.locator('.log').getAttribute('role'), 'log');
    // Where the system gives the colours, who is here is still told from who is away.
    await page.emulateMedia({ forcedColors: 'active' });
    const background = (selector: string) =>
      page
        .locator(selector)
        .first()
        .evaluate((element) => getComputedStyle(element).backgroundColor);
    t.not(await background('.list .dot.online'), await background('body'));
  });
});
