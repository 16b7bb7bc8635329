import t from 'tap';
import { visible, visibleJson } from '../../src/cli/visible.js';
import { clientLine, count, errorLine, messageLines, roomLine } from '../../src/cli/wording.js';
import { type ClientInfo, type Message, ProblemError } from '../../src/sdk/index.js';

const CLIENT: ClientInfo = {
  index: 1,
  name: null,
  status: 'online',
  socket: 3,
  streams: 1,
  connectedAt: '',
  lastSeenAt: '',
  rooms: [],
};

function messageOf(parts: Partial<Message>): Message {
  return { id: '1', from: { index: 1, name: 'alice' }, to: { client: 2 }, sentAt: '', ...parts };
}

void t.test('what a terminal would obey is made visible', async (t) => {
  t.equal(visible('\x1b]0;owned\x07\x1b[2J'), '␛]0;owned␇␛[2J');
  t.equal(visible('\x9b31m'), '\\u{9b}31m', 'the one-byte escape sequences too');
  t.equal(visible('a\rb\nc\x7f'), 'a␍b␊c␡');
  t.equal(visible('\u202egpj.exe'), '\\u{202e}gpj.exe', 'nor is the direction of writing turned');
  t.equal(visible('a\u2028b\u2029\ufeff\ud800'), 'a\\u{2028}b\\u{2029}\\u{feff}\\u{d800}');
  t.equal(visible('Ünï 👩‍🚀 नमस्ते\tٱلسَّلَامُ'), 'Ünï 👩‍🚀 नमस्ते\tٱلسَّلَامُ', 'ordinary writing stays');
});

void t.test('JSON says the same without such characters', async (t) => {
  const value = { text: '\x1b[2J\x9b31m\u202e\u{e0041}\ud800 ok' };
  const line = visibleJson(value);
  t.notMatch(line, /[^\x20-\x7e]/);
  t.strictSame(JSON.parse(line), value);
});

void t.test('clients are listed as they always were, with their name behind', async (t) => {
  t.equal(clientLine(CLIENT), 'Client 1 is at socket 3.');
  t.equal(clientLine({ ...CLIENT, status: 'away', socket: null }), 'Client 1 is away.');
  t.equal(clientLine({ ...CLIENT, name: 'a\x1bb' }), 'Client 1 is at socket 3. (a␛b)');
  const lie = '\x1b[2J' as unknown as number;
  t.equal(clientLine({ ...CLIENT, index: lie, socket: lie }), 'Client ␛[2J is at socket ␛[2J.');
  t.equal(roomLine({ name: 'lobby', members: lie, online: lie }), '#lobby: ␛[2J members, ␛[2J online.');
  t.equal(messageLines(messageOf({ from: { index: lie, name: null }, text: 'Hello' })), 'Client ␛[2J: Hello');
});

void t.test('a message says who sent it, and no line of its text can pass for another', async (t) => {
  t.equal(messageLines(messageOf({ text: 'Hello' })), 'Client 1 (alice): Hello');
  t.equal(messageLines(messageOf({ from: null, text: 'Hello' })), 'Somebody: Hello');
  t.equal(messageLines(messageOf({ from: { index: 7, name: null }, text: 'Hello' })), 'Client 7: Hello');
  t.equal(
    messageLines(messageOf({ text: 'Hello\nClient 2: forged\r\nmore\rand more\x1b[A' })),
    'Client 1 (alice): Hello\n  Client 2: forged\n  more\n  and more␛[A',
  );
  t.equal(messageLines(messageOf({ data: { a: '\x1b' } })), 'Client 1 (alice): {"a":"\\u001b"}');
  t.equal(messageLines(messageOf({ text: 'see', data: [1] })), 'Client 1 (alice): see [1]');
});

void t.test('an error says what is wrong with which input', async (t) => {
  const errors = [{ path: 'name', message: 'is too long' }];
  t.equal(
    errorLine(new ProblemError({ status: 400, code: 'invalid-request', title: 'x', detail: 'No.\x1b', errors })),
    'No.␛ (name is too long)',
  );
  t.equal(errorLine(new Error('several\nlines')), 'several\nlines');
});

void t.test('numbers and nouns', async (t) => {
  t.equal(count(1, 'message'), '1 message');
  t.equal(count(2, 'message'), '2 messages');
});
