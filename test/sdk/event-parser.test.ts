import fc from 'fast-check';
import t from 'tap';
import { UnexpectedAnswer } from '../../src/sdk/errors.js';
import { EventParser, type ServerSentEvent } from '../../src/sdk/event-parser.js';

const LIMIT = 1_000_000;

/** What comes of a text that arrives in these pieces. */
function parse(...chunks: (string | Uint8Array)[]): ServerSentEvent[] {
  const parser = new EventParser(LIMIT);
  return chunks.flatMap((chunk) => parser.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
}

function message(data: string, lastEventId = '', event = 'message'): ServerSentEvent {
  return { event, data, lastEventId };
}

void t.test('the examples of the standard', async (t) => {
  t.strictSame(parse('data: YHOO\ndata: +2\ndata: 10\n\n'), [message('YHOO\n+2\n10')]);
  t.strictSame(parse(': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n'), [
    message('first event', '1'),
    message('second event'),
    message(' third event'),
  ]);
  t.strictSame(parse('data\n\ndata\ndata\n\ndata:'), [message(''), message('\n')]);
  t.strictSame(parse('data:test\n\ndata: test\n\n'), [message('test'), message('test')]);
});

void t.test('a named event has its name for itself alone', async (t) => {
  t.strictSame(parse('event: add\ndata: 1\n\ndata: 2\n\n'), [message('1', '', 'add'), message('2')]);
  t.strictSame(parse('event: add\n\ndata: 2\n\n'), [message('2')], 'and without data it is none');
});

void t.test('an id stays until there is another', async (t) => {
  t.strictSame(parse('id: 7\ndata: a\n\ndata: b\n\nid: 8\n\ndata: c\n\n'), [
    message('a', '7'),
    message('b', '7'),
    message('c', '8'),
  ]);
  t.strictSame(parse('id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n').at(-1), message('b', '7'), 'one with NUL is ignored');
});

void t.test('retry counts only when it is digits', async (t) => {
  const parser = new EventParser(LIMIT);
  const after = (line: string) => (parser.push(Buffer.from(`${line}\n`)), parser.retry);
  t.equal(parser.retry, undefined);
  t.equal(after('retry: 1500'), 1500);
  for (const line of ['retry: 1.5', 'retry: -1', 'retry:', 'retry: 1e3', 'retry:  20', 'retry: ٣']) {
    t.equal(after(line), 1500, line);
  }
  t.equal(after('retry:0'), 0);
});

void t.test('unknown fields and comments are passed over', async (t) => {
  t.strictSame(parse(':\n: comment: data\nfoo: bar\ndatax: 1\n data: 2\nDATA: 3\ndata: 4\n\n'), [message('4')]);
});

void t.test('one byte order mark at the beginning is no part of the text', async (t) => {
  const mark = Uint8Array.of(0xef, 0xbb, 0xbf);
  t.strictSame(parse(mark, 'data: a\n\n'), [message('a')]);
  t.strictSame(parse(mark, mark, 'data: a\n\n'), [], 'the second one is');
  t.strictSame(parse('data: a\n', mark, 'data: b\n\n'), [message('a')], 'nor is one further on taken away');
});

void t.test('what is not finished at the end of the stream is no event', async (t) => {
  t.strictSame(parse('data: a\n\ndata: b\n'), [message('a')]);
});

void t.test(
  'a carriage return at the end of a chunk is a line end at once, and a line feed behind it is not another',
  async (t) => {
    const parser = new EventParser(LIMIT);
    t.strictSame(parser.push(Buffer.from('data: a\r\n\r')), [message('a')], 'nobody waits for the next chunk');
    t.strictSame(parser.push(Buffer.from('\n')), []);
    t.strictSame(parser.push(Buffer.from('data: b\r\r')), [message('b')]);
  },
);

void t.test('cut at any byte, whatever the line ends, it says the same', async (t) => {
  for (const end of ['\n', '\r', '\r\n']) {
    const lines = [
      'retry: 10',
      'event: welcome',
      'id: 0.1.x',
      'data: {"name":"Ünï🦔"}',
      '',
      ': beat',
      'data: 1',
      'data:',
      '',
    ];
    const bytes = Buffer.from([...lines, ''].join(end));
    const whole = parse(bytes);
    t.equal(whole.length, 2);
    for (let at = 0; at <= bytes.length; at++) {
      t.strictSame(parse(bytes.subarray(0, at), bytes.subarray(at)), whole, `${JSON.stringify(end)} at ${at}`);
    }
    t.strictSame(parse(...[...bytes].map((byte) => Uint8Array.of(byte))), whole, 'byte by byte');
  }
});

void t.test('any events come through as they were sent, however the bytes are cut', async (t) => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\r\n]/g, ''));
  const event = fc.record({
    event: line.map((name) => (name === '' ? 'message' : name)),
    data: fc.array(line, { minLength: 1, maxLength: 4 }),
    lastEventId: line.map((id) => id.replaceAll('\0', '')),
  });
  const property = fc.property(
    fc.array(event, { maxLength: 5 }),
    fc.constantFrom('\n', '\r', '\r\n'),
    fc.array(fc.nat(2000), { maxLength: 6 }),
    (events, end, cuts) => {
      const text = events.map(({ event, data, lastEventId }) =>
        [`event: ${event}`, `id: ${lastEventId}`, ...data.map((part) => `data: ${part}`), '', ''].join(end),
      );
      const bytes = Buffer.from(text.join(''));
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
      const expected = events.map(({ data, ...rest }) => ({ ...rest, data: data.join('\n') }));
      t.match(JSON.stringify(sorted(parse(...chunks))), JSON.stringify(sorted(expected)));
    },
  );
  fc.assert(property, { numRuns: 200 });
});

void t.test('bytes without end are refused before they fill the memory', async (t) => {
  const chunk = Buffer.alloc(1024, 'x');
  const flood = (prefix: string, suffix: string) => () => {
    const parser = new EventParser(100_000);
    for (let i = 0; i < 200; i++) {
      parser.push(Buffer.from(prefix));
      parser.push(chunk);
      parser.push(Buffer.from(suffix));
    }
  };
  t.throws(flood('', ''), UnexpectedAnswer, 'a line without end');
  t.throws(flood('data: ', '\n'), UnexpectedAnswer, 'an event without end');
  t.doesNotThrow(flood('data: ', '\n\n'), 'many small events are fine');
  t.doesNotThrow(flood(': ', '\n'), 'and so are comments');
});

function sorted(events: ServerSentEvent[]): [string, string, string][] {
  return events.map(({ event, data, lastEventId }) => [event, data, lastEventId]);
}
