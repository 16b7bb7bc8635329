import t from 'tap';
import {
  callOneself,
  complaintsOf,
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
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const MARKUP = '<img src=x onerror="document.title=1"><b>bold</b> <script>alert(1)</script>';

void t.test('two people', { skip: noBrowser }, async (t) => {
  const server = await startServer(t);
  const url = `http://localhost:${server.port}/`;
  const browser = await startBrowser(t);
  const requested: string[] = [];
  const alice = await visit(t, browser, url, { name: 'alice' });
  alice.page.on('request', (request) => requested.push(request.url()));
  const bob = await visit(t, browser, url, { name: 'bob' });

  await t.test('find each other, and talk', async (t) => {
    await openConversation(alice.page, /bob/);
    await say(alice.page, 'Hello, Bob!');
    await bob.page.getByRole('link', { name: /alice.*1 unread/ }).waitFor();
    t.equal(await bob.page.title(), '(1) InterChat');
    await openConversation(bob.page, /alice/);
    await shows(bob.page, 'Hello, Bob!');
    await bob.page.waitForFunction(() => document.title === 'InterChat');
    await bob.page.locator('.composer textarea').pressSequentially('two');
    await bob.page.keyboard.press('Shift+Enter');
    await bob.page.keyboard.type('lines');
    await bob.page.keyboard.press('Enter');
    await shows(alice.page, 'two\nlines');
    t.same(await textsOf(alice.page), ['Hello, Bob!', 'two\nlines']);
    t.same(await textsOf(bob.page), ['Hello, Bob!', 'two\nlines']);
  });

  await t.test('what they send is text, whatever it looks like; addresses can be clicked', async (t) => {
    await say(alice.page, MARKUP);
    await say(alice.page, 'see http://example.org/a_(b), javascript:alert(1)');
    await shows(bob.page, MARKUP);
    const link = bob.page.locator('.text a');
    await link.waitFor();
    t.equal(await link.getAttribute('href'), 'http://example.org/a_(b)');
    t.match(await link.getAttribute('rel'), /noopener.*noreferrer/);
    t.equal(await bob.page.locator('.message :is(b, img, script)').count(), 0);
    await callOneself(alice.page, '<b>alice</b>');
    await bob.page.getByRole('heading', { name: '<b>alice</b>' }).waitFor();
    await callOneself(alice.page, 'alice');
    await bob.page.getByRole('heading', { name: 'alice', exact: true }).waitFor();
  });

  await t.test('meet in a room, with what was said in it before', async (t) => {
    await enterRoom(alice.page, 'lobby');
    await say(alice.page, 'Is anybody here?');
    await shows(alice.page, 'Is anybody here?');
    await openConversation(bob.page, /lobby.*1 member/);
    await shows(bob.page, 'Is anybody here?');
    t.ok(await bob.page.locator('.composer textarea').isDisabled(), 'who looks in cannot talk');
    await bob.page.getByRole('button', { name: /^Enter the room/ }).click();
    await bob.page.locator('.composer textarea:enabled').waitFor();
    await say(bob.page, 'I am!');
    await shows(alice.page, 'I am!');
    await alice.page.getByText('2 members, 2 online').waitFor();
    for (const { page } of [alice, bob]) t.same(await textsOf(page), ['Is anybody here?', 'I am!']);
    await bob.page.getByRole('button', { name: /^Leave the room/ }).click();
    await alice.page.getByText('1 member, 1 online').waitFor();
    await say(alice.page, 'Only for those who are in.');
    await shows(alice.page, 'Only for those who are in.');
    await bob.page.getByRole('button', { name: /^Enter the room/ }).click();
    await shows(bob.page, 'Only for those who are in.');
    t.equal((await textsOf(bob.page)).length, 3, 'and nothing twice');
  });

  await t.test('reach everyone, and are reached by a script', async (t) => {
    await openConversation(alice.page, 'Everyone');
    await say(alice.page, 'To all of you.');
    await bob.page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
    await openConversation(bob.page, /Everyone/);
    await shows(bob.page, 'To all of you.');
    const me = (await ask(`${server.url}/clients?name=bob`)).json.clients as { index: number }[];
    await ask(`${server.url}/clients/${me[0]?.index}/messages`, { json: { data: { temperature: 21.5 } } });
    await openConversation(bob.page, /nobody/);
    await bob.page.locator('.data', { hasText: '"temperature": 21.5' }).waitFor();
    t.ok(await bob.page.locator('.composer textarea').isDisabled(), 'there is nobody to answer');

    // Never stored, and there before what was: it is unread, and the history is loaded all the same.
    const carol = await visit(t, browser, url, { name: 'carol' });
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'Stored.' } });
    await carol.page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
    // It comes while the history is on its way: what was unread stays so.
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await carol.page.route(`${url}messages?before=*`, async (route) => {
      await released;
      await route.continue();
    });
    await carol.page.reload();
    await carol.page.getByRole('link', { name: /Everyone.*1 unread/ }).waitFor();
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'Only now.', ttl: 0 } });
    await carol.page.getByRole('link', { name: /Everyone.*2 unread/ }).waitFor();
    const loaded = carol.page.waitForResponse(`${url}messages?before=*`);
    release();
    await (await loaded).finished();
    await ask(`${server.url}/messages`, { json: { to: { everyone: true }, text: 'And then.', ttl: 0 } });
    await carol.page.getByRole('link', { name: /Everyone.*3 unread/ }).waitFor();
    await openConversation(carol.page, /Everyone/);
    await shows(carol.page, 'Stored.');
    t.same(await textsOf(carol.page), ['Stored.', 'Only now.', 'And then.']);
    const token = await carol.page.evaluate(
      () => JSON.parse(sessionStorage.getItem('interchat.token') ?? '') as string,
    );
    await ask(`${server.url}/clients/3`, { method: 'DELETE', token: token });
    t.same(carol.complaints, []);
  });

  await t.test('keep what they were writing, and see where they left off', async (t) => {
    await openConversation(bob.page, /alice/);
    await bob.page.locator('.composer textarea').fill('half a sen');
    await openConversation(bob.page, /lobby/);
    t.equal(await bob.page.locator('.composer textarea').inputValue(), '');
    await openConversation(alice.page, /bob/);
    await say(alice.page, 'News!');
    await bob.page.getByRole('link', { name: /alice.*1 unread/ }).waitFor();
    await bob.page.reload();
    await bob.page.getByRole('link', { name: /alice.*1 unread/ }).waitFor();
    await openConversation(bob.page, /alice/);
    t.equal(await bob.page.locator('.composer textarea').inputValue(), 'half a sen');
    await bob.page.locator('.message:has(.new)', { hasText: 'News!' }).waitFor();
    t.same((await textsOf(bob.page)).slice(0, 2), ['Hello, Bob!', 'two\nlines'], 'what one sent oneself is there, too');
  });

  await t.test('are the same after a reload; another tab is another client, a copy of a tab the same', async (t) => {
    t.equal((await ask(`${server.url}/clients`)).json.total, 2);
    const third = await bob.context.newPage();
    const complaints = complaintsOf(third);
    await third.goto(url);
    await isLive(third);
    await third.locator('.self', { hasText: 'Client 4' }).waitFor();
    // What a browser does to duplicate a tab: the copy has its sessionStorage.
    const kept = await bob.page.evaluate<Record<string, string>>(() => ({ ...sessionStorage }));
    await third.goto('about:blank');
    await third.context().addInitScript((items) => {
      if (location.protocol === 'http:')
        for (const [name, value] of Object.entries(items)) sessionStorage.setItem(name, value);
    }, kept);
    await third.goto(`${url}#client/1`);
    await isLive(third);
    await third.locator('.self', { hasText: 'bob' }).waitFor();
    await shows(third, 'News!');
    await say(alice.page, 'Do both of you get this?');
    for (const page of [bob.page, third]) await shows(page, 'Do both of you get this?');
    await say(third, 'Yes.');
    for (const page of [alice.page, bob.page, third]) await shows(page, 'Yes.');
    t.match((await ask(`${server.url}/clients/2`)).json, { streams: 1 }, 'they share one stream');
    await bob.page.goto('about:blank');
    await say(alice.page, 'And now?');
    await shows(third, 'And now?');
    t.equal(new Set(await textsOf(third)).size, (await textsOf(third)).length, 'nothing twice');
    t.match((await ask(`${server.url}/clients/2`)).json, { streams: 1, status: 'online' }, 'the other took over');
    t.same(complaints, []);
  });

  await t.test('can read what somebody sent who has left since', async (t) => {
    const { token, client } = (await ask(`${server.url}/clients`, { json: { name: 'script' } })).json as {
      token: string;
      client: { index: number };
    };
    const [me] = (await ask(`${server.url}/clients?name=alice`)).json.clients as { index: number }[];
    await ask(`${server.url}/clients/${me?.index}/messages`, { json: { text: 'Done, and gone.' }, token });
    await alice.page.getByRole('link', { name: /script.*1 unread/ }).waitFor();
    await ask(`${server.url}/clients/${client.index}`, { method: 'DELETE', token });
    await alice.page.getByRole('link', { name: /script.*left.*1 unread/ }).waitFor();
    await openConversation(alice.page, /script/);
    await shows(alice.page, 'Done, and gone.');
    await alice.page.getByText(`Client ${client.index} is not here.`).waitFor();
    t.ok(await alice.page.locator('.composer textarea').isDisabled());
    await openConversation(alice.page, /Everyone/);
    await alice.page.getByRole('link', { name: /script/ }).waitFor({ state: 'detached' });
  });

  t.same([...alice.complaints, ...bob.complaints], [], 'the page complained of nothing');
  t.same(
    requested.filter((address) => !address.startsWith(url)),
    [],
    'it talked to no other host',
  );
});

void t.test('a long history is read upwards, without what one reads moving', { skip: noBrowser }, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const { json } = await ask(`${server.url}/clients`, { json: { name: 'writer', rooms: ['archive'] } });
  const token = String(json.token);
  const lines = Array.from({ length: 450 }, (_, at) => JSON.stringify({ to: { room: 'archive' }, text: `line ${at}` }));
  await ask(`${server.url}/messages`, {
    body: lines.join('\n'),
    token,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/#room/archive`);
  await shows(page, 'line 449');
  const log = page.getByRole('log');
  const atNewest = () => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2);
  t.ok(await atNewest(), 'one begins at the newest');

  await page.locator('.membership button').first().click();
  await page.locator('.composer textarea:enabled').waitFor();
  // Up by a page at a time, until there is nothing more.
  await log.focus();
  while (!(await page.getByText('This is where it begins.').isVisible())) {
    await log.evaluate((box) => (box.scrollTop = 0));
    await page.waitForFunction(() => !document.querySelector('.beginning')?.textContent?.includes('Loading'));
  }
  const texts = await textsOf(page);
  t.same(
    texts,
    lines.map((_, at) => `line ${at}`),
    'all of it, in order, once',
  );

  await log.evaluate((box) => (box.scrollTop = box.scrollHeight / 2));
  await page.getByRole('button', { name: /Jump to newest/ }).waitFor();
  const inView = () =>
    log.evaluate((box) => {
      const top = box.getBoundingClientRect().top;
      const item = [...box.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().bottom > top);
      return { text: item?.querySelector('.text')?.textContent, at: item?.getBoundingClientRect().top };
    });
  const before = await inView();
  await ask(`${server.url}/rooms/archive/messages`, { json: { text: 'something new' }, token });
  await page.getByRole('button', { name: 'Jump to newest (1)' }).waitFor();
  t.same(await inView(), before, 'what one reads stays where it is');
  await page.getByRole('button', { name: /Jump to newest/ }).click();
  await shows(page, 'something new');
  t.ok(await atNewest());
  await ask(`${server.url}/rooms/archive/messages`, { json: { text: 'the last' }, token });
  await shows(page, 'the last');
  t.ok(await atNewest(), 'who is at the newest stays there');

  // More than the page holds: nothing is let go of while somebody reads it.
  const many = Array.from({ length: 4_700 }, (_, at) =>
    JSON.stringify({ to: { room: 'archive' }, text: `more ${at}` }),
  );
  await log.evaluate((box) => (box.scrollTop = 0));
  await page.getByRole('button', { name: /Jump to newest/ }).waitFor();
  await page.getByText('line 0', { exact: true }).waitFor();
  const reading = await inView();
  await ask(`${server.url}/messages`, {
    body: many.join('\n'),
    token,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  await page.getByRole('button', { name: 'Jump to newest (4700)' }).waitFor();
  t.same(await inView(), reading, 'what one reads stays where it is, however much comes in');

  // In a narrower window the lines above what one reads are more.
  await page.getByRole('button', { name: /Jump to newest/ }).click();
  for (const text of ['many words '.repeat(200), 'in the middle', 'the end\n'.repeat(40)]) {
    await ask(`${server.url}/rooms/archive/messages`, { json: { text }, token });
  }
  await page.locator('.text', { hasText: 'the end' }).waitFor();
  await page.locator('.text', { hasText: 'in the middle' }).evaluate((element) => element.scrollIntoView());
  await page.getByRole('button', { name: /Jump to newest/ }).waitFor();
  const wide = await inView();
  await page.setViewportSize({ width: 800, height: 600 });
  await page.waitForFunction(() => innerWidth === 800);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const narrow = await inView();
  t.equal(narrow.text, wide.text);
  t.ok(Math.abs((narrow.at ?? 0) - (wide.at ?? 0)) < 2, 'what one reads stays where it is');

  await say(page, 'said from further up');
  await shows(page, 'said from further up');
  await page.getByRole('button', { name: /Jump to newest/ }).waitFor({ state: 'detached' });
  t.ok(await atNewest(), 'what one says is seen');
  // Growing line by line, what one writes takes its room from the messages.
  await page.locator('.composer textarea').focus();
  for (let line = 0; line < 12; line++) await page.keyboard.press('Shift+Enter');
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  t.ok(await atNewest(), 'and still when one writes more');
  t.same(complaints, []);
});

void t.test(
  'what one of them has sent stays unread, however much another sends after it',
  { skip: noBrowser },
  async (t) => {
    const server = await startServer(t);
    const browser = await startBrowser(t);
    const { page, complaints } = await visit(t, browser, `http://localhost:${server.port}/`);
    const send = async (name: string, count: number) => {
      const { json } = await ask(`${server.url}/clients`, { json: { name } });
      const lines = Array.from({ length: count }, (_, at) =>
        JSON.stringify({ to: { client: 1 }, text: `${name} ${at}` }),
      );
      await ask(`${server.url}/messages`, {
        body: lines.join('\n'),
        token: String(json.token),
        headers: { 'content-type': 'application/x-ndjson' },
      });
    };
    await send('rare', 2);
    await send('busy', 1_200);
    await page.getByRole('link', { name: /busy.*999\+ unread/ }).waitFor();
    await openConversation(page, /busy/);
    await shows(page, 'busy 1199');
    await page.waitForFunction(() => document.title === '(2) InterChat');
    await page.reload();
    await page.getByRole('link', { name: /rare.*2 unread/ }).waitFor();
    await page.waitForFunction(() => document.title === '(2) InterChat');
    await openConversation(page, /rare/);
    await shows(page, 'rare 1');
    t.same(await textsOf(page), ['rare 0', 'rare 1']);
    t.same(complaints, []);
  },
);
