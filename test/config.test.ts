import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import t from 'tap';
import { CLIENT_VARIABLES, ConfigError, configHelp, configTable, jwtSettings, readConfig } from '../src/config.js';

/** The one line with which these settings are refused. */
function refusal(args: string[], env: NodeJS.ProcessEnv = {}): string {
  try {
    readConfig(args, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

void t.test('without settings, the defaults of the contract', async (t) => {
  t.strictSame(readConfig([], {}), {
    host: '127.0.0.1',
    port: 8080,
    data: resolve('data'),
    engine: 'lmdb',
    grace: 60,
    heartbeat: 15,
    maxBody: 64 * 1024,
    slowLimit: 1024 * 1024,
    requestTimeout: 30,
    keepMessages: 10_000,
    keepDays: 7,
    rateLimit: 100,
    trustProxy: [],
    corsOrigins: [],
    access: 'open',
    registration: 'closed',
    jwtSkew: 30,
    jwtNameClaim: 'name',
    jwtPermissionsClaim: 'permissions',
    logLevel: 'info',
  });
});

void t.test('flags come before variables, variables before defaults', async (t) => {
  const config = readConfig(['--port', '1', '--max-body=2048'], {
    INTERCHAT_PORT: '2',
    INTERCHAT_KEEP_DAYS: '3',
    PORT: '4',
  });
  t.match(config, { port: 1, maxBody: 2048, keepDays: 3, host: '127.0.0.1' });
});

void t.test('a flag can empty a list that a variable fills', async (t) => {
  t.strictSame(readConfig(['--cors-origins='], { INTERCHAT_CORS_ORIGINS: 'https://app.example' }).corsOrigins, []);
});

void t.test('an empty variable is as good as none', async (t) => {
  t.match(readConfig([], { INTERCHAT_PORT: '', INTERCHAT_SECRET: '', INTERCHAT_NO_SUCH: '' }), { port: 8080 });
});

void t.test('of a flag given twice, the last counts', async (t) => {
  t.equal(readConfig(['--port=1', '--port=2'], {}).port, 2);
});

void t.test('the variables of the client commands may be set', async (t) => {
  t.equal(refusal([], Object.fromEntries(CLIENT_VARIABLES.map((name) => [name, 'x']))), 'accepted');
});

void t.test('every setting takes a value within its range', async (t) => {
  const secret = 's'.repeat(32);
  const taken: [string, string, unknown][] = [
    ['host', '::1', '::1'],
    ['host', 'chat.example', 'chat.example'],
    ['port', '0', 0],
    ['port', '65535', 65_535],
    ['data', '/srv/chat', '/srv/chat'],
    ['secret', secret, secret],
    ['grace', '0', 0],
    ['grace', '0.25', 0.25],
    ['heartbeat', '0.5', 0.5],
    ['max-body', '1024', 1024],
    ['slow-limit', '65536', 65_536],
    ['stream-memory', '1048576', 1_048_576],
    ['request-memory', '1048576', 1_048_576],
    ['request-timeout', '1.5', 1.5],
    ['keep-messages', '1', 1],
    ['keep-days', '365', 365],
    ['rate-limit', '0', 0],
    ['log-level', 'silent', 'silent'],
    ['trust-proxy', 'loopback, 10.0.0.1,10.0.0.0/8,fd00::/8', ['loopback', '10.0.0.1', '10.0.0.0/8', 'fd00::/8']],
    ['cors-origins', 'https://a.example,http://b.example:3000', ['https://a.example', 'http://b.example:3000']],
    ['cors-origins', 'HTTPS://A.example:443', ['https://a.example']],
    ['cors-origins', 'chrome-extension://abcdef', ['chrome-extension://abcdef']],
    ['access', 'members', 'members'],
    ['registration', 'open', 'open'],
    ['jwt-skew', '0', 0],
    ['jwt-skew', '300', 300],
    ['jwt-name-claim', 'preferred_username', 'preferred_username'],
    ['jwt-permissions-claim', 'https://a.example/may', 'https://a.example/may'],
  ];
  for (const [name, text, value] of taken) {
    const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    t.match(readConfig([`--${name}`, text], {}), { [key]: value }, `--${name} ${text}`);
  }
});

void t.test('a wrong value is refused in one line that names the flag, the value and what is accepted', async (t) => {
  const refused: [string, string, RegExp][] = [
    ['host', 'http://a.example', /an address or a host name/],
    ['host', 'a.example:80', /an address or a host name/],
    ['port', '65536', /a whole number from 0 to 65535/],
    ['port', '-1', /a whole number from 0 to 65535/],
    ['port', '80.5', /a whole number/],
    ['port', '0x50', /a whole number/],
    ['port', '', /a whole number/],
    ['data', '', /the path of a folder/],
    ['engine', 'redis', /lmdb/],
    ['engine', 'http://a:4222', /nats:/],
    ['engine', 'nats://', /nats:/],
    ['engine', 'nats://a:4222/with space', /nats:/],
    ['engine', 'nats://a/one,nats://b/two', /nats:/],
    ['engine', 'nats://a,tls://b', /nats:/],
    ['engine', 'nats://a?x=1', /nats:/],
    ['replicas', '2', /1, 3 or 5/],
    ['grace', '-1', /seconds from 0/],
    ['grace', '1m', /seconds from 0/],
    ['heartbeat', '0', /seconds from/],
    ['heartbeat', '3601', /seconds from/],
    ['max-body', '1023', /bytes from 1024/],
    ['max-body', '64k', /bytes from 1024/],
    ['slow-limit', '0', /bytes from 1024/],
    ['stream-memory', '1M', /bytes from 1048576/],
    ['request-memory', '0', /bytes from 1048576/],
    ['request-timeout', '0', /seconds from 1/],
    ['keep-messages', '0', /a whole number from 1/],
    ['keep-days', '0', /days from 1/],
    ['rate-limit', 'none', /a whole number from 0/],
    ['trust-proxy', 'true', /addresses and CIDR ranges/],
    ['trust-proxy', '10.0.0.0/33', /addresses and CIDR ranges/],
    ['trust-proxy', '0.0.0.0/0', /addresses and CIDR ranges/],
    ['trust-proxy', '10.0.0.0/8/8', /addresses and CIDR ranges/],
    ['cors-origins', '*', /exact origins/],
    ['cors-origins', 'https://*.example', /exact origins/],
    ['cors-origins', 'https://a.example/', /without path/],
    ['cors-origins', 'https://me@a.example', /exact origins/],
    ['cors-origins', 'a.example', /scheme:\/\/host/],
    ['cors-origins', 'null', /scheme:\/\/host/],
    ['access', 'closed', /open or members/],
    ['registration', 'members', /closed or open/],
    ['jwt-jwks', 'ftp://a.example/keys', /an http or https URL/],
    ['jwt-jwks', 'a.example/keys', /an http or https URL/],
    ['jwt-jwks', 'https://a.example/keys#one', /an http or https URL/],
    ['jwt-jwks', 'https://', /an http or https URL/],
    ['jwt-issuer', '', /a text of 1 to 255/],
    ['jwt-issuer', ' https://a.example', /a text of 1 to 255/],
    ['jwt-audience', 'a\nb', /a text of 1 to 255/],
    ['jwt-algorithms', 'none', /RS256, .*HS512/],
    ['jwt-algorithms', 'rs256', /RS256, .*HS512/],
    ['jwt-algorithms', 'ES256K', /RS256, .*HS512/],
    ['jwt-skew', '301', /seconds from 0 to 300/],
    ['jwt-skew', '-1', /seconds from 0 to 300/],
    ['jwt-name-claim', '', /a text of 1 to 255/],
    ['jwt-permissions-claim', 'x'.repeat(256), /a text of 1 to 255/],
    ['log-level', 'loud', /trace, debug, info/],
  ];
  for (const [name, text, accepted] of refused) {
    const line = refusal([`--${name}=${text}`]);
    t.match(line, accepted, `--${name}=${text}`);
    const shown = text.length > 80 ? `${text.slice(0, 79)}…` : text;
    t.ok(line.startsWith(`--${name}: ${JSON.stringify(shown)} `), line);
  }
});

void t.test('where NATS is, is read from addresses', async (t) => {
  const engine = (text: string) => readConfig([`--engine=${text}`], {}).engine;
  const one = { servers: ['a:4222'], name: 'interchat', tls: false, credentials: undefined };
  t.same(engine('nats://a'), one);
  t.same(engine('nats://a:4222,nats://b:4223, nats://c/chat'), {
    ...one,
    servers: ['a:4222', 'b:4223', 'c:4222'],
    name: 'chat',
  });
  t.same(engine('tls://me:p%40ss@[::1]:4443'), {
    ...one,
    servers: ['[::1]:4443'],
    tls: true,
    credentials: { user: 'me', pass: 'p@ss' },
  });
  t.same(engine('nats://token@a'), { ...one, credentials: { token: 'token' } });
  t.notMatch(refusal(['--engine=http://me:hidden@a']), /hidden/, 'a password is not printed');
});

void t.test('of a list, the wrong item is named', async (t) => {
  t.match(refusal(['--cors-origins', 'https://a.example,b.example']), /^--cors-origins: "b\.example" /);
});

void t.test('a wrong variable is refused by its own name', async (t) => {
  t.match(refusal([], { INTERCHAT_PORT: 'x' }), /^INTERCHAT_PORT: "x" is not accepted/);
});

void t.test('a refusal stays on one line, whatever was given', async (t) => {
  const line = refusal([], { INTERCHAT_PORT: `1\n${'9'.repeat(1_000)}` });
  t.notMatch(line, /\n/);
  t.ok(line.length < 200, line);
});

void t.test('a secret that is too short is refused without being told', async (t) => {
  for (const line of [refusal(['--secret', 'hunter2']), refusal([], { INTERCHAT_SECRET: 'hunter2' })]) {
    t.match(line, /at least 32 characters/);
    t.notMatch(line, /hunter2/);
  }
  for (const line of [refusal(['--jwt-secret', 'hunter2']), refusal([], { INTERCHAT_JWT_SECRET: 'hunter2' })]) {
    t.match(line, /JWT_SECRET|jwt-secret/i);
    t.match(line, /at least 32 characters/);
    t.notMatch(line, /hunter2/);
  }
  t.notMatch(refusal(['--jwt-jwks', 'https://me:hunter2@a.example/keys']), /hunter2|accepted$/);
});

const JWKS = ['--jwt-jwks', 'https://id.example/keys'];
const JWT_SECRET = ['--jwt-secret', 'x'.repeat(32)];
const WHOSE = ['--jwt-issuer', 'https://id.example/', '--jwt-audience', 'chat'];

void t.test('how tokens of an identity provider are checked', async (t) => {
  t.equal(jwtSettings(readConfig([], {})), undefined, 'not at all unless set');
  t.strictSame(jwtSettings(readConfig([...JWKS, ...WHOSE], {})), {
    jwks: 'https://id.example/keys',
    issuer: 'https://id.example/',
    audience: 'chat',
    algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    skew: 30,
    nameClaim: 'name',
    permissionsClaim: 'permissions',
  });
  const claims = ['--jwt-skew=5', '--jwt-name-claim=nickname', '--jwt-permissions-claim=scope'];
  t.strictSame(jwtSettings(readConfig([...JWT_SECRET, ...WHOSE, ...claims], {})), {
    secret: 'x'.repeat(32),
    issuer: 'https://id.example/',
    audience: 'chat',
    algorithms: ['HS256'],
    skew: 5,
    nameClaim: 'nickname',
    permissionsClaim: 'scope',
  });
  const algorithms = (...args: string[]) => jwtSettings(readConfig([...args, ...WHOSE], {}))?.algorithms;
  t.strictSame(algorithms(...JWKS, '--jwt-algorithms=ES256,EdDSA'), ['ES256', 'EdDSA']);
  t.strictSame(algorithms('--jwt-secret', 'x'.repeat(64), '--jwt-algorithms=HS512'), ['HS512']);
  t.strictSame(algorithms(...JWT_SECRET, '--jwt-algorithms='), ['HS256'], 'an empty list is as good as none');
});

void t.test('settings of tokens that cannot work together are refused in one line', async (t) => {
  const refused: [string[], RegExp][] = [
    [[...JWKS, ...JWT_SECRET, ...WHOSE], /^--jwt-jwks and --jwt-secret exclude each other/],
    [[...JWKS, '--jwt-audience=chat'], /^--jwt-jwks needs --jwt-issuer /],
    [[...JWKS, '--jwt-issuer=https://id.example/'], /^--jwt-jwks needs --jwt-audience /],
    [[...JWT_SECRET, '--jwt-audience=chat'], /^--jwt-secret needs --jwt-issuer /],
    [['--jwt-issuer=https://id.example/'], /^--jwt-issuer needs --jwt-jwks or --jwt-secret /],
    [['--jwt-audience=chat'], /^--jwt-audience needs --jwt-jwks or --jwt-secret /],
    [['--jwt-algorithms=RS256'], /^--jwt-algorithms needs --jwt-jwks or --jwt-secret /],
    [[...JWKS, ...WHOSE, '--jwt-algorithms=RS256,HS256'], /^--jwt-algorithms: HS256 .*--jwt-jwks, it takes RS256, /],
    [[...JWT_SECRET, ...WHOSE, '--jwt-algorithms=RS256'], /^--jwt-algorithms: RS256 .*--jwt-secret, it takes HS256, /],
    [[...JWT_SECRET, ...WHOSE, '--jwt-algorithms=HS512'], /^--jwt-secret is too short for HS512, .* 64 bytes/],
  ];
  for (const [args, says] of refused) {
    const line = refusal(args);
    t.match(line, says);
    t.notMatch(line, /\n|xxxx/, 'no line break, no secret');
  }
  const variables = { INTERCHAT_JWT_JWKS: 'https://id.example/keys', INTERCHAT_JWT_AUDIENCE: 'chat' };
  t.match(refusal([], variables), /^INTERCHAT_JWT_JWKS needs --jwt-issuer /, 'what was given is named as it was given');
});

void t.test('an unknown flag is refused with the nearest name', async (t) => {
  t.match(refusal(['--prot', '1']), /^Unknown flag --prot: did you mean --port\?/);
  t.match(refusal(['--keep-day=1']), /did you mean --keep-days\?/);
  t.match(refusal(['--something-else']), /^Unknown flag --something-else\. See/);
  t.match(refusal(['--__proto__=1']), /^Unknown flag/);
  t.match(refusal(['-x']), /^Unknown flag -x/);
});

void t.test('an unknown variable is refused with the nearest name', async (t) => {
  t.match(refusal([], { INTERCHAT_PROT: '1' }), /^Unknown variable INTERCHAT_PROT: did you mean INTERCHAT_PORT\?/);
  t.match(refusal([], { INTERCHAT_FOO: '1' }), /^Unknown variable INTERCHAT_FOO\. See/);
});

void t.test('a flag without its value is refused', async (t) => {
  t.match(refusal(['--port']), /^--port needs a value/);
  t.match(refusal(['--data', '--port', '80']), /^--data needs a value/);
});

void t.test('a switch needs no value, and takes true or false', async (t) => {
  t.equal(readConfig([], {}).acceptLoss, undefined);
  t.match(readConfig(['--accept-loss', '--port', '1'], {}), { acceptLoss: true, port: 1 });
  t.match(readConfig(['--accept-loss=false'], { INTERCHAT_ACCEPT_LOSS: 'true' }), { acceptLoss: false });
  t.match(readConfig([], { INTERCHAT_ACCEPT_LOSS: '1', INTERCHAT_ALLOW_UNSAFE_NATS: 'true' }), {
    acceptLoss: true,
    allowUnsafeNats: true,
  });
  t.match(refusal(['--accept-loss=yes']), /^--accept-loss: "yes" is not accepted, it takes true or false\./);
  t.match(refusal(['--accept-loss', 'true']), /^Unexpected argument "true"/);
  t.match(refusal(['--no-accept-loss']), /^Unknown flag --no-accept-loss/);
  t.match(configHelp(), /^ {2}--accept-loss {2,}start although/m);
});

void t.test('what is no flag is refused', async (t) => {
  t.match(refusal(['8080']), /^Unexpected argument "8080"/);
  t.match(refusal(['--', '--port=1']), /^Unexpected argument "--port=1"/);
});

void t.test('the help text and the table tell every setting with its default', async (t) => {
  t.match(configHelp(), /--port PORT .*\[8080\]/);
  t.match(configHelp(), /--secret SECRET /);
  t.match(configTable(), /\| `--max-body BYTES` \| `INTERCHAT_MAX_BODY` \| `65536` \| /);
  const settings = configHelp().match(/^ {2}--/gm)?.length;
  t.equal(settings, 31);
  t.equal(configTable().split('\n').length, 31 + 2);
});

void t.test('the README has the table as it is', async (t) => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  // Prettier lines the columns up.
  const words = (text: string) => text.replace(/ +/g, ' ');
  for (const row of configTable().split('\n').slice(2)) t.ok(words(readme).includes(words(row)), row);
});
