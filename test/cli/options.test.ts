import t from 'tap';
import { command as account } from '../../src/cli/account.js';
import { command as ban } from '../../src/cli/ban.js';
import { command as connect } from '../../src/cli/connect.js';
import { variablesOf } from '../../src/cli/exec/variables.js';
import { UsageError } from '../../src/cli/exit-code.js';
import { command as key } from '../../src/cli/key.js';
import { command as list } from '../../src/cli/list.js';
import { command as listen } from '../../src/cli/listen.js';
import { readOptions, serverUrl } from '../../src/cli/options.js';
import { command as login } from '../../src/cli/login.js';
import { command as logout } from '../../src/cli/logout.js';
import { command as rooms } from '../../src/cli/rooms.js';
import { command as send } from '../../src/cli/send.js';
import { readConfig } from '../../src/config.js';

const ALL = ['url', 'token', 'name', 'json', 'quiet', 'once', 'since', 'timeout'] as const;

void t.test('flags come before variables, variables before defaults', async (t) => {
  t.strictSame(readOptions([], ALL, {}).settings, {
    url: 'http://127.0.0.1:8080',
    token: undefined,
    name: undefined,
    json: false,
    quiet: false,
    once: false,
    since: undefined,
    timeout: undefined,
  });
  const env = {
    INTERCHAT_URL: 'http://one:1',
    INTERCHAT_TOKEN: 'ict',
    INTERCHAT_NAME: 'alice',
    INTERCHAT_JSON: '1',
    INTERCHAT_QUIET: 'true',
    INTERCHAT_ONCE: 'yes',
    INTERCHAT_SINCE: '1.2',
    INTERCHAT_TIMEOUT: '2.5',
  };
  t.strictSame(readOptions([], ALL, env).settings, {
    url: 'http://one:1',
    token: 'ict',
    name: 'alice',
    json: true,
    quiet: true,
    once: true,
    since: '1.2',
    timeout: 2500,
  });
  t.match(readOptions(['--url', 'two:2', '--name=bob', 'x', '-'], ALL, env), {
    settings: { url: 'http://two:2', name: 'bob' },
    positionals: ['x', '-'],
  });
});

void t.test('an empty variable is none, and one that says no is off', async (t) => {
  const { settings } = readOptions([], ALL, { INTERCHAT_URL: '', INTERCHAT_JSON: '0', INTERCHAT_ONCE: 'false' });
  t.match(settings, { url: 'http://127.0.0.1:8080', json: false, once: false });
});

void t.test('a command takes its own flags, and no others', async (t) => {
  t.strictSame(readOptions([], ['url'], { INTERCHAT_ONCE: 'nonsense' }).settings, { url: 'http://127.0.0.1:8080' });
  const wrong: [string[], NodeJS.ProcessEnv?][] = [
    [['--once']],
    [['--bogus']],
    [['--url']],
    [['--json=1']],
    [[], { INTERCHAT_JSON: 'perhaps' }],
    [['--timeout', '0']],
    [['--timeout', 'soon']],
    [['--timeout', '99999999999']],
    [['--url', 'ftp://x']],
    [['--url', 'http://']],
  ];
  for (const [args, env = {}] of wrong) {
    t.throws(() => readOptions(args, ['url', 'json', 'timeout'], env), UsageError, args.join(' '));
  }
});

void t.test('a URL may be written without its scheme', async (t) => {
  t.equal(serverUrl('localhost:8080'), 'http://localhost:8080');
  t.equal(serverUrl('https://chat.example/x'), 'https://chat.example/x');
  t.throws(() => serverUrl('ws://x'), UsageError);
});

void t.test('serve minds no variable of the other commands, nor those that listen --exec sets', async (t) => {
  const commands = [connect, list, listen, rooms, send, login, logout, account, key, ban];
  const options = commands.map(({ options }) => options).join('\n');
  const message = { id: '1', from: null, to: { client: 1 }, text: 'Hello', sentAt: '' };
  // A setting of serve has the name, too: the folder.
  const told = Object.keys(variablesOf(message)).filter((name) => name !== 'INTERCHAT_DATA');
  // So have some that account takes: they mean the same.
  const shared = ['INTERCHAT_DATA', 'INTERCHAT_ENGINE', 'INTERCHAT_SECRET'];
  const own = (options.match(/INTERCHAT_\w+/g) ?? []).filter((name) => !shared.includes(name));
  const names = [...own, ...told, 'INTERCHAT_TRY', 'INTERCHAT_CLIENT'];
  t.ok(names.includes('INTERCHAT_ROOMS') && names.includes('INTERCHAT_REPLY_TO'));
  for (const name of names) t.doesNotThrow(() => readConfig([], { [name]: 'x' }), name);
});
