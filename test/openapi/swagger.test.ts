import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import t from 'tap';
import { parse } from 'yaml';
import { House } from '../access/house.js';
import { complaintsOf, noBrowser, startBrowser } from '../support/browser.js';

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
}

const document = parse(await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8')) as {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));

/** The stream does not end, and Swagger waits for the end of an answer. */
const ENDLESS = 'connect';
/** For a client that has not signed in. */
const OF_CLIENTS = ['renameClient', 'leave'];
/** By whoever has signed in on the page itself, with a cookie. */
const OF_ACCOUNTS = ['setPassword', 'signOutEverywhere'];
/** What leaves nothing behind for others to work with comes last. */
const LAST = ['closeRoom', 'exitRoom', 'revokeKey', 'signOut'];

/** The page, as a person uses it. */
class Swagger {
  readonly executed = new Set<string>();

  constructor(readonly page: Page) {}

  block(id: string) {
    const { tags = [] } = operations.find(({ operationId }) => operationId === id) ?? {};
    return this.page.locator(`[id="operations-${tags[0]?.replaceAll(' ', '_')}-${id}"]`);
  }

  /** Sends what is filled in. */
  async execute(id: string, filled: Readonly<Record<string, string>> = {}): Promise<{ status: string; body: string }> {
    const block = this.block(id);
    // Without waiting for all that is above it to stand still, which takes a second each.
    const toggle = () => block.locator('.opblock-summary-control').dispatchEvent('click');
    await toggle();
    await block.locator('.execute').waitFor();
    const clear = block.locator('.btn-clear');
    if ((await clear.count()) > 0) await clear.dispatchEvent('click');
    for (const [name, value] of Object.entries(filled)) {
      await block.locator(`tr[data-param-name="${name}"] input`).fill(value);
    }
    await block.locator('.execute').click();
    const answer = block.locator('.live-responses-table .response').last();
    const status = (await answer.locator('.response-col_status').textContent()) ?? '';
    const body = (await answer.locator('.response-col_description').textContent()) ?? '';
    await toggle();
    this.executed.add(id);
    return { status, body };
  }

  async authorize(token: string): Promise<void> {
    await this.page.locator('.auth-wrapper .authorize').first().click();
    const scheme = this.page.locator('.auth-container', { has: this.page.locator('h4', { hasText: 'token' }) });
    const logout = scheme.getByRole('button', { name: 'Remove authorization' });
    if ((await logout.count()) > 0) await logout.click();
    if (token !== '') {
      await scheme.locator('input').fill(token);
      await scheme.locator('.authorize').click();
      await logout.waitFor();
    }
    await this.page.locator('.btn-done').first().click();
  }
}

void t.test('every example can be sent as it is, from the page', { skip: noBrowser }, async (t) => {
  const house = await House.open(t, { grace: 3600 });
  const carol = await house.stranger('carol');
  const root = await house.member('root', ['admin']);
  const again = await house.signIn('root');
  t.equal(root.index, 2, 'the client that the examples name');
  for (const { index, token } of [carol, root]) {
    await house.ask(`/rooms/lobby/members/${index}`, { method: 'PUT', token });
  }
  const browser = await startBrowser(t);
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  await page.goto(`http://localhost:${house.server.port}/docs/`);
  const swagger = new Swagger(page);

  // Its groups are the tasks, each with a line that says what it is for.
  const groups = page.locator('.opblock-tag');
  await groups.first().waitFor();
  t.same(
    await groups.locator('a').allTextContents(),
    document.tags.map(({ name }) => name),
  );
  for (const { description } of document.tags) await page.getByText(description, { exact: true }).waitFor();

  // The events of the stream are told where one looks for them.
  const connect = swagger.block(ENDLESS);
  await connect.locator('.opblock-summary-control').click();
  for (const event of ['welcome', 'gap', 'presence', 'read', 'deleted', 'invited', 'bye']) {
    await connect
      .locator('td code', { hasText: new RegExp(`^${event}$`) })
      .first()
      .waitFor();
  }
  await connect.getByText('event: welcome').first().waitFor();
  t.equal(await connect.locator('.examples-select option').count(), 9, 'one example of each');
  await connect.locator('.opblock-summary-control').click();

  // The padlock says what takes a credential, and whether there is one.
  const padlock = swagger.block('listAccounts').locator('.authorization__btn');
  t.match(await padlock.getAttribute('aria-label'), /\bunlocked$/);
  t.equal(await swagger.block('health').locator('.authorization__btn').count(), 0);
  t.match((await swagger.execute('listAccounts')).status, /^401/);
  await swagger.authorize('ics_not_genuine');
  const { status, body } = await swagger.execute('listAccounts');
  t.match(status, /^401/);
  t.match(body, /"detail": "This session is over\. Sign in again: POST \/sessions\."/);

  await swagger.authorize(root.token);
  t.match(await padlock.getAttribute('aria-label'), /\blocked$/);
  const apart = new Set([ENDLESS, 'removeAccount', ...OF_CLIENTS, ...OF_ACCOUNTS, ...LAST]);
  const first = operations.map(({ operationId }) => operationId).filter((id) => !apart.has(id));
  for (const id of [...first, ...LAST]) {
    // Of single messages, bans and sessions the example names one that need not be there.
    const expected = /Message$|MessageTo|^liftBan$|^signOutDevice$/.test(id) ? /^(20\d|404)/ : /^20\d/;
    t.match((await swagger.execute(id)).status, expected, id);
  }

  // Without a token, whoever has signed in on the page is known by a cookie.
  await swagger.authorize('');
  t.match((await swagger.execute('listSessions')).status, /^401/);
  t.match((await swagger.execute('signIn')).status, /^201/);
  t.match((await swagger.execute('whoAmI')).body, /"kind": "account",\s*"name": "alice"/);
  for (const id of ['listSessions', ...OF_ACCOUNTS]) t.match((await swagger.execute(id)).status, /^20\d/, id);
  t.match((await swagger.execute('listSessions')).status, /^401/, 'signed out');

  // A client that signs in keeps its name, and stays.
  await swagger.authorize(again.token);
  t.match((await swagger.execute('removeAccount')).status, /^204/);
  for (const id of OF_CLIENTS) t.match((await swagger.execute(id)).status, /^403/, id);
  await swagger.authorize(carol.token);
  for (const id of OF_CLIENTS) {
    t.match((await swagger.execute(id, { index: String(carol.index) })).status, /^20\d/, id);
  }
  t.equal(swagger.executed.size, operations.length - 1, 'all but the stream');
  t.same(complaints, []);
});
