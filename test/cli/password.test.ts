import t from 'tap';
import { InterChat } from '../../src/sdk/index.js';
import { openHouse, PASSWORD, SECRET } from './house.js';
import { CTRL_C, CTRL_U, ENTER } from './keys.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

t.jobs = 2;

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

void t.test('a password is asked for twice on a terminal, and never shown', { skip }, async (t) => {
  const { url } = await openHouse(t, []);
  const env = { INTERCHAT_URL: url, INTERCHAT_SECRET: SECRET };
  const terminal = await Terminal.open(t, ['account', 'add', 'alice'], { env });
  await terminal.until('Password for alice:');
  terminal.type(`not this one${CTRL_U}${PASSWORD}x\x7f${ENTER}`);
  await terminal.until('Password for alice:', 'The same again:');
  terminal.type(`${PASSWORD} but not${ENTER}`);
  await terminal.until('The two are not the same.', 'Password for alice:');
  terminal.type(`${PASSWORD}${ENTER}`);
  await terminal.until('The same again:');
  terminal.type(`${PASSWORD}${ENTER}`);
  t.equal(await terminal.exited, 0);
  await terminal.until('Account alice was made.');
  t.notMatch(terminal.output, /horse|not this one/);
  t.match(await new InterChat(url).sessions.signIn('alice', PASSWORD), { name: 'alice' });
  const [before, after] = terminal.modes;
  t.equal(after, before);
});

void t.test('whoever gives up makes no account, and has the terminal back', { skip }, async (t) => {
  const { url, operator } = await openHouse(t, []);
  const env = { INTERCHAT_URL: url, INTERCHAT_SECRET: SECRET };
  const terminal = await Terminal.open(t, ['account', 'add', 'alice'], { env });
  await terminal.until('Password for alice:');
  terminal.type(`half${CTRL_C}`);
  t.equal(await terminal.exited, 1);
  t.same(await operator.accounts.list(), []);
  const [before, after] = terminal.modes;
  t.equal(after, before);
});
