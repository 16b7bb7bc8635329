/* Takes the screenshots of the README, docs/page.png and docs/page-phone.png, from a server of its own: `npm run screenshots`. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { enterRoom, openConversation, say, shows, startBrowser, visit } from '../support/browser.js';
import { startServer } from '../support/server.js';

const DOCS = new URL('../../docs/', import.meta.url);
const picture = (name: string) => fileURLToPath(new URL(name, DOCS));

void t.test('screenshots', async (t) => {
  const { port } = await startServer(t, { port: 8080 });
  const url = `http://localhost:${port}/`;
  const browser = await startBrowser(t);
  const alice = await visit(t, browser, url, {
    name: 'alice',
    viewport: { width: 1280, height: 720 },
    colorScheme: 'light',
  });
  const phone = { viewport: { width: 390, height: 720 }, colorScheme: 'dark', isMobile: true, hasTouch: true } as const;
  const bob = await visit(t, browser, url, { name: 'bob', ...phone });
  const sensor = await visit(t, browser, url, { name: 'greenhouse sensor' });

  for (const { page } of [alice, bob, sensor]) await enterRoom(page, 'lobby');
  const said = async ({ page }: typeof alice, text: string) => {
    await say(page, text);
    for (const one of [alice, bob]) await shows(one.page, text);
  };
  await said(sensor, '21.5 °C, windows closed');
  await said(bob, 'Good morning! Does anybody know how I reach one client from a script?');
  await said(alice, 'With one line of curl:\ncurl localhost:8080/clients/2/messages -d "Hello, Client 2!"');
  await said(bob, 'And it is on disk before it says 201. Nice.');
  await enterRoom(sensor.page, 'alerts');
  await openConversation(sensor.page, 'Everyone');
  await say(sensor.page, 'The frost alarm is armed.');
  await alice.page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
  await alice.page.getByRole('link', { name: /alerts/ }).waitFor();

  await alice.page.getByRole('button', { name: 'How it works' }).click();
  await alice.page.locator('.trail').nth(1).getByText('The frost alarm is armed.').waitFor();
  await alice.page.locator('.composer textarea').focus();
  await alice.page.screenshot({ path: picture('page.png') });
  await bob.page.screenshot({ path: picture('page-phone.png') });
});
