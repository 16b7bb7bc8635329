import t, { type Test } from 'tap';
import { type Client, connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { refusal, scriptedServer, stream, welcome } from '../sdk/scripted-server.js';
import { spawnServer, startServer } from '../support/server.js';
import { CTRL_C, CTRL_D, CTRL_U, ENTER, LEFT, TAB, UP } from './keys.js';
import { receiveText } from './receive.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

t.jobs = 2;

async function connected(t: Test, url: string, name?: string): Promise<Client> {
  const client = await connect(url, { name });
  t.teardown(() => client.close());
  return client;
}

void t.test('the transcript of the contract, on a terminal', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  const other = await connected(t, url);
  terminal.type(`LIST${ENTER}`);
  await terminal.until('Client 2 is at socket 4.', 'Enter command:');
  terminal.type(`SEND${ENTER}`);
  await terminal.until('Enter client index to send message to:');
  terminal.type(`2${ENTER}`);
  await terminal.until('Enter message:');
  terminal.type(`Hello, Client 2!${ENTER}`);
  t.equal(await receiveText(other), 'Hello, Client 2!');
  await terminal.until('Enter command:');
  t.strictSame(terminal.screen, [
    'Client 1 connected.',
    'Enter command: LIST',
    'Client 1 is at socket 3.',
    'Client 2 is at socket 4.',
    'Enter command: SEND',
    'Enter client index to send message to: 2',
    'Enter message: Hello, Client 2!',
    'Enter command:',
  ]);
  terminal.type(`quit${ENTER}`);
  t.equal(await terminal.exited, 0);
  await t.rejects(other.get(1), { code: 'client-gone' });
});

void t.test('typed text stays intact when a message comes in', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  const other = await connected(t, url, 'bob');
  terminal.type('SEND 2 half a');
  await terminal.until('Enter command: SEND 2 half a');
  await other.send(1, 'Hello');
  await terminal.until('Client 2 (bob): Hello', 'Enter command: SEND 2 half a');
  terminal.type(' message');
  await terminal.until('Enter command: SEND 2 half a message');
  terminal.type(LEFT.repeat('message'.length));
  await other.send(1, 'one\ntwo\x1b[2J');
  await terminal.until('Client 2 (bob): one', '  two␛[2J', 'Enter command: SEND 2 half a message');
  terminal.type(`wise ${ENTER}`);
  t.equal(await receiveText(other), 'half a wise message');

  terminal.type(`SEND${ENTER}`);
  await terminal.until('Enter client index to send message to:');
  await other.send(1, 'while asked to whom');
  await terminal.until('Client 2 (bob): while asked to whom', 'Enter client index to send message to:');
  terminal.type(`bob${ENTER}`);
  await terminal.until('Enter message:');
  terminal.type('in the mid');
  await terminal.until('Enter message: in the mid');
  await other.send(1, 'while asked what');
  await terminal.until('Client 2 (bob): while asked what', 'Enter message: in the mid');
  terminal.type(`dle${ENTER}`);
  t.equal(await receiveText(other), 'in the middle');
});

void t.test('so does a text of several rows, typed or pasted', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url], { columns: 20 });
  await terminal.until('Client 1 connected.', 'Enter command:');
  const other = await connected(t, url);
  const rows = ['Enter command: 01234', '56789012345678901234', '56789'];
  terminal.type('01234567890123456789'); // at once, as when it is pasted
  await terminal.until('Enter command: 01234', '567890123456789');
  for (const key of '0123456789') {
    const typed = terminal.screen.join('');
    terminal.type(key);
    while (terminal.screen.join('') === typed) await new Promise((resolve) => setImmediate(resolve));
  }
  await terminal.until(...rows);
  await other.send(1, 'first');
  await terminal.until('Client 2: first', ...rows);
  terminal.type(LEFT.repeat(20));
  await other.send(1, 'a message of more than one row');
  await terminal.until('Client 2: a message', 'of more than one row', ...rows);
  t.equal(terminal.screen.join('\n').split('Enter command').length, 2, 'nothing of it is left standing');
  terminal.type('X');
  await terminal.until('Enter command: 01234', '56789X01234567890123', '456789');
  terminal.type(CTRL_C);
  await terminal.until('Enter command:');
  await other.send(1, 'after');
  await terminal.until('of more than one row', 'Client 2: after', 'Enter command:');
});

void t.test('lines pasted at once are taken one after the other, each behind its question', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  const other = await connected(t, url);
  terminal.type(`LIST${ENTER}SEND${ENTER}2${ENTER}Hello${ENTER}QU`);
  await terminal.until(
    'Client 1 connected.',
    'Enter command: LIST',
    'Client 1 is at socket 3.',
    'Client 2 is at socket 4.',
    'Enter command: SEND',
    'Enter client index to send message to: 2',
    'Enter message: Hello',
    'Enter command: QU',
  );
  t.equal(await receiveText(other), 'Hello');
  terminal.type(`IT${ENTER}`);
  t.equal(await terminal.exited, 0);
});

void t.test('Tab completes commands and clients; Up recalls commands, not messages', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  const other = await connected(t, url, 'bob');
  terminal.type(`sen${TAB}`);
  await terminal.until('Enter command: send');
  terminal.type(`b${TAB}`);
  await terminal.until('Enter command: send bob');
  terminal.type(ENTER);
  await terminal.until('Enter message:');
  terminal.type(`Hello${ENTER}`);
  t.equal(await receiveText(other), 'Hello');
  await terminal.until('Enter message: Hello', 'Enter command:');
  terminal.type(UP);
  await terminal.until('Enter command: send bob');
  terminal.type(`${CTRL_U}/LI${TAB}`);
  await terminal.until('Enter command: /LIST');
  terminal.type(`${CTRL_U}SEND${ENTER}`);
  await terminal.until('Enter client index to send message to:');
  terminal.type(`bo${TAB}`);
  await terminal.until('Enter client index to send message to: bob');
});

void t.test('Ctrl-C clears the line, calls a question off, and then leaves', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type('SEND 1 oops');
  await terminal.until('Enter command: SEND 1 oops');
  terminal.type(CTRL_C);
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type(`SEND${ENTER}`);
  await terminal.until('Enter client index to send message to:');
  terminal.type(CTRL_C);
  await terminal.until('Enter client index to send message to:', 'Enter command:');
  terminal.type(CTRL_C);
  t.equal(await terminal.exited, 0);
  await t.rejects(new InterChat(url).get(1), { code: 'client-gone' });
});

void t.test('Ctrl-C while a command is not answered gives that up, with what was typed ahead', { skip }, async (t) => {
  const never = () => undefined;
  const { url } = await scriptedServer(t, stream(welcome()), never, refusal(410, 'client-gone'));
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type(`LIST${ENTER}SEND 1 x${ENTER}${CTRL_C}`);
  await terminal.until('Enter command: LIST', 'Interrupted.', 'Enter command:');
  terminal.type(`QUIT${ENTER}`);
  t.equal(await terminal.exited, 0);
});

void t.test('Ctrl-D leaves', { skip }, async (t) => {
  const { url } = await startServer(t);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type(CTRL_D);
  t.equal(await terminal.exited, 0);
  await t.rejects(new InterChat(url).get(1), { code: 'client-gone' });
});

void t.test('a lost connection is said above what is being typed', { skip }, async (t) => {
  const folder = await temporaryFolder(t);
  let server = await spawnServer(t, { folder });
  const { url, port } = server;
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Client 1 connected.', 'Enter command:');
  terminal.type('SEND 1 still');
  await terminal.until('Enter command: SEND 1 still');
  await server.end('SIGKILL');
  server = await spawnServer(t, { folder, port });
  await terminal.until('Back.', 'Enter command: SEND 1 still');
  t.match(terminal.screen.join('\n'), /^Client 1 connected\.\n(Disconnected, trying again in \d+ s\.\n)+Back\./);
  terminal.type(` here${ENTER}`);
  await terminal.until('Client 1: still here', 'Enter command:');
  terminal.type(CTRL_C);
  t.equal(await terminal.exited, 0);
  await server.end('SIGTERM');
});
