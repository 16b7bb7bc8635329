import { EventEmitter, once } from 'node:events';
import t from 'tap';
import { connect } from '../../src/sdk/index.js';
import { type Answer, scriptedServer, stream, welcome } from '../sdk/scripted-server.js';
import { startServer } from '../support/server.js';
import { ALT_ENTER, CTRL_C, CTRL_D, CTRL_L, CTRL_R, CTRL_Z, ENTER, LEFT, TAB, UP } from './keys.js';
import { receiveText } from './receive.js';
import { NO_TERMINAL, Terminal } from './terminal.js';

const skip = NO_TERMINAL === undefined ? false : NO_TERMINAL;

const { url } = await startServer(t);

void t.test('wide characters and several lines stay intact when messages come in', { skip }, async (t) => {
  await using bob = await connect(url, { name: 'bob' });
  const terminal = await Terminal.open(t, ['connect', url], { columns: 40 });
  await terminal.until(/^Client \d+ connected\.$/, 'Enter command:');
  const index = Number(/\d+/.exec(terminal.screen[0] ?? '')?.[0]);
  const start = `SEND ${bob.index} `;

  terminal.type(`${start}漢字かな交じり文は幅が二つ`);
  const rows = [`Enter command: ${start}漢字かな交じり文は`, '幅が二つ'];
  await terminal.until(...rows);
  await bob.send(index, 'first');
  await terminal.until(`Client ${bob.index} (bob): first`, ...rows);
  t.strictSame(terminal.cursor[1], 8, 'the cursor is behind what is typed');
  terminal.type(LEFT.repeat(7));
  await bob.send(index, 'x'.repeat(90));
  await terminal.until('x'.repeat(40), /^x+$/, ...rows);
  terminal.type('🎉');
  await terminal.until(`Enter command: ${start}漢字かな交じ🎉り文`, 'は幅が二つ');
  terminal.type(ENTER);
  t.equal(await receiveText(bob), '漢字かな交じ🎉り文は幅が二つ');
  await terminal.until('Enter command:');

  terminal.type(start);
  terminal.paste('eins\nzwei äöü\n\tdrei\x1b[2J');
  const pasted = [`Enter command: ${start}eins`, 'zwei äöü', '    drei␛[2J'];
  await terminal.until(...pasted);
  await bob.send(index, 'second');
  await terminal.until(`Client ${bob.index} (bob): second`, ...pasted);
  terminal.type(`${UP}!${ALT_ENTER}`);
  await terminal.until(`Enter command: ${start}eins`, 'zwei äöü!', '', '    drei␛[2J');
  t.equal(terminal.screen.filter((row) => row === 'zwei äöü!').length, 1, 'nothing is left standing');
  terminal.type(ENTER);
  t.equal(await receiveText(bob), 'eins\nzwei äöü!\n\n\tdrei\x1b[2J');
  terminal.type(CTRL_C);
  t.equal(await terminal.exited, 0);
});

void t.test('a thousand lines pasted at once are one message, and it can still be edited', { skip }, async (t) => {
  await using bob = await connect(url, { name: 'bob' });
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Enter command:');
  const lines = Array.from({ length: 1_000 }, (_, at) => `${at}: Ünï 漢字 and so on`);
  terminal.type(`SEND ${bob.index} `);
  terminal.paste(lines.join('\n'));
  await terminal.until('(989 more above)', ...lines.slice(-11));
  terminal.type(' to the end');
  await terminal.until(`${lines.at(-1)} to the end`);
  terminal.type(ENTER);
  t.equal(await receiveText(bob), `${lines.join('\n')} to the end`);
  terminal.type(`QUIT${ENTER}`);
  t.equal(await terminal.exited, 0);
});

void t.test('another size of the window', { skip }, async (t) => {
  await using bob = await connect(url, { name: 'bob' });
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until(/^Client \d+ connected\.$/, 'Enter command:');
  const index = Number(/\d+/.exec(terminal.screen[0] ?? '')?.[0]);
  terminal.type('SAY lobby 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123');
  await terminal.until(/^Enter command: SAY lobby 0/, '0123456789 0123');
  terminal.resize(30, 12);
  const narrow = [
    'Enter command: SAY lobby 01234',
    '56789 0123456789 0123456789 01',
    '23456789 0123456789 0123456789',
    ' 0123',
  ];
  await terminal.until(/^Client \d+ connected\.$/, ...narrow);
  await bob.send(index, 'between');
  await terminal.until(/^Client \d+ connected\.$/, `Client ${bob.index} (bob): between`, ...narrow);
  terminal.resize(100, 24);
  const wide = 'Enter command: SAY lobby 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123';
  await terminal.until(/^Client \d+ connected\.$/, `Client ${bob.index} (bob): between`, wide);
  terminal.type(CTRL_L);
  await terminal.when(() => terminal.cursor[0] === 0);
  terminal.type(CTRL_Z);
  await terminal.until(wide, wide);
  terminal.type(`${CTRL_C}${CTRL_D}`);
  t.equal(await terminal.exited, 0);
});

void t.test('Tab lists what there is, Ctrl-R finds what was entered', { skip }, async (t) => {
  await using jane = await connect(url, { name: 'jane', rooms: ['garden', 'garage'] });
  await using jack = await connect(url, { name: 'jack' });
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until('Enter command:');
  terminal.type(`send j${TAB}`);
  await terminal.until('Enter command: send ja');
  terminal.type(TAB);
  await terminal.until('jane  jack', 'Enter command: send ja');
  terminal.type(`c${TAB} hi${ENTER}`);
  t.equal(await receiveText(jack), 'hi');
  await terminal.until('Enter command: send jack hi', 'Enter command:');
  terminal.type(`/join gard${TAB}${ENTER}`);
  await terminal.until('You are in #garden, 2 members.', 'Enter command:');
  terminal.type(`${CTRL_R}sen`);
  await terminal.until("Search 'sen': send jack hi");
  terminal.type(ENTER);
  t.equal(await receiveText(jack), 'hi');
  t.equal(jane.state, 'online');
  await terminal.until('Enter command:');
  terminal.type(`${TAB}`);
  await terminal.until(/^LIST {2}SEND/, /^READ {2}RETRY/, /^WHOAMI/, 'Enter command:');
  terminal.type(CTRL_D);
  t.equal(await terminal.exited, 0);
});

void t.test('names have colours and messages a time, unless they are not wanted', { skip }, async (t) => {
  await using bob = await connect(url, { name: 'bob', rooms: ['hall'] });
  const env = { INTERCHAT_COLOR: '', INTERCHAT_TIMESTAMPS: '', NO_COLOR: '' };
  const colored = await Terminal.open(t, ['connect', url, '--rooms', 'hall', '--bell'], { env });
  const plain = await Terminal.open(t, ['connect', url, '--rooms', 'hall'], { env: { ...env, NO_COLOR: '1' } });
  await colored.until('Enter command:');
  await plain.until('Enter command:');
  await bob.say('hall', 'Hello');
  for (const terminal of [colored, plain]) {
    await terminal.until(new RegExp(`^\\d\\d:\\d\\d Client ${bob.index} \\(bob\\) in #hall: Hello$`), 'Enter command:');
    terminal.type(CTRL_C);
    t.equal(await terminal.exited, 0);
  }
  /* eslint-disable no-control-regex -- that is what it is about */
  t.match(colored.output, /\x1b\[(?:1;)?3[1-6]mClient \d+ \(bob\)\x1b\[0m/);
  t.match(colored.output, /\x07/);
  t.notMatch(plain.output, /\x1b\[[\d;]*m/);
  t.notMatch(plain.output, /\x07/);
});

void t.test('whichever way it ends, the terminal is as it was', { skip }, async (t) => {
  const terminals = await Promise.all([1, 2].map(() => Terminal.open(t, ['connect', url])));
  const ends = [
    (terminal: Terminal) => terminal.type(`LIST${ENTER}/quit${ENTER}`),
    (terminal: Terminal) => terminal.kill('SIGTERM'),
  ];
  for (const [at, terminal] of terminals.entries()) {
    await terminal.until('Enter command:');
    terminal.type('half');
    await terminal.until('Enter command: half');
    if (at === 0) terminal.type(CTRL_C);
    ends[at]?.(terminal);
    t.equal(await terminal.exited, 0);
    const [before, after] = terminal.modes;
    t.equal(after, before);
    t.equal(terminal.output.lastIndexOf('\x1b[?2004l') > terminal.output.lastIndexOf('\x1b[?2004h'), true);
  }
});

void t.test('what is typed while it connects is kept, and not shown twice', { skip }, async (t) => {
  const requests = new EventEmitter<{ request: Parameters<Answer> }>();
  const asked = once(requests, 'request') as Promise<Parameters<Answer>>;
  const { url } = await scriptedServer(t, (...request) => void requests.emit('request', ...request));
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.when(() => terminal.output.includes('\x1b[?2004h'));
  terminal.type('LI');
  stream(welcome())(...(await asked));
  await terminal.until('Client 1 connected.', 'Enter command: LI');
  t.strictSame(terminal.screen, ['Client 1 connected.', 'Enter command: LI']);
});

void t.test('Ctrl-C while it connects ends it', { skip }, async (t) => {
  const { url } = await scriptedServer(t, () => undefined);
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.when(() => terminal.output.includes('\x1b[?2004h'));
  terminal.type(CTRL_C);
  t.equal(await terminal.exited, 0);
  const [before, after] = terminal.modes;
  t.equal(after, before);
});

void t.test('what was said stays when the window becomes narrower than the line that is typed', { skip }, async (t) => {
  await using bob = await connect(url, { name: 'bob' });
  const terminal = await Terminal.open(t, ['connect', url]);
  await terminal.until(/^Client \d+ connected\.$/, 'Enter command:');
  const index = Number(/\d+/.exec(terminal.screen[0] ?? '')?.[0]);
  const said = [`Client ${bob.index} (bob): one`, `Client ${bob.index} (bob): two`];
  for (const text of ['one', 'two']) await bob.send(index, text);
  await terminal.until(...said, 'Enter command:');
  // This emulator does not wrap the line with the cursor; others do.
  terminal.type('SAY lobby 0123456789 0123456789 0123456789 0123');
  await terminal.until(...said, 'Enter command: SAY lobby 0123456789 0123456789 0123456789 0123');
  terminal.resize(30, 24);
  await terminal.until(...said, 'Enter command: SAY lobby 01234', '56789 0123456789 0123456789 01', '23');
  await bob.send(index, 'three');
  await terminal.until(
    ...said,
    `Client ${bob.index} (bob): three`,
    'Enter command: SAY lobby 01234',
    '56789 0123456789 0123456789 01',
    '23',
  );
});
