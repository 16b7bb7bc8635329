import t from 'tap';
import { commandsHelp, parseCommand } from '../../src/cli/terminal/commands.js';

/** What a line is taken for: a command's name and what stands behind it. */
function parsed(line: string): [string | undefined, string] | undefined {
  const result = parseCommand(line);
  return result && [result.command.names[0], result.rest];
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

void t.test('the help has every command there is, and none that is not', async (t) => {
  const names = commandsHelp()
    .split('\n')
    .map((line) => line.trim().split(' ')[0]);
  t.strictSame(names, ['LIST', 'SEND', 'JOIN', 'LEAVE', 'SAY', 'ROOMS', 'WHO', 'NAME', 'HELP', 'QUIT']);
  t.match(commandsHelp(), 'WHO');
});
