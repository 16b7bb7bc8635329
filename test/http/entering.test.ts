import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { enterUnderLoad } from '../support/room-load.js';
import { startServer } from '../support/server.js';

void t.test('whoever enters rooms under load gets all that follows, once and in the order of the log', async (t) => {
  const { url } = await startServer(t, { rateLimit: 0 });
  const marked = await enterUnderLoad(t, { streams: [url, url], enters: [url], sends: [url] }, 20);
  t.equal(marked, 0, 'within one server none is late');
});

void t.test('a stream that resumes among late messages gets those that may be missing, marked', async (t) => {
  const { url } = await startServer(t);
  const first = await EventReader.open(t, `${url}/events`);
  const { cursor, token } = (await first.next()).data as { cursor: string; token: string };
  const send = async (text: string) => {
    const { json } = await ask(`${url}/clients/1/messages`, { json: { text } });
    return json.id as string;
  };
  const [one, , three] = [await send('one'), await send('two'), await send('three')];
  const among = cursor.replace(/^\d+/, `${three}-${one}`);
  const second = await EventReader.open(t, `${url}/events`, { 'last-event-id': among });
  t.match(await second.next(), { event: 'welcome', id: among, data: { resumed: true, cursor: among } });
  await send('four');
  const events = [await second.next(), await second.next(), await second.next()];
  t.same(
    events.map(({ data: { text, late } }) => [text, late]),
    [
      ['two', true],
      ['three', true],
      ['four', undefined],
    ],
  );
  const history = await ask(`${url}/clients/1/messages?after=${among}`, { token });
  t.same(
    (history.json.messages as { text: string }[]).map(({ text }) => text),
    ['two', 'three', 'four'],
  );
});
