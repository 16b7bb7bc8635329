import t from 'tap';
import type { Message } from '../../src/sdk/resources.js';
import { Conversation } from '../../src/web/conversation.js';
import { type ConversationKey, destinationOf, keyOf, parseKey } from '../../src/web/conversation-key.js';
import { keptOf } from '../../src/web/kept-sent.js';

function message(id: number | null, extra: Partial<Message> = {}): Message {
  return {
    id: id === null ? null : String(id),
    from: { index: 2, name: 'bob' },
    to: { room: 'lobby' },
    text: `text ${id}`,
    sentAt: '2026-01-31T12:00:00.000Z',
    ...extra,
  };
}

const put = (conversation: Conversation, messages: readonly Message[], mine = false) =>
  conversation.add(messages.map((message) => ({ message, mine })));

const ids = (conversation: Conversation) => conversation.entries.value.map(({ message }) => message.id);

void t.test('messages stand in the order of the log, once, however they come', async (t) => {
  const conversation = new Conversation('room/lobby');
  put(conversation, [message(9), message(10)]);
  put(conversation, [message(2), message(9), message(5)]);
  put(conversation, [message(11), message(10), message(100)]);
  t.same(ids(conversation), ['2', '5', '9', '10', '11', '100']);
  t.same(put(conversation, [message(5)]), []);
});

void t.test('what was never stored stays behind what was there when it came', async (t) => {
  const conversation = new Conversation('room/lobby');
  put(conversation, [message(3)]);
  put(conversation, [message(null), message(null)]);
  put(conversation, [message(7)]);
  put(conversation, [message(5), message(1)]);
  t.same(ids(conversation), ['1', '3', null, null, '5', '7']);

  const unloaded = new Conversation('everyone');
  put(unloaded, [message(null, { sentAt: '2026-01-31T12:30:00.000Z' })]);
  t.equal(unloaded.oldestId, undefined, 'what is older is asked for from the end');
  put(unloaded, [message(1), message(2), message(3, { sentAt: '2026-01-31T13:00:00.000Z' })]);
  t.same(ids(unloaded), ['1', '2', null, '3'], 'also where that is loaded only later');
  t.match([unloaded.oldestId, unloaded.newestId], ['1', '3']);
});

void t.test('what was never stored is unread until somebody looks, each of it', async (t) => {
  const conversation = new Conversation('client/2');
  put(conversation, [message(3)]);
  conversation.readToEnd();
  for (let time = 0; time < 3; time++) {
    put(conversation, [message(null)]);
    t.equal(conversation.unread.value, 1);
    t.ok(conversation.readToEnd());
    t.equal(conversation.unread.value, 0);
  }
  put(conversation, [message(4)]);
  t.equal(conversation.unread.value, 1);
});

void t.test("what is behind the mark and not one's own is unread", async (t) => {
  const conversation = new Conversation('room/lobby');
  put(conversation, [message(1), message(2), message(3)]);
  put(conversation, [message(4)], true);
  t.equal(conversation.unread.value, 3);
  conversation.readUpTo(2);
  conversation.readUpTo(1);
  t.equal(conversation.unread.value, 1, 'a mark never goes back');
  conversation.placeDivider();
  t.equal(conversation.divider.value, '3');
  t.ok(conversation.readToEnd());
  t.notOk(conversation.readToEnd(), 'nothing new');
  t.equal(conversation.unread.value, 0);
  t.equal(conversation.divider.value, '3', 'it stays while one looks');
  conversation.placeDivider();
  t.equal(conversation.divider.value, undefined);
});

void t.test('what is let go of is still counted, and can be loaded again', async (t) => {
  const conversation = new Conversation('room/lobby');
  put(
    conversation,
    Array.from({ length: 6_000 }, (_, at) => message(at + 1)),
  );
  conversation.trim();
  t.equal(conversation.entries.value.length, 5_000);
  t.equal(conversation.unread.value, 6_000);
  t.equal(conversation.older.value, 'more');
  put(
    conversation,
    Array.from({ length: 1_000 }, (_, at) => message(at + 1)),
  );
  t.equal(conversation.oldest?.message.id, '1');
});

void t.test('of what was sent the newest is remembered, as far as there is room', async (t) => {
  const sent = Array.from({ length: 400 }, (_, at) => message(at + 1));
  t.same(keptOf(sent), sent.slice(-300));
  const long = sent.map((one) => ({ ...one, text: 'x'.repeat(60_000) }));
  const kept = keptOf(long);
  t.equal(kept.at(-1), long.at(-1));
  t.ok(kept.length > 10 && JSON.stringify(kept).length < 1_100_000, `${kept.length} of them`);
  t.same(keptOf([]), []);
});

void t.test('a message belongs where its addressee would look for it', async (t) => {
  const isMine = (index: number) => index === 1;
  const from = (index: number) => ({ from: { index, name: null } });
  for (const [key, said] of [
    ['room/lobby', { to: { room: 'lobby' }, ...from(1) }],
    ['everyone', { to: { everyone: true }, from: null }],
    ['client/2', { to: { client: 1 }, ...from(2) }],
    ['client/2', { to: { client: 2 }, ...from(1) }],
    ['client/1', { to: { client: 1 }, ...from(1) }],
    ['nobody', { to: { client: 1 }, from: null }],
  ] as [ConversationKey, Partial<Message>][]) {
    t.equal(keyOf(message(1, said), isMine), key);
    t.equal(parseKey(`#${key}`), key);
  }
  t.same(destinationOf('client/2'), { client: 2 });
  t.same(destinationOf('room/7'), { room: '7' });
  for (const nonsense of [
    '',
    '#',
    '#client/0',
    '#client/x',
    '#room/',
    '#room/a b',
    '#room/<b>',
    '#other',
    '#everyone/2',
  ]) {
    t.equal(parseKey(nonsense), undefined, nonsense);
  }
});
