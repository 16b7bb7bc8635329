import { scryptSync } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { formatRecord, parseRecord } from '../../../src/hub/access/password-record.js';
import { TooManyAttempts } from '../../../src/hub/access/too-many-attempts.js';
import { checkPassword, Passwords } from '../../../src/hub/access/passwords.js';
import { InvalidRequest } from '../../../src/hub/errors.js';

const passwords = new Passwords();
const LANE = '192.0.2.1';

/** What would be kept of a password at another cost; quick, when it is a small one. */
function record(password: string, { ln = 4, r = 8, p = 1 } = {}, salt = Buffer.from('sixteen bytes it')): string {
  const key = scryptSync(password, salt, 32, { N: 2 ** ln, r, p, maxmem: 2 ** 29 });
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`;
}

void t.test('a password is known again by what is kept of it, and no other is', async (t) => {
  const stored = await passwords.hash('correct horse', LANE);
  t.match(stored, /^\$scrypt\$ln=17,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  t.equal(await passwords.verify('correct horse', stored, LANE), true);
  for (const other of ['correct horse ', '']) {
    t.equal(await passwords.verify(other, stored, LANE), false, JSON.stringify(other));
  }
  t.not(await passwords.hash('correct horse', LANE), stored, 'each has a salt of its own');
  t.equal(passwords.needsRehash(stored), false);
});

void t.test('the key is what scrypt makes of it (RFC 7914, section 12)', async (t) => {
  // The first 32 bytes of the third vector: N = 16384, r = 8, p = 1.
  const key = Buffer.from('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2', 'hex');
  const salt = Buffer.from('SodiumChloride').toString('base64').replace(/=+$/, '');
  const stored = `$scrypt$ln=14,r=8,p=1$${salt}$${key.toString('base64').replace('=', '')}`;
  t.equal(await passwords.verify('pleaseletmein', stored, LANE), true);
  t.equal(await passwords.verify('pleaseletmeim', stored, LANE), false);
});

void t.test('what was kept at another cost is known still, and kept anew when there is occasion', async (t) => {
  for (const cost of [{ ln: 14 }, { ln: 13, p: 10 }, { ln: 12, r: 32 }, { ln: 17, p: 2 }]) {
    const stored = record('correct horse', cost);
    t.equal(await passwords.verify('correct horse', stored, LANE), true, stored);
    t.equal(passwords.needsRehash(stored), true, stored);
  }
  t.equal(passwords.needsRehash('x'), true);
});

/** A record, read and written again. */
function formatted(stored: string): string | undefined {
  const read = parseRecord(stored);
  return read && formatRecord(read);
}

void t.test('what is no record, or asks for too much, fits no password', async (t) => {
  const good = record('correct horse');
  t.equal(formatted(good), good);
  const bad = [
    '',
    'correct horse',
    good.replace('scrypt', 'argon2id'),
    good.slice(0, -1),
    `${good}\n`,
    `${good}A`,
    good.replace('ln=4', 'ln=04'),
    // Half a gibibyte, 32 PiB, and an hour.
    good.replace('ln=4', 'ln=19'),
    good.replace('ln=4', 'ln=45'),
    good.replace('ln=4,r=8,p=1', 'ln=17,r=8,p=99'),
  ];
  for (const stored of bad) t.equal(parseRecord(stored), undefined, stored);
  t.equal(await passwords.verify('correct horse', good.replace('ln=4', 'ln=04'), LANE), false);
});

void t.test('no account takes as long as a wrong password, and lets nobody in', async (t) => {
  const stored = await passwords.hash('correct horse', LANE);
  const timeOf = async (stored: string | undefined) => {
    const start = process.cpuUsage();
    t.equal(await passwords.verify('wrong horse', stored, LANE), false);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const wrong = Math.min(await timeOf(stored), await timeOf(stored));
  for (const none of [undefined, 'no record']) {
    const unknown = Math.min(await timeOf(none), await timeOf(none));
    t.ok(unknown > wrong / 3 && unknown < wrong * 3, `${unknown} and ${wrong} microseconds of CPU`);
  }
});

void t.test('a password may be typed on another system', async (t) => {
  const same = [
    ['caf\u00e9 creme', 'cafe\u0301 creme'],
    ['\ufb01ne print', 'fine print'],
    ['wide\u3000space\u00a0here', 'wide space here'],
    ['\uff50\uff41\uff53\uff53word', 'password'],
  ] as const;
  for (const [one, other] of same) {
    t.equal(await passwords.verify(one, record(other.normalize('NFKC')), LANE), true, `${one} for ${other}`);
    t.equal(await passwords.verify(other, record(one.normalize('NFKC')), LANE), true, `${other} for ${one}`);
  }
  t.equal(await passwords.verify('ПАРОЛЬ12', record('пароль12'), LANE), false, 'but letters are as they are');
  const stored = await passwords.hash('cafe\u0301 creme', LANE);
  t.equal(await passwords.verify('caf\u00e9 creme', stored, LANE), true, 'of what is kept, too');
});

void t.test('a password has 8 to 1024 characters, whatever they are', async (t) => {
  const refusal = (password: string) => {
    try {
      checkPassword(password, 'new');
    } catch (error) {
      if (error instanceof InvalidRequest) return error;
      throw error;
    }
    return undefined;
  };
  for (const password of ['aaaaaaaa', '        ', '\u{1f600}'.repeat(8), 'e\u0301'.repeat(8), 'x'.repeat(1024)]) {
    t.equal(refusal(password), undefined, password.slice(0, 20));
  }
  t.equal(refusal('e\u0301'.repeat(1024)), undefined, 'as many as one sees');
  for (const password of ['', 'aaaaaaa', '\u{1f600}'.repeat(7), 'e\u0301'.repeat(7), 'x'.repeat(1025)]) {
    t.match(refusal(password), { path: 'new', message: /^must be 8 to 1024 characters/ }, password.slice(0, 20));
  }
  t.match(refusal('password\ud83d'), { message: /surrogates/ });
  await t.rejects(passwords.hash('short', LANE), { code: 'invalid-request', path: 'password' });
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 7 }), (password) => {
      const error = refusal(password);
      t.ok(error === undefined || !error.message.includes(password), 'what was typed is not repeated');
    }),
  );
});

void t.test('in one process one is checked at a time: four wait in a lane, and more are refused', async (t) => {
  const stored = record('correct horse');
  const another = new Passwords();
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 3 }, () => passwords.verify('correct horse', stored, LANE)),
    ...Array.from({ length: 4 }, () => another.verify('correct horse', stored, LANE)),
    another.verify('correct horse', stored, '192.0.2.2'),
  ]);
  const told = outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as unknown),
  );
  const refused = told.filter((outcome) => outcome instanceof TooManyAttempts);
  t.same(told, [true, true, true, true, true, ...refused, true]);
  t.equal(refused.length, 2);
  t.match(refused[0], { code: 'too-many-requests', retryAfter: 2, message: /Try again in 2 s\.$/ });
  t.equal(await passwords.verify('correct horse', stored, LANE), true, 'and afterwards all is well');
});

void t.test('64 wait in all', async (t) => {
  const stored = record('correct horse');
  const checks = Array.from({ length: 70 }, (_, at) => passwords.verify('correct horse', stored, `lane ${at}`));
  const outcomes = await Promise.allSettled(checks);
  t.same(
    outcomes.map(({ status }) => status),
    [...Array<string>(65).fill('fulfilled'), ...Array<string>(5).fill('rejected')],
  );
  t.match(outcomes[69], { reason: { retryAfter: 32 } });
});
