import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Page {
  messages: { id: string; text: string }[];
  cursor: string;
  gap: boolean;
}

/** A server with client 1 in the room `lobby`, and both of its histories. */
async function serve(t: Test, settings: Partial<Config> = {}) {
  const { url } = await startServer(t, settings);
  const { token } = (await ask(`${url}/clients`, { json: { rooms: ['lobby'] } })).json as { token: string };
  const history = (path: string) => ({
    send: (text: string, more: object = {}) => ask(url + path, { json: { text, ...more } }),
    read: async (query = '') => (await ask(`${url}${path}${query}`, { token })).json as unknown as Page,
  });
  return { url, token, mailbox: history('/clients/1/messages'), room: history('/rooms/lobby/messages') };
}

const texts = ({ messages }: Page) => messages.map(({ text }) => text);

void t.test('a history is read forwards and backwards, a page at a time', async (t) => {
  const { mailbox, room } = await serve(t);
  for (const { send, read } of [mailbox, room]) {
    const ids: string[] = [];
    for (let i = 1; i <= 7; i++) ids.push((await send(String(i))).json.id as string);
    t.same(texts(await read()), ['1', '2', '3', '4', '5', '6', '7']);
    const first = await read('?limit=3');
    t.same(texts(first), ['1', '2', '3']);
    const second = await read(`?limit=3&after=${first.cursor}`);
    t.same(texts(second), ['4', '5', '6']);
    t.same(texts(await read(`?after=${second.cursor}`)), ['7']);
    t.same(texts(await read(`?limit=2&before=${ids[4]}`)), ['3', '4'], 'the newest before it');
    t.same(texts(await read(`?after=${ids[1]}&before=${ids[4]}`)), ['3', '4']);
    const last = await read(`?after=${ids[6]}`);
    t.match(last, { messages: [], gap: false });
    t.same(texts(await read(`?after=${last.cursor}`)), []);
  }
});

void t.test('q finds texts that contain it, whatever the case', async (t) => {
  const { mailbox, room } = await serve(t);
  for (const { send, read } of [mailbox, room]) {
    for (const text of ['Grüße aus der Straße', 'nothing', 'STRASSE', 'οδός ΟΔΟΣ', 'a%b', 'straßenbahn'])
      await send(text);
    await send('unused', { text: undefined, data: { text: 'strasse' } });
    t.same(texts(await read('?q=stra%C3%9Fe')), ['Grüße aus der Straße', 'STRASSE', 'straßenbahn']);
    t.same(texts(await read('?q=STRASSE&limit=1')), ['Grüße aus der Straße']);
    t.same(texts(await read(`?q=%CE%BF%CE%B4%CF%8C%CF%82`)), ['οδός ΟΔΟΣ']);
    t.same(texts(await read('?q=%25')), ['a%b']);
    t.same(texts(await read('?q=strasse&before=999999&limit=2')), ['STRASSE', 'straßenbahn'], 'the newest of them');
    const page = await read('?q=strasse&limit=2');
    t.same(texts(await read(`?q=strasse&after=${page.cursor}`)), ['straßenbahn']);
    t.match(await read('?q=no+such+text'), { messages: [], gap: false });
  }
  t.match((await ask(`${(await serve(t)).url}/rooms/lobby/messages?q=`)).json, { errors: [{ path: 'q' }] });
});

void t.test('q looks through more than one reading takes', async (t) => {
  const { url, token, room } = await serve(t);
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ to: { room: 'lobby' }, text: i % 300 === 0 ? `found ${i}` : 'x' }),
  );
  await ask(`${url}/messages`, { body: lines.join('\n'), headers: { 'content-type': 'application/x-ndjson' } });
  t.same(texts(await room.read('?q=FOUND')), ['found 0', 'found 300', 'found 600', 'found 900']);
  t.same(texts(await room.read('?q=FOUND&limit=2&before=1000')), ['found 600', 'found 900']);
  t.equal((await ask(`${url}/rooms/lobby/messages?limit=1000`, { token })).status, 200);
});

void t.test('who waits gets what comes, and with q only what is sought', async (t) => {
  const { mailbox, room } = await serve(t);
  for (const { send, read } of [mailbox, room]) {
    const { cursor } = await read();
    const [any, sought] = [read(`?after=${cursor}&wait=60`), read(`?after=${cursor}&wait=60&q=Two`)];
    await send('one');
    t.same(texts(await any), ['one']);
    await send('two');
    t.same(texts(await sought), ['two']);
    t.same(texts(await read('?wait=0.05&q=three')), []);
  }
});

void t.test('what was trimmed is a gap, what expired is not', async (t) => {
  const { url, mailbox, room } = await serve(t, { keepMessages: 5 });
  for (const { send, read } of [mailbox, room]) {
    const first = (await send('first')).json.id as string;
    await send('gone', { ttl: 0.05 });
    await waitFor(async () => !texts(await read()).includes('gone'));
    t.same(await read('?q=gone'), { ...(await read('?q=gone')), messages: [], gap: false });
    for (let i = 0; i < 20; i++) await send(String(i));
    await waitFor(async () => texts(await read()).length <= 6);
    const page = await read(`?after=${first}`);
    t.equal(page.gap, true);
    t.equal(texts(page).at(-1), '19');
    t.equal((await read(`?after=${page.messages[0]?.id}`)).gap, false);
    t.equal((await read('?before=999999&limit=1000')).gap, true);
    t.equal((await read('?before=999999&limit=2')).gap, false);
  }
  const stream = await EventReader.open(t, `${url}/events?rooms=lobby`);
  await stream.next();
  await room.send('new');
  t.match(await stream.next(), { event: 'message' }, 'who has just entered has missed nothing');
});

void t.test('pages fit together while others write', async (t) => {
  const { room } = await serve(t);
  let writing = true;
  const written: string[] = [];
  const writer = (async () => {
    for (let i = 0; writing; i++) {
      await room.send(String(i));
      written.push(String(i));
    }
  })();
  const read: string[] = [];
  let cursor = '0';
  while (read.length < 200) {
    const page = await room.read(`?limit=7&wait=5&after=${cursor}`);
    read.push(...texts(page));
    cursor = page.cursor;
  }
  writing = false;
  await writer;
  t.same(read, written.slice(0, read.length));
});

void t.test('a page ends when it becomes long, and the next goes on there', async (t) => {
  const { room } = await serve(t);
  const sent = Array.from({ length: 150 }, (_, n) => `${n} `.padEnd(60_000, 'x'));
  for (const text of sent) await room.send(text);
  const lengthOf = (page: Page) => texts(page).reduce((sum, text) => sum + text.length, 0);
  const most = 8 * 1024 * 1024;
  for (const query of ['?limit=1000', '?limit=1000&q=x']) {
    const first = await room.read(query);
    t.ok(first.messages.length < 150 && lengthOf(first) <= most, `${first.messages.length} messages${query}`);
    const second = await room.read(`${query}&after=${first.cursor}`);
    t.same([...texts(first), ...texts(second)], sent, 'forwards');
    t.equal(second.gap, false);
    const newest = await room.read(`${query}&before=999999999999999`);
    t.ok(lengthOf(newest) <= most);
    const older = await room.read(`${query}&before=${newest.messages[0]?.id}`);
    t.same([...texts(older), ...texts(newest)], sent, 'backwards');
    t.same([newest.gap, older.gap], [false, false]);
  }
});
