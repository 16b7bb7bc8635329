import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Client, connect, type ConnectOptions, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { run, spawnServer, startServer } from '../support/server.js';
import { CTRL_D, ENTER, PAGE_DOWN, PAGE_UP, TAB } from './keys.js';
import { receive, receiveText } from './receive.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

t.jobs = 2;

async function joined(t: Test, url: string, options: ConnectOptions): Promise<Client> {
  const client = await connect(url, options);
  t.teardown(() => client.close());
  return client;
}

/** `interchat connect`, as client 1. */
async function first(t: Test, url: string, ...args: string[]): Promise<Terminal> {
  const terminal = await Terminal.open(t, ['connect', url, '--name', 'me', ...args]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  return terminal;
}

const HINT = (label: string) => `What you type goes to ${label}. Commands need a slash: /CLOSE, /HISTORY, /HELP.`;

void t.test(
  'in a conversation what is typed goes there; what comes elsewhere is counted, and shown when wanted',
  { skip },
  async (t) => {
    const { url } = await startServer(t);
    const me = await first(t, url);
    const bob = await joined(t, url, { name: 'bob', rooms: ['lobby'] });
    const jane = await joined(t, url, { name: 'jane', rooms: ['lobby'] });
    me.type(`open lobby${ENTER}`);
    await me.until(HINT('#lobby'), '#lobby>');
    me.type(`Hello, all!${ENTER}`);
    t.match(await receive(bob), { from: { name: 'me' }, to: { room: 'lobby' }, text: 'Hello, all!' });
    await bob.say('lobby', 'Hello!');
    await me.until('#lobby> Hello, all!', 'Client 2 (bob) in #lobby: Hello!', '#lobby>');
    me.type('half a li');
    await me.until('#lobby> half a li');
    await jane.send(1, 'psst');
    await me.until('#lobby (jane 1)> half a li');
    await jane.send(1, 'are you\nthere?');
    await bob.send(1, 'me, too');
    await me.until('Client 2 (bob) in #lobby: Hello!', '#lobby (jane 2, bob 1)> half a li');
    me.type(`ne${ENTER}`);
    t.equal(await receiveText(jane), 'Hello, all!');
    t.equal(await receiveText(jane), 'Hello!');
    t.equal(await receiveText(jane), 'half a line');
    me.type(`/read jane${ENTER}`);
    await me.until(
      '2 unread messages, jane:',
      'Client 3 (jane): psst',
      'Client 3 (jane): are you',
      '  there?',
      '#lobby (bob 1)>',
    );
    me.type(`//close is a text${ENTER}/clos it${ENTER}LIST${ENTER}`);
    await me.until(
      '#lobby (bob 1)> //close is a text',
      '#lobby (bob 1)> /clos it',
      'Unknown command: /clos it. Nothing was sent. /HELP lists the commands.',
      'Two slashes send a text that begins with one.',
      '#lobby (bob 1)> LIST',
      'That was sent as a text. The command is /LIST.',
      '#lobby (bob 1)>',
    );
    for (const text of ['/close is a text', 'LIST']) t.equal(await receiveText(jane), text);
    me.type(`/open bo${TAB}${ENTER}`);
    await me.until(HINT('bob'), '1 unread message, bob:', 'Client 2 (bob): me, too', 'bob>');
    me.type(`hi${ENTER}`);
    for (const text of ['Hello!', 'half a line', '/close is a text', 'LIST', 'hi'])
      t.equal(await receiveText(bob), text);
    await bob.say('lobby', 'one more');
    await me.until('bob (#lobby 1)>');
    me.type(`/close${ENTER}`);
    await me.until('1 unread message, #lobby:', 'Client 2 (bob) in #lobby: one more', 'Enter command:');
    me.type(CTRL_D);
    t.equal(await me.exited, 0);
  },
);

void t.test('where two have the name, the index is asked for', { skip }, async (t) => {
  const { url } = await startServer(t);
  const me = await first(t, url);
  await joined(t, url, { name: 'twin' });
  const second = await joined(t, url, { name: 'twin' });
  const asked = ['There are 2 clients with the name twin. Take the index of one:', /Client 2 is/, /Client 3 is/];
  me.type(`SEND twin hi${ENTER}`);
  await me.until(...asked, 'Enter client index:');
  me.type(`3${ENTER}`);
  t.equal(await receiveText(second), 'hi');
  me.type(`OPEN twin${ENTER}3${ENTER}`);
  await me.until(...asked, 'Enter client index: 3', HINT('twin'), 'twin>');
  me.type(`/READ twin${ENTER}`);
  await me.until(...asked, 'Enter client index:');
  me.type(`2${ENTER}`);
  await me.until('Enter client index: 2', 'Nothing is unread.', 'twin>');
  me.type(`/READ twin${ENTER}/close${ENTER}`);
  await me.until('Enter client index: /close', '/close is no index.', 'twin>');
  me.type(`/OPEN nowhere${ENTER}`);
  await me.until('There is no client and no room nowhere. OPEN #nowhere makes one.', 'twin>');
});

void t.test('history, searched and leafed through, and what it cannot show', { skip }, async (t) => {
  const { url } = await startServer(t);
  const me = await first(t, url, '--rooms', 'lobby');
  const bob = await joined(t, url, { name: 'bob', rooms: ['lobby'] });
  for (let n = 1; n <= 45; n++) await bob.say('lobby', `number ${n}`);
  await bob.send(1, 'only you');
  await me.until('Client 2 (bob): only you', 'Enter command:');
  const said = (n: number) => `Client 2 (bob) in #lobby: number ${n}`;
  me.type(`HISTORY #lobby${ENTER}`);
  await me.until(
    'Said in #lobby:',
    ...Array.from({ length: 20 }, (_, at) => said(26 + at)),
    'PgUp shows what is older.',
    'Enter command:',
  );
  me.type(`half${PAGE_UP}`);
  await me.until(
    'Said in #lobby, older:',
    ...Array.from({ length: 20 }, (_, at) => said(6 + at)),
    'Enter command: half',
  );
  me.type(PAGE_UP);
  await me.until('Said in #lobby, older:', ...[1, 2, 3, 4, 5].map(said), 'Enter command: half');
  me.type(PAGE_UP);
  await me.until('There is nothing older.', 'Enter command: half');
  me.type(PAGE_DOWN);
  await me.until(said(25), 'Enter command: half');
  me.type(`\x15SEARCH #lobby NUMBER 4${ENTER}`);
  await me.until('Said in #lobby, with "NUMBER 4":', ...[4, 40, 41, 42, 43, 44, 45].map(said), 'Enter command:');
  me.type(`HISTORY bob${ENTER}`);
  await me.until(
    'Sent to you by bob:',
    'Client 2 (bob): only you',
    'What you sent is not shown: a mailbox has only what came.',
    'Enter command:',
  );
  me.type(`search only${ENTER}`);
  await me.until('Sent to you, with "only":', 'Client 2 (bob): only you', 'Enter command:');
  await new InterChat(url).send(1, 'anonymous');
  await me.until('Somebody: anonymous', 'Enter command:');
  me.type(`HISTORY nobody${ENTER}`);
  await me.until('Sent to you by nobody:', 'Somebody: anonymous', 'Enter command:');
});

void t.test('what could not be sent is marked, and sent once by RETRY', { skip }, async (t) => {
  const folder = await temporaryFolder(t);
  const server = await spawnServer(t, { folder, port: await lastingPort() });
  const { url, port } = server;
  const me = await first(t, url, '--timeout', '2');
  const bob = await joined(t, url, { name: 'bob' });
  me.type(`OPEN bob${ENTER}`);
  await me.until('bob>');
  await server.end('SIGKILL');
  me.type(`lost${ENTER}`);
  await me.until('Not sent to client 2: lost', 'RETRY sends it again.', 'bob>');
  me.type(`/SEND 2 by number${ENTER}`);
  await me.until('Not sent to client 2: by number', 'RETRY sends it again.', 'bob>');
  await spawnServer(t, { folder, port });
  await me.until(/^Back/, 'bob>');
  me.type(`/retry${ENTER}`);
  await me.until('Sent to client 2: lost', 'Sent to client 2: by number', 'bob>');
  // Bob may not have noticed yet that the server is back.
  while (bob.state !== 'online') await once(bob, 'welcome');
  me.type(`/retry${ENTER}then${ENTER}`);
  await me.until('bob> /retry', 'Everything was sent.', 'bob> then', 'bob>');
  for (const text of ['lost', 'by number', 'then']) t.equal(await receiveText(bob), text);
});

void t.test('settings come from the place for them, behind flags and variables', { skip }, async (t) => {
  const { url } = await startServer(t);
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'interchat'));
  const file = join(folder, 'interchat', 'settings');
  await writeFile(file, `# mine\nurl = ${url}\n\nname = file\ntimestamps = always\n`);
  const env = { XDG_CONFIG_HOME: folder, INTERCHAT_TIMESTAMPS: '' };
  const terminal = await Terminal.open(t, ['connect'], { env });
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type(`NAME${ENTER}SEND 1 x${ENTER}`);
  await terminal.until(
    'Enter command: NAME',
    'You are file.',
    'Enter command: SEND 1 x',
    /^\d\d:\d\d Client 1 \(file\): x$/,
    'Enter command:',
  );
  terminal.type(CTRL_D);
  t.equal(await terminal.exited, 0);
  await writeFile(file, 'name = file\nexec = rm\n');
  t.match(await run(['connect', url], env), { code: 2, stderr: /settings, line 2: a setting is url, name/ });
});
