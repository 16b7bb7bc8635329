import t from 'tap';
import { commandsHelp, parseCommand, readInput } from '../../src/cli/terminal/commands.js';

/** What a line is taken for: a command's name and what stands behind it. */
function parsed(line: string): [string | undefined, string] | undefined {
  const result = parseCommand(line);
  return result && [result.command.name, result.rest];
}

void t.test('commands in any case, with a slash or without', async (t) => {
  for (const line of ['LIST', 'list', 'List', '/list', '/LIST', '  list  ']) {
    t.strictSame(parsed(line), ['LIST', ''], line);
  }
  t.strictSame(parsed('who lobby'), ['WHO', 'lobby']);
  t.strictSame(parsed('/join #lobby'), ['JOIN', '#lobby']);
  t.strictSame(parsed('say lobby Hello  all'), ['SAY', 'lobby Hello  all']);
  t.strictSame(parsed('/Send 2 Hello  there'), ['SEND', '2 Hello  there']);
  t.strictSame(parsed('name alice b'), ['NAME', 'alice b']);
});

void t.test('nothing else is a command', async (t) => {
  for (const line of ['', 'lists', 'send2 hello', '//list', '/', 'hello', 'joining lobby']) {
    t.equal(parsed(line), undefined, line);
  }
});

void t.test('in a conversation all is text but what begins with a slash, and that is never sent', async (t) => {
  t.strictSame(readInput('list', true), { type: 'text', text: 'list' });
  t.strictSame(readInput(' /list', true), { type: 'text', text: ' /list' });
  t.strictSame(readInput('//etc/hosts', true), { type: 'text', text: '/etc/hosts' });
  t.strictSame(readInput('/etc/hosts', true), { type: 'unknown' });
  t.match(readInput('/list', true), { type: 'command', command: { name: 'LIST' } });
  t.strictSame(readInput('hello', false), { type: 'unknown' });
});

void t.test('the help has every command, and fits a window of 80 columns and 24 rows', async (t) => {
  const rows = commandsHelp().split('\n');
  t.strictSame(
    rows.slice(0, -1).flatMap((line) => /^ *([A-Z]+(?:, [A-Z]+)*)/.exec(line)?.[1]?.split(', ')),
    (
      'LIST SEND ROOMS JOIN LEAVE SAY WHO NAME OPEN CLOSE HISTORY SEARCH READ RETRY ' +
      'PRIVATE DISBAND INVITE KICK HANDOVER INVITATIONS LOGIN WHOAMI LOGOUT HELP QUIT'
    ).split(' '),
  );
  t.ok(rows.length < 24);
  t.ok(rows.every((row) => row.length <= 80));
});
