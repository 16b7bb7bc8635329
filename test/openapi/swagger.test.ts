import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import { complaintsOf, noBrowser, startBrowser } from '../support/browser.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
}

const document = parse(await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8')) as {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

/** The stream does not end, and Swagger waits for the end of an answer. */
const ENDLESS = 'connect';
/** What leaves nothing behind for others to work with comes last. */
const LAST = ['exitRoom', 'leave'];

void t.test('every example can be sent as it is, from the page', { skip: noBrowser }, async (t) => {
  const server = await startServer(t);
  const clients = [];
  for (const name of ['alice', 'bob']) {
    clients.push((await ask(`${server.url}/clients`, { json: { name, rooms: ['lobby'] } })).json);
  }
  const token = String(clients[1]?.token);
  const browser = await startBrowser(t);
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  await page.goto(`http://localhost:${server.port}/docs/`);

  // Its groups are the tasks, each with a line that says what it is for.
  const groups = page.locator('.opblock-tag');
  await groups.first().waitFor();
  t.same(
    await groups.locator('a').allTextContents(),
    document.tags.map(({ name }) => name),
  );
  for (const { description } of document.tags) await page.getByText(description, { exact: true }).waitFor();

  // The events of the stream are told where one looks for them.
  const connect = page.locator('[id="operations-Connect-connect"]');
  await connect.locator('.opblock-summary-control').click();
  for (const event of ['welcome', 'gap', 'presence', 'read', 'bye']) {
    await connect
      .locator('td code', { hasText: new RegExp(`^${event}$`) })
      .first()
      .waitFor();
  }
  await connect.getByText('event: welcome').first().waitFor();
  t.equal(await connect.locator('.examples-select option').count(), 7, 'one example of each');

  await page.getByRole('button', { name: 'Authorize' }).first().click();
  await page.locator('.auth-container input').fill(token);
  await page.locator('.auth-btn-wrapper .authorize').click();
  await page.locator('.auth-btn-wrapper .btn-done').click();

  const operations = Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .filter(({ operationId }) => operationId !== ENDLESS);
  const rank = ({ operationId }: Operation) => LAST.indexOf(operationId);
  operations.sort((one, other) => rank(one) - rank(other));
  for (const { operationId, tags } of operations) {
    const block = page.locator(`[id="operations-${tags[0]}-${operationId}"]`);
    await block.locator('.opblock-summary-control').click();
    await block.locator('.execute').click();
    const status = block.locator('.live-responses-table .response-col_status').last();
    await status.waitFor();
    // Of single messages the example names one that need not be there.
    const expected = operationId.endsWith('Message') || operationId.includes('MessageTo') ? /^(20\d|404)/ : /^20\d/;
    t.match(await status.textContent(), expected, operationId);
    await block.locator('.opblock-summary-control').click();
  }
  t.same(complaints, []);
});
