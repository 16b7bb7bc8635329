import stringWidth from 'string-width';
import t from 'tap';
import { Inbox, unreadTitle } from '../../src/cli/terminal/inbox.js';
import type { Message } from '../../src/sdk/index.js';

function from(index: number, text: string, name: string | null = null): Message {
  return { id: '1', from: { index, name }, to: { client: 1 }, text, sentAt: '' };
}

void t.test('while nothing is open, everything is shown', async (t) => {
  const inbox = new Inbox();
  t.equal(inbox.take(from(2, 'one')), true);
  t.equal(inbox.prompt, 'Enter command: ');
  t.strictSame(inbox.read(), []);
});

void t.test('the prompt stays short, whoever sends', async (t) => {
  const inbox = new Inbox();
  inbox.open({ client: 2 }, 'b'.repeat(64));
  for (let index = 3; index < 100; index++) inbox.take(from(index, 'x', '漢'.repeat(64)));
  t.ok(stringWidth(inbox.prompt) < 60, inbox.prompt);
  t.match(inbox.prompt, /95 more\)> $/);
  t.equal(inbox.take(from(2, 'shown')), true);
});

void t.test('whoever sends much does not push out what others have sent', async (t) => {
  const inbox = new Inbox();
  inbox.open({ room: 'lobby' }, '#lobby');
  inbox.take(from(3, 'early'));
  for (let n = 0; n < 1_500; n++) inbox.take(from(2, `flood ${n}`, 'bob\x1b'));
  inbox.take(from(4, 'late'));
  t.match(inbox.read({ client: 3 }), [{ count: 1, messages: [{ text: 'early' }] }]);
  t.match(inbox.read({ client: 4 }), [{ count: 1, messages: [{ text: 'late' }] }]);
  const [flood] = inbox.read();
  t.match(flood, { label: 'bob␛', count: 1_500, messages: { length: 998 } });
  t.equal(flood?.messages.at(-1)?.text, 'flood 1499');
  t.match(flood && unreadTitle(flood), '1500 unread messages, bob␛ (HISTORY shows the first 502):');
  t.equal(inbox.prompt, '#lobby> ');
});
