import t, { type Test } from 'tap';
import { type Client, connect, InterChat } from '../../src/sdk/index.js';
import { openHouse, PASSWORD } from './house.js';
import { Interchat } from './interchat.js';
import { CTRL_C, ENTER } from './keys.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

t.jobs = 2;

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

async function connected(t: Test, url: string, name: string): Promise<Client> {
  const client = await connect(url, { name });
  t.teardown(() => client.close());
  return client;
}

void t.test('whoever has signed in is told as whom, stays, and goes on where it was', async (t) => {
  const { url, env } = await openHouse(t, ['alice']);
  const login = new Interchat(t, ['login', '--name', 'alice'], env);
  t.equal(await login.end(PASSWORD), 0);
  const api = new InterChat(url);
  await api.send(1, 'before the first time');
  const first = new Interchat(t, ['connect'], env);
  await first.until(/^Client 1 connected as alice\.\nEnter command: $/);
  await api.send(1, 'seen');
  await first.until(/Somebody: seen\nEnter command: $/);
  t.equal(await first.end('NAME queen\nWHOAMI\nLIST\nQUIT\n'), 0);
  t.match(first.stdout, /NAME queen\nThe name of a client that signs in is that of its account, key or identity\.\n/);
  t.match(
    first.stdout,
    /You are Client 1 \(alice\), signed in with an account\.\nYou may connect, list, send:\*, read:\*\./,
  );
  t.notMatch(first.stdout, /before the first time/, 'which its history has');
  t.match(await api.get(1), { name: 'alice' }, 'it has not left');
  await api.send(1, 'while away');
  const second = new Interchat(t, ['connect'], env);
  await second.until(/Somebody: while away\n/);
  t.equal(await second.end(), 0);
  t.notMatch(second.stdout, /seen/);
});

void t.test('signing in and out while one is connected', { skip }, async (t) => {
  const { url, env, operator } = await openHouse(t, ['alice']);
  const terminal = await Terminal.open(t, ['connect'], { env });
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type(`LOGOUT${ENTER}`);
  await terminal.until('You are not signed in. LOGIN alice signs in.', 'Enter command:');
  terminal.type(`LOGIN alice${ENTER}`);
  await terminal.until('Password for alice:');
  terminal.type(`wrong password${ENTER}`);
  await terminal.until('Password for alice:', 'The name or the password is wrong.', 'Enter command:');
  terminal.type(`LOGIN alice${ENTER}half`);
  await terminal.until('Enter command: LOGIN alice', 'Password for alice:');
  terminal.type(`${CTRL_C}${CTRL_C}`);
  await terminal.until('No password was given.', 'Enter command:');
  terminal.type(`login alice${ENTER}`);
  await terminal.until('Password for alice:');
  terminal.type(`${PASSWORD}${ENTER}`);
  await terminal.until('Password for alice:', 'Client 2 connected as alice.', 'Enter command:');
  await t.rejects(operator.get(1), { code: 'client-gone' }, 'nobody is two');
  await new InterChat(url).send(2, 'Hello, Alice');
  await terminal.until('Somebody: Hello, Alice', 'Enter command:');
  terminal.type(`WHOAMI${ENTER}`);
  await terminal.until(
    'You are Client 2 (alice), signed in with an account.',
    'You may connect, list, send:*, read:*.',
    'Enter command:',
  );
  terminal.type(`LOGOUT${ENTER}`);
  await terminal.until('Signed out.', 'Client 3 connected.', 'Enter command:');
  t.match(await operator.get(2), { name: 'alice', status: 'away' });
  terminal.type(`QUIT${ENTER}`);
  t.equal(await terminal.exited, 0);
  t.notMatch(terminal.output, /horse|wrong password|half|ics_/);
  const [before, after] = terminal.modes;
  t.equal(after, before);
});

void t.test('a session that is ended elsewhere ends it, with the exit code for that', async (t) => {
  const { url, env } = await openHouse(t, ['alice'], { access: 'members' });
  const login = new Interchat(t, ['login', '--name', 'alice'], env);
  t.equal(await login.end(PASSWORD), 0);
  const session = new Interchat(t, ['connect'], env);
  await session.until(/connected as alice\.\nEnter command: $/);
  const { token } = await new InterChat(url).sessions.signIn('alice', PASSWORD);
  await new InterChat(url, { token }).sessions.signOutEverywhere();
  t.equal(await session.exited, 3);
  t.equal(session.stderr, 'interchat: The session of alice is over: sign in again: interchat login\n');
});

void t.test('where only members may come, whoever signs out is out', async (t) => {
  const { env } = await openHouse(t, ['alice'], { access: 'members' });
  const session = new Interchat(t, ['connect'], env);
  t.equal(await session.exited, 3);
  const login = new Interchat(t, ['login', '--name', 'alice'], env);
  t.equal(await login.end(PASSWORD), 0);
  const again = new Interchat(t, ['connect'], env);
  t.equal(await again.end('LOGOUT\nLIST\n'), 0);
  t.equal(again.stdout, 'Client 1 connected as alice.\nEnter command: LOGOUT\nSigned out.\n');
});

void t.test('a password from a pipe is not written', async (t) => {
  const { env } = await openHouse(t, ['alice', 'bob']);
  const session = new Interchat(t, ['connect'], env);
  t.equal(await session.end(`LOGIN alice\n${PASSWORD}\nLOGIN bob\n${PASSWORD}\nQUIT\n`), 0);
  t.equal(
    session.stdout,
    [
      'Client 1 connected.',
      'Enter command: LOGIN alice',
      'Password for alice: ',
      'Client 2 connected as alice.',
      'Enter command: LOGIN bob',
      'Password for bob: ',
      'Client 3 connected as bob.',
      'Enter command: QUIT',
      '',
    ].join('\n'),
  );
});

void t.test('on a terminal that knows no control codes it is not shown either', { skip }, async (t) => {
  const { env } = await openHouse(t, ['alice']);
  const terminal = await Terminal.open(t, ['connect'], { env: { ...env, TERM: 'dumb' } });
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type('LOGIN alice\n');
  await terminal.until('Enter command: LOGIN alice', 'Password for alice:');
  terminal.type(`${PASSWORD}\n`);
  await terminal.until('Password for alice:', 'Client 2 connected as alice.', 'Enter command:');
  terminal.type('QUIT\n');
  t.equal(await terminal.exited, 0);
  t.notMatch(terminal.output, /horse/);
});

void t.test('private rooms, by hand', async (t) => {
  const { url } = await openHouse(t, []);
  const bob = await connected(t, url, 'bob');
  const session = new Interchat(t, ['connect', '--name', 'alice'], { INTERCHAT_URL: url });
  const after = async (line: string, answer: RegExp) => {
    session.write(`${line}\n`);
    await session.until(new RegExp(`${line}\\n${answer.source}\\nEnter command: $`));
  };
  await session.until(/Enter command: $/);
  await after('PRIVATE team', /#team is yours, and there to nobody else\. INVITE bob team lets somebody in\./);
  await after('INVITE bob nowhere', /You are in no private room nowhere\. PRIVATE nowhere makes one\./);
  const invited = new Promise((resolve) => bob.once('invited', resolve));
  await after('INVITE bob team', /bob may enter #team\./);
  t.same(await invited, { room: 'team', by: { index: 2, name: 'alice' } });
  await bob.enter('team');
  await after('ROOMS', /#team: 2 members, 2 online, private\./);
  await after('HANDOVER team bob', /#team is the room of bob now\./);
  await after('DISBAND team', /The room team is client 1's, who alone may do this\./);
  await bob.api.privateRooms.handOver('team', 2);
  await after('KICK #team bob', /bob is not in #team any more\./);
  await after('DISBAND team', /#team is closed\./);
  await after('INVITATIONS', /You are not invited anywhere\./);
  await bob.api.privateRooms.make('den');
  await bob.api.privateRooms.invite('den', 2);
  await session.until(/\nbob invites you to #den: JOIN den\nEnter command: $/);
  await after('INVITATIONS ', /bob invites you to #den: JOIN den/);
  await after('JOIN den', /You are in #den, 2 members\./);
  t.equal(await session.end('QUIT\n'), 0);
});

void t.test('what is deleted is told in its place, and shown no more', async (t) => {
  const { url, operator } = await openHouse(t, []);
  const bob = await connected(t, url, 'bob');
  await bob.enter('lobby');
  const session = new Interchat(t, ['connect', '--rooms', 'lobby'], { INTERCHAT_URL: url });
  await session.until(/Enter command: $/);
  const { id } = await bob.say('lobby', 'oh');
  await session.until(/Client 1 \(bob\) in #lobby: oh\n/);
  await operator.moderation.deleteMessage({ room: 'lobby' }, id ?? '');
  await session.until(new RegExp(`\\nMessage ${id} in #lobby was deleted\\.\\nEnter command: $`));
  session.write('HISTORY #lobby\n');
  await session.until(/Said in #lobby: nothing\./);
  session.write('OPEN bob\n');
  await session.until(/\nbob> $/);
  await bob.say('lobby', 'one');
  const { id: second } = await bob.say('lobby', 'two');
  await bob.send(2, 'here');
  await session.until(/: here\nbob \(#lobby 2\)> $/);
  await operator.moderation.deleteMessage({ room: 'lobby' }, second ?? '');
  await bob.send(2, 'and here');
  await session.until(/: and here\nbob \(#lobby 1\)> $/);
  session.write('/READ\n');
  await session.until(/1 unread message, #lobby:\n.*in #lobby: one\nbob> $/);
  t.equal(await session.end('/QUIT\n'), 0);
});
