import fc from 'fast-check';
import t from 'tap';
import type { Seq } from '../../src/engine/engine.js';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { Delivery } from '../../src/hub/feeds.js';
import { encodeEnvelope } from '../../src/hub/message.js';
import { ndjson, sse } from '../../src/stream/format.js';

/** Everything that ends a line to anybody: to SSE, to JSON Lines, to Unicode, to Python's splitlines. */
// eslint-disable-next-line no-control-regex
const ANY_LINE_END = /[\n\r\v\f\x1c-\x1e\u0085\u2028\u2029]/;

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    '\n\n',
    '\0',
    '\u2028',
    '\u2029',
    '\u0085',
    '\ufeff',
    '\v',
    '\f',
    '\x1c',
    'data: x',
    '\ndata: x\n\n',
    '\nevent: bye\n\n',
    '\nid: 1\n',
    '\nretry: 1\n',
    ':',
    '\ud800',
    '"}',
    '\u001b[2J',
  ),
);
const text = fc.array(hostile, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''));

function deliver(content: { text?: string; data?: unknown }, seq: Seq | null): Delivery {
  const envelope = { from: null, to: { client: 2 as ClientIndex }, sentAt: 0, ...content };
  return new Delivery(seq, Buffer.from(encodeEnvelope(envelope)), null);
}

void t.test('no text and no data can begin a new line, field or event', async (t) => {
  fc.assert(
    fc.property(text, fc.jsonValue(), text, (words, value, key) => {
      const content = { text: words, data: { [key]: value, words } };
      const delivery = deliver(content, 17 as Seq);

      const event = sse.message(delivery).toString() + sse.tail('.2.MAC');
      const lines = event.split('\n');
      if (lines.length !== 4 || lines[1] !== 'id: 17.2.MAC' || lines[2] !== '' || lines[3] !== '') return false;
      if (!lines[0]?.startsWith('data: ') || ANY_LINE_END.test(lines[0])) return false;
      const message = JSON.parse(lines[0].slice('data: '.length)) as { id: string; text: string; data: unknown };
      t.same(message.data, JSON.parse(JSON.stringify(content.data)));

      const line = ndjson.message(delivery).toString() + ndjson.tail('.2.MAC');
      if (ANY_LINE_END.test(line.slice(0, -1)) || !line.endsWith('\n')) return false;
      const parsed = JSON.parse(line) as { event: string; id: string; data: { text: string } };
      return message.id === '17' && message.text === words && parsed.id === '17.2.MAC' && parsed.data.text === words;
    }),
  );
});

void t.test('a message that was never stored has no id and ends by itself', async (t) => {
  const delivery = deliver({ text: 'now or never' }, null);
  t.match(sse.message(delivery).toString(), /^data: \{"id":null,.*\}\n\n$/);
  t.match(JSON.parse(ndjson.message(delivery).toString()), { event: 'message', id: null, data: { id: null } });
});

void t.test('the bytes of a message are made once, whoever gets it', async (t) => {
  const delivery = deliver({ text: 'shared' }, 1 as Seq);
  t.equal(sse.message(delivery), sse.message(delivery));
  t.equal(ndjson.message(delivery), ndjson.message(delivery));
});

void t.test('other events stand on one data line, after their retry, name and id', async (t) => {
  t.equal(
    sse.event('welcome', '{"a":1}', { id: '0.1.MAC', retry: 1000 }).toString(),
    'retry: 1000\nevent: welcome\nid: 0.1.MAC\ndata: {"a":1}\n\n',
  );
  t.equal(sse.event('bye', '{}').toString(), 'event: bye\ndata: {}\n\n');
  t.same(JSON.parse(ndjson.event('bye', '{"reason":"left"}').toString()), {
    event: 'bye',
    id: null,
    data: { reason: 'left' },
  });
});
