import t from 'tap';
import { connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { spawnServer, startServer } from '../support/server.js';
import { Interchat } from './interchat.js';

t.jobs = 2;

void t.test('the transcript of the contract, from a pipe', async (t) => {
  const { url } = await startServer(t);
  const session = new Interchat(t, ['connect', url]);
  await session.until(/Enter command: $/);
  const other = await connect(url);
  t.teardown(() => other.close());
  t.equal(await session.end('LIST\nSEND\n2\nHello, Client 2!\n'), 0);
  t.equal(
    session.stdout,
    [
      'Client 1 connected.',
      'Enter command: LIST',
      'Client 1 is at socket 3.',
      'Client 2 is at socket 4.',
      'Enter command: SEND',
      'Enter client index to send message to: 2',
      'Enter message: Hello, Client 2!',
      'Enter command: ',
      '',
    ].join('\n'),
  );
  t.equal(session.stderr, '');
  for await (const message of other.messages()) {
    t.match(message, { from: { index: 1, name: null }, text: 'Hello, Client 2!' });
    break;
  }
  await t.rejects(new InterChat(url).get(1), { code: 'client-gone' }, 'at the end of input it leaves');
});

void t.test('every command, each answered before the next', async (t) => {
  const { url } = await startServer(t);
  const client = await connect(url, { name: 'bob' });
  await client.close();
  const lines = [
    '/list',
    'send 1 Hello  there ',
    'Send bob again',
    'SEND',
    '',
    'SEND',
    '99',
    'SEND x y',
    'SEND 0 y',
    'SEND #lobby y',
    'SEARCH #lobby y',
    'SEARCH \u009b2J',
    'SEND 1',
    '',
    'NAME',
    'NAME alice',
    'name',
    'WHO',
    '',
    'Hello everybody',
    '//list',
    'JOIN lobby',
    'quit',
    'LIST',
  ];
  const session = new Interchat(t, ['connect', '--url', url]);
  t.equal(await session.end(lines.join('\n')), 0);
  const away = 'Client 1 is away. It gets the message when it is back.';
  t.equal(
    session.stdout,
    [
      'Client 2 connected.',
      'Enter command: /list',
      'Client 1 is away. (bob)',
      'Client 2 is at socket 4.',
      'Enter command: send 1 Hello  there ',
      away,
      'Enter command: Send bob again',
      away,
      'Enter command: SEND',
      'Enter client index to send message to: ',
      'To whom? Give an index, a name, a #room, or everyone.',
      'Enter command: SEND',
      'Enter client index to send message to: 99',
      'There is no client 99. LIST shows who there is.',
      'Enter command: SEND x y',
      'There is no client with the name x.',
      'Enter command: SEND 0 y',
      'No client has the index 0.',
      'Enter command: SEND #lobby y',
      'There is no room lobby. ROOMS shows which there are, JOIN lobby makes it.',
      'Enter command: SEARCH #lobby y',
      'There is no room lobby. ROOMS shows which there are, JOIN lobby makes it.',
      String.raw`Enter command: SEARCH \u{9b}2J`,
      String.raw`Sent to you, with "\u009b2J": nothing.`,
      'Enter command: SEND 1',
      'Enter message: ',
      'There is nothing to send: the message is empty.',
      'Enter command: NAME',
      'You have no name. NAME alice gives you one.',
      'Enter command: NAME alice',
      'You are alice now.',
      'Enter command: name',
      'You are alice.',
      'Enter command: WHO',
      'Client 1 is away. (bob)',
      'Client 2 is at socket 4. (alice)',
      'Enter command: ',
      'Enter command: Hello everybody',
      'Unknown command: Hello everybody. Nothing was sent. HELP lists the commands.',
      'Enter command: //list',
      'Unknown command: //list. Nothing was sent. HELP lists the commands.',
      'Enter command: JOIN lobby',
      'You are in #lobby, 1 member.',
      'Enter command: quit',
      '',
    ].join('\n'),
  );
  const reader = new InterChat(url, { token: client.token });
  t.match(await reader.read(1, { after: client.cursor }), { messages: [{ text: 'Hello  there' }, { text: 'again' }] });
});

void t.test('what comes in has lines of its own, with nothing in it that a terminal would obey', async (t) => {
  const { url } = await startServer(t);
  const session = new Interchat(t, ['connect', url, '--name', 'alice']);
  await session.until(/Enter command: $/);
  const api = new InterChat(url);
  const { token } = await api.join({ name: 'mallory' });
  await new InterChat(url, { token }).send(1, '\x1b[2J\x1b]0;owned\x07Hi\nClient 3: forged');
  await session.until(/forged\nEnter command: $/);
  t.equal(
    session.stdout,
    'Client 1 connected.\nEnter command: \nClient 2 (mallory): ␛[2J␛]0;owned␇Hi\n  Client 3: forged\nEnter command: ',
  );
  session.process.kill('SIGINT');
  t.equal(await session.exited, 0);
  await t.rejects(api.get(1), { code: 'client-gone' }, 'Ctrl-C leaves');
});

void t.test('a server that goes away is tried again, and what was missed is counted', async (t) => {
  const folder = await temporaryFolder(t);
  let server = await spawnServer(t, { folder, port: await lastingPort() });
  const { url, port } = server;
  const { token } = await new InterChat(url).join();
  const session = new Interchat(t, ['connect', url], { INTERCHAT_TOKEN: token });
  await session.until(/Enter command: $/);
  await server.end('SIGKILL');
  await session.until(/Disconnected, trying again in \d+ s\.\nEnter command: /);
  session.write('LIST\n');
  await session.until(/Cannot reach http.*: nothing listens there\.\nEnter command: /);
  server = await spawnServer(t, { folder, port });
  await new InterChat(url, { token }).sendTo({ everyone: true }, 'of its own');
  await new InterChat(url).send(1, 'meanwhile');
  await session.until(/Back, 1 message missed:\n|Back\.\n/);
  await session.until(/Somebody: meanwhile\n/);
  t.equal(await session.end('LIST\nQUIT\n'), 0);
  t.match(session.stdout, /Client 1 is at socket \d+\.\n/);
  await server.end('SIGTERM');
});

void t.test('a server that does not know it any more ends it, with the exit code for that', async (t) => {
  const { url } = await startServer(t);
  const { token } = await new InterChat(url).join();
  const session = new Interchat(t, ['connect', url], { INTERCHAT_TOKEN: token });
  await session.until(/Client 1 connected\.\nEnter command: $/);
  await new InterChat(url, { token }).leave(1);
  t.equal(await session.exited, 4);
  t.match(session.stderr, /Client 1 has left/);
});

void t.test('rooms, by hand', async (t) => {
  const { url } = await startServer(t);
  const bob = await connect(url, { name: 'bob', rooms: ['lobby'] });
  t.teardown(() => bob.close());
  const session = new Interchat(t, ['connect', '--url', url, '--name', 'alice', '--rooms', 'news']);
  await session.until(/Enter command: /);
  session.write('join #lobby\n');
  await session.until(/You are in #lobby, 2 members\./);
  await bob.say('lobby', 'hello\nthere');
  await session.until(/Client 1 \(bob\) in #lobby: hello\n {2}there/);
  await bob.sendTo({ everyone: true }, 'all');
  await session.until(/Client 1 \(bob\) to everyone: all/);
  session.write('SAY lobby hi  bob\n');
  await session.until(/Client 2 \(alice\) in #lobby: hi {2}bob/);
  session.write('SEND everyone hi all\n');
  await session.until(/Client 2 \(alice\) to everyone: hi all/);
  session.write('ROOMS\n');
  await session.until(/#lobby: 2 members, 2 online\.\n#news: 1 member, 1 online\./);
  session.write('WHO news\n');
  await session.until(/WHO news\nClient 2 is at socket 4\. \(alice\)\n/);
  session.write('leave news\n');
  await session.until(/You are not in #news any more\./);
  session.write('WHO news\n');
  await session.until(/There is no room news\./);
  session.write('JOIN no room\n');
  await session.until(/no room cannot be a room: that is 1 to 64 of A-Z/);
  t.equal(await session.end('QUIT\n'), 0);
  const texts = [];
  for await (const { text } of bob.messages()) {
    texts.push(text);
    if (texts.length === 4) break;
  }
  t.same(texts, ['hello\nthere', 'all', 'hi  bob', 'hi all']);
});
