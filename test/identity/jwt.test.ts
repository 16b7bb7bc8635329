import { createHmac, type webcrypto } from 'node:crypto';
import fc from 'fast-check';
import { exportJWK, exportSPKI, importJWK } from 'jose';
import t, { type Test } from 'tap';
import { clientName } from '../../src/http/schemas.js';
import { isClientName } from '../../src/hub/client-name.js';
import { Unauthorized } from '../../src/hub/errors.js';
import { ASYMMETRIC_ALGORITHMS } from '../../src/identity/algorithms.js';
import { IdentityUnavailable } from '../../src/identity/identity-unavailable.js';
import { type JwtSettings, JwtVerifier } from '../../src/identity/jwt.js';
import { COOLDOWN, FAILURE_PAUSE, KEYS_LAST, REFRESH_AFTER } from '../../src/identity/remote-keys.js';
import { AUDIENCE, ISSUER, type Key, newKey, Provider, sign, type Wish } from './provider.js';

const SECRET = 'a secret of at least thirty-two characters';
const CODED_SECRET = new TextEncoder().encode(SECRET);
const START = Date.UTC(2026, 0, 31, 12);

const [rsa, ec, rotated, stranger] = await Promise.all([
  newKey('RS256', 'rsa'),
  newKey('ES256', 'ec'),
  newKey('ES256', 'rotated'),
  newKey('ES256', 'ec'),
]);

/** A clock that moves when it is told to. */
class Clock {
  time = START;
  readonly now = () => this.time;
}

function settings(key: Pick<JwtSettings, 'jwks' | 'secret'>, changes: Partial<JwtSettings> = {}): JwtSettings {
  const algorithms = key.secret === undefined ? ASYMMETRIC_ALGORITHMS : ['HS256'];
  const claims = { nameClaim: 'name', permissionsClaim: 'permissions' };
  return { ...key, issuer: ISSUER, audience: AUDIENCE, algorithms, skew: 30, ...claims, ...changes };
}

/** A provider with these keys, and who checks its tokens. */
async function withKeys(t: Test, keys: Key[], changes: Partial<JwtSettings> = {}) {
  const provider = await Provider.start(t);
  provider.keys = keys;
  const clock = new Clock();
  const verifier = new JwtVerifier(settings({ jwks: provider.url }, changes), { now: clock.now, timeout: 500 });
  return { provider, clock, verifier };
}

function withSecret(changes: Partial<JwtSettings> = {}) {
  const clock = new Clock();
  return { clock, verifier: new JwtVerifier(settings({ secret: SECRET }, changes), { now: clock.now }) };
}

const secretKey = { alg: 'HS256', kid: undefined, privateKey: CODED_SECRET };

/** Holds that a token is refused with these words, and that they have nothing of it. */
async function refuses(t: Test, verifier: JwtVerifier, token: string, says: RegExp, what = String(says)) {
  const error = await failureOf(verifier, token);
  t.type(error, Unauthorized, what);
  t.match(error.message, says, what);
  for (const part of token.split('.')) {
    if (part.length > 8) t.notOk(error.message.includes(part), `${what}: nothing of the token is told`);
  }
}

async function isUnavailable(t: Test, verifier: JwtVerifier, token: string, says: RegExp) {
  const error = await failureOf(verifier, token);
  t.type(error, IdentityUnavailable);
  t.match(error, { code: 'unavailable', message: says });
  t.match(error.message, /Try again in a moment/);
  t.notMatch(`${error.stack} ${JSON.stringify(error)}`, /127\.0\.0\.1|hush/, 'neither address nor what is in it');
}

async function failureOf(verifier: JwtVerifier, token: string): Promise<Error> {
  try {
    await verifier.verify(token);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the token was accepted');
}

async function outcome(verifier: JwtVerifier, token: string): Promise<'accepted' | 'refused'> {
  return verifier.verify(token).then(
    () => 'accepted',
    () => 'refused',
  );
}

/** Waits until this holds: what goes on in the background has no end that one could wait for. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function encoded(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

void t.test('a genuine token says who its bearer is', async (t) => {
  const { verifier, clock } = await withKeys(t, [rsa, ec]);
  const claims = { name: 'Alice', permissions: ['send', 'rooms:write'] };
  for (const key of [rsa, ec]) {
    t.strictSame(await verifier.verify(await sign(key, clock.time, { claims })), {
      subject: '["https://id.example/","alice"]',
      name: 'Alice',
      may: ['send', 'rooms:write'],
      expiresAt: START + 3_630_000,
    });
  }
  const { verifier: bySecret } = withSecret();
  t.match(await bySecret.verify(await sign(secretKey, START)), { subject: '["https://id.example/","alice"]' });
});

void t.test('every algorithm that is allowed unless set can be checked', async (t) => {
  for (const alg of ASYMMETRIC_ALGORITHMS) {
    const key = await newKey(alg, alg);
    const { verifier } = await withKeys(t, [key]);
    t.match(await verifier.verify(await sign(key, START)), { name: null }, alg);
  }
  const { verifier } = withSecret({ secret: 'x'.repeat(64), algorithms: ['HS256', 'HS384', 'HS512'] });
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    const key = { alg, kid: undefined, privateKey: new TextEncoder().encode('x'.repeat(64)) };
    t.match(await verifier.verify(await sign(key, START)), { name: null }, alg);
  }
});

void t.test('settings under which the wrong ones would be let in are a fault of the caller', async (t) => {
  const wrong: Partial<JwtSettings>[] = [
    { jwks: 'https://id.example/keys', algorithms: ['RS256', 'HS256'] },
    { jwks: 'https://id.example/keys', algorithms: ['none'] },
    { jwks: 'https://id.example/keys', algorithms: [] },
    { secret: SECRET, algorithms: ['RS256'] },
    { secret: SECRET, algorithms: ['none'] },
    { secret: SECRET, algorithms: ['HS512'] },
    { secret: 'x'.repeat(31), algorithms: ['HS256'] },
    { secret: SECRET, jwks: 'https://id.example/keys', algorithms: ['HS256'] },
    {},
  ];
  for (const changes of wrong) {
    t.throws(() => new JwtVerifier({ ...settings({}), ...changes }), { name: 'RangeError' }, JSON.stringify(changes));
  }
});

void t.test('what is wrong with a token is told', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  const second = START / 1000;
  const wrong: [Wish['claims'], RegExp][] = [
    [{ exp: second - 30 }, /has expired\. Get a new one/],
    [{ exp: undefined }, /no claim exp/],
    [{ exp: 'tomorrow' }, /claim exp is no time/],
    [{ exp: 1e300 }, /claim exp is no time/],
    [{ nbf: second + 31 }, /not valid yet/],
    [{ nbf: 'now' }, /claim nbf is no time/],
    [{ iss: 'https://id.example' }, /another issuer/],
    [{ iss: [ISSUER] }, /another issuer/],
    [{ iss: undefined }, /no claim iss/],
    [{ aud: 'chat2' }, /another audience/],
    [{ aud: ['other', 'CHAT'] }, /another audience/],
    [{ aud: undefined }, /no claim aud/],
    [{ sub: undefined }, /no claim sub/],
    [{ sub: '' }, /claim sub is no text/],
    [{ sub: 7 }, /claim sub is no text/],
    [{ sub: 'x'.repeat(256) }, /claim sub is no text/],
    [{ permissions: 7 }, /claim permissions is neither/],
    [{ permissions: null }, /claim permissions is neither/],
    [{ permissions: ['send', 7] }, /claim permissions is neither/],
    [{ permissions: { send: true } }, /claim permissions is neither/],
  ];
  for (const [claims, says] of wrong) {
    await refuses(t, verifier, await sign(ec, START, { claims }), says, JSON.stringify(claims));
  }
  const right: Wish['claims'][] = [
    { exp: second - 29 },
    { nbf: second + 30 },
    { aud: ['other', AUDIENCE] },
    { sub: 'x'.repeat(255) },
  ];
  for (const claims of right) {
    t.match(await verifier.verify(await sign(ec, START, { claims })), { name: null }, JSON.stringify(claims));
  }
});

void t.test('two subjects never have one name, whatever is in them', async (t) => {
  const subjects = new Set<string>();
  const pairs = [
    ['a', 'b c'],
    ['a b', 'c'],
    ['a","b', 'c'],
    ['a', 'b","c'],
    ['a', 'B c'],
    ['a', '\ud800'],
    ['a', '\udfff'],
  ] as const;
  for (const [iss, sub] of pairs) {
    const { verifier } = withSecret({ issuer: iss });
    // Not by jose, whose JSON is well-formed too, but as another provider might write it.
    const body = `${encoded({ alg: 'HS256' })}.${encoded({ iss, sub, aud: AUDIENCE, exp: START / 1000 + 60 })}`;
    const mac = createHmac('sha256', SECRET).update(body).digest('base64url');
    subjects.add((await verifier.verify(`${body}.${mac}`)).subject);
  }
  t.equal(subjects.size, pairs.length);
});

void t.test('what is no JWT is refused, whatever it is', async (t) => {
  const { verifier, provider } = await withKeys(t, [ec]);
  const token = await sign(ec, START);
  const [header = '', claims = '', signature = ''] = token.split('.');
  const others = [
    '',
    '.',
    '..',
    'x',
    'ict_1_x',
    `${header}.${claims}`,
    `${token}.`,
    `${token}.x.y`,
    `x${token}`,
    `.${claims}.${signature}`,
    `${encoded('[]')}.${claims}.${signature}`,
    `${encoded('null')}.${claims}.${signature}`,
    `${encoded({ kid: 'ec' })}.${claims}.${signature}`,
    `\u{1f600}.${claims}.${signature}`,
  ];
  for (const other of others) await refuses(t, verifier, other, /is no JWT|not genuine/, JSON.stringify(other));
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
      t.type(await failureOf(verifier, text), Unauthorized);
      t.type(await failureOf(verifier, `${header}.${encoded(text)}.${signature}`), Unauthorized);
    }),
    { numRuns: 30 },
  );
  await refuses(t, verifier, token + 'x'.repeat(16_384), /longer than 16384/);
  t.equal(provider.asked, 1);
});

void t.test('a token that was changed anywhere is not genuine', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  const token = await sign(ec, START, { claims: { role: 'user' } });
  const [header, claims = '', signature = ''] = token.split('.');
  const forged = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  await refuses(t, verifier, `${header}.${encoded({ ...forged, sub: 'bob' })}.${signature}`, /not genuine/);
  await refuses(t, verifier, `${header}.${claims}.${encoded(Buffer.alloc(64).toString('latin1'))}`, /not genuine/);
  await refuses(t, verifier, `${header}.${claims}.`, /not genuine/);
  await refuses(t, verifier, await sign(stranger, START), /not genuine/, 'the kid is right, the key is not');
  const { verifier: bySecret } = withSecret();
  const other = { ...secretKey, privateKey: new TextEncoder().encode(`${SECRET}!`) };
  await refuses(t, bySecret, await sign(other, START), /not genuine/);
});

void t.test('alg none is refused, however it is spelt', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  const { verifier: bySecret } = withSecret();
  const claims = encoded({ iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: START / 1000 + 60 });
  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    for (const signature of ['', 'AAAA']) {
      const token = `${encoded({ alg, kid: 'ec' })}.${claims}.${signature}`;
      await refuses(t, verifier, token, /algorithm that is not allowed here/, alg);
      await refuses(t, bySecret, token, /algorithm that is not allowed here/, alg);
    }
  }
});

void t.test('a MAC made with the public key is no signature', async (t) => {
  const { verifier, provider } = await withKeys(t, [rsa]);
  const publicKey = await importJWK(rsa.jwk, 'RS256');
  if (publicKey instanceof Uint8Array) throw new Error('an RSA key is none');
  const spki = await exportSPKI(publicKey);
  const body = `${encoded({ alg: 'HS256', kid: 'rsa' })}.${encoded({ iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: START / 1000 + 60 })}`;
  for (const key of [spki, spki.trim(), JSON.stringify(rsa.jwk), Buffer.from(rsa.jwk.n ?? '', 'base64url')]) {
    const token = `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
    await refuses(t, verifier, token, /algorithm that is not allowed here\. .*RS256, /);
  }
  t.equal(provider.asked, 1, 'the keys were at hand, so it was not for want of them');

  // A provider that lists a secret does not make it one: everybody can read the list.
  provider.keys = [{ ...ec, jwk: { kty: 'oct', k: encoded(SECRET), kid: 'oct', alg: 'HS256' } }];
  const { verifier: fresh } = await withKeys(t, provider.keys);
  await refuses(t, fresh, await sign({ ...secretKey, kid: 'oct' }, START), /algorithm that is not allowed here/);
});

void t.test('an algorithm that was not configured is refused', async (t) => {
  const { verifier } = await withKeys(t, [rsa, ec], { algorithms: ['RS256'] });
  t.match(await verifier.verify(await sign(rsa, START)), { name: null });
  await refuses(t, verifier, await sign(ec, START), /not allowed here\. Get one that is signed with RS256\./);
  const { verifier: bySecret } = withSecret();
  await refuses(
    t,
    bySecret,
    await sign({ ...secretKey, alg: 'HS512', privateKey: Buffer.alloc(64) }, START),
    /not allowed/,
  );
});

void t.test('an extension that is not known but critical is refused', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  t.match(await verifier.verify(await sign(ec, START, { header: { secret: 1 } })), { name: null }, 'not critical');
  const token = await sign(ec, START, { header: { crit: ['secret'], secret: 1 } });
  await refuses(t, verifier, token, /extension of JWT that is not supported here \(crit\)/);
  await refuses(t, verifier, `${encoded({ alg: 'ES256', crit: [] })}.${token.slice(token.indexOf('.') + 1)}`, /no JWT/);
});

void t.test('the key, or where it is, is never taken from the token', async (t) => {
  const { verifier, provider } = await withKeys(t, [ec]);
  const attacker = await Provider.start(t);
  attacker.keys = [stranger];
  const headers: Wish['header'][] = [
    { jwk: stranger.jwk },
    { jku: attacker.url },
    { x5u: attacker.url },
    { jwk: stranger.jwk, jku: attacker.url, x5u: attacker.url, x5c: ['MIIB'] },
  ];
  for (const header of headers) {
    const token = await sign(stranger, START, { header });
    await refuses(t, verifier, token, /not genuine/, Object.keys(header ?? {}).join());
    const unknown = await sign(stranger, START, { header: { ...header, kid: 'theirs' } });
    await refuses(t, verifier, unknown, /key that the identity provider does not list/);
    t.match(await verifier.verify(await sign(ec, START, { header })), { name: null }, 'a genuine one may have them');
  }
  t.equal(attacker.asked, 0);
  t.equal(provider.asked, 1);
});

void t.test('a token that is for something else does not say who its bearer is', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+JWT']) {
    t.match(await verifier.verify(await sign(ec, START, { header: { typ } })), { name: null }, typ);
  }
  for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', '', 7]) {
    await refuses(t, verifier, await sign(ec, START, { header: { typ } }), /kind that does not say who you are/);
  }
});

void t.test('a new key is found when its first token comes, an old one ends with the list that has it', async (t) => {
  const { verifier, provider, clock } = await withKeys(t, [ec]);
  t.match(await verifier.verify(await sign(ec, START)), { name: null });

  provider.keys = [ec, rotated];
  await refuses(t, verifier, await sign(rotated, START), /does not list/, 'too early to fetch again');
  t.equal(provider.asked, 1);
  clock.time += COOLDOWN;
  t.match(await verifier.verify(await sign(rotated, START)), { name: null });
  t.match(await verifier.verify(await sign(ec, START)), { name: null }, 'the old one is still listed');
  t.equal(provider.asked, 2);

  provider.keys = [rotated];
  const other = await sign(ec, START, { claims: { sub: 'bob' } });
  t.match(await verifier.verify(other), { name: null }, 'nobody has asked again');
  clock.time += COOLDOWN;
  await refuses(t, verifier, await sign(stranger, START, { header: { kid: 'unknown' } }), /does not list/);
  t.equal(provider.asked, 3);
  await refuses(t, verifier, other, /does not list/, 'although it was remembered as genuine a moment ago');
});

void t.test('tokens that name keys by chance do not make the list be fetched without end', async (t) => {
  const { verifier, provider, clock } = await withKeys(t, [ec]);
  const random = async (count: number) => {
    const tokens = await Promise.all(
      Array.from({ length: count }, (_, at) => sign(stranger, START, { header: { kid: `random-${at}` } })),
    );
    await Promise.all(tokens.map((token) => refuses(t, verifier, token, /does not list/)));
  };
  await random(50);
  await random(50);
  t.equal(provider.asked, 1);
  clock.time += COOLDOWN;
  await random(50);
  t.equal(provider.asked, 2, 'once for all of them');
  clock.time += COOLDOWN - 1;
  await random(50);
  t.equal(provider.asked, 2);
  t.match(await verifier.verify(await sign(ec, START)), { name: null });
});

void t.test('a key that is no longer listed is not accepted for longer than lists count', async (t) => {
  const { verifier, provider, clock } = await withKeys(t, [ec]);
  const token = await sign(ec, START);
  await verifier.verify(token);
  provider.keys = [rotated];
  clock.time = START + KEYS_LAST - 1;
  provider.fault = { status: 500, body: '' };
  t.match(await verifier.verify(token), { name: null }, 'the provider is away, and the list counts still');
  await until(() => provider.asked === 2);
  clock.time = START + KEYS_LAST + FAILURE_PAUSE;
  await isUnavailable(t, verifier, token, /it answers with status 500/);
  provider.fault = undefined;
  clock.time += FAILURE_PAUSE;
  await refuses(t, verifier, token, /does not list/);
});

void t.test('the list is renewed before it is too old, while nobody waits for it', async (t) => {
  const { verifier, provider, clock } = await withKeys(t, [ec]);
  const [early, late, last] = await Promise.all(['a', 'b', 'c'].map((sub) => sign(ec, START, { claims: { sub } })));
  if (!early || !late || !last) throw new Error('three were made');
  clock.time = START;
  await verifier.verify(early);
  clock.time = START + REFRESH_AFTER - 1;
  await verifier.verify(late);
  t.equal(provider.asked, 1);
  provider.keys = [rotated];
  clock.time = START + REFRESH_AFTER;
  t.match(await verifier.verify(last), { name: null }, 'by the list at hand');
  await until(async () => (await outcome(verifier, last)) === 'refused');
  await refuses(t, verifier, last, /does not list/);
  t.equal(provider.asked, 2);
});

void t.test('a key need not be named where it can be told by trying', async (t) => {
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => newKey('ES256', undefined)));
  if (!one || !two || !three) throw new Error('three were made');
  const { verifier, provider, clock } = await withKeys(t, [one]);
  t.match(await verifier.verify(await sign(one, START)), { name: null });
  provider.keys = [two, three];
  await refuses(t, verifier, await sign(three, START), /not genuine/);
  clock.time += COOLDOWN;
  t.match(await verifier.verify(await sign(three, START)), { name: null }, 'it may be a new key');
  t.match(await verifier.verify(await sign(two, START)), { name: null });
  await refuses(t, verifier, await sign(one, START), /not genuine/);
  await refuses(t, verifier, await sign(three, START, { claims: { aud: 'other' } }), /another audience/);
  t.equal(provider.asked, 2);
});

void t.test('while the keys cannot be fetched, nobody is let in or turned away for good', async (t) => {
  const faults: [Provider['fault'], RegExp][] = [
    [{ status: 503, body: 'hush' }, /\(it answers with status 503\)/],
    [{ status: 302, body: '', location: 'http://127.0.0.1:9/hush' }, /\(it answers with status 302\)/],
    [{ status: 200, body: '<p>hush' }, /\(its answer is no JWKS\)/],
    [{ status: 200, body: '{"keys":"hush"}' }, /\(its answer is no JWKS\)/],
    ['silent', /\(it does not answer in time\)/],
  ];
  const token = await sign(ec, START);
  for (const [fault, says] of faults) {
    const { verifier, provider, clock } = await withKeys(t, [ec]);
    provider.fault = fault;
    await isUnavailable(t, verifier, token, says);
    await isUnavailable(t, verifier, token, says);
    t.equal(provider.asked, 1, 'after a failure there is a pause');
    provider.fault = undefined;
    clock.time += FAILURE_PAUSE;
    t.match(await verifier.verify(token), { name: null }, 'and then all is well again');
  }
  const { verifier, provider } = await withKeys(t, [ec]);
  provider.stop();
  await isUnavailable(t, verifier, token, /\(ECONNREFUSED\)/);
});

void t.test('while the provider is away, keys at hand go on, and others are fetched once in a pause', async (t) => {
  const { verifier, provider, clock } = await withKeys(t, [ec]);
  await verifier.verify(await sign(ec, START));
  provider.fault = { status: 500, body: '' };
  clock.time += COOLDOWN;
  for (const kid of ['a', 'b', 'c']) {
    await isUnavailable(t, verifier, await sign(rotated, START, { header: { kid } }), /status 500/);
  }
  t.equal(provider.asked, 2);
  t.match(await verifier.verify(await sign(ec, START, { claims: { sub: 'bob' } })), { name: null });
  await refuses(t, verifier, await sign(stranger, START), /not genuine/);
  t.equal(provider.asked, 2);
});

void t.test('keys that cannot be used let nobody in', async (t) => {
  const unusable = [await exportJWK(ec.privateKey), { ...ec.jwk, x: 'AAAA' }].map((jwk) => ({ ...jwk, kid: 'ec' }));
  for (const jwk of unusable) {
    const { verifier } = await withKeys(t, [{ ...ec, jwk }]);
    await refuses(t, verifier, await sign(ec, START), /key that cannot be used/);
  }
  for (const jwk of [
    { ...ec.jwk, use: 'enc' },
    { ...ec.jwk, key_ops: ['sign'] },
    { ...ec.jwk, alg: 'ES384' },
  ]) {
    const { verifier } = await withKeys(t, [{ ...ec, jwk }]);
    await refuses(t, verifier, await sign(ec, START), /does not list/);
  }
});

void t.test('of the name, what a client may be called', async (t) => {
  const { verifier } = await withKeys(t, [ec]);
  const nameOf = async (name: unknown) => (await verifier.verify(await sign(ec, START, { claims: { name } }))).name;
  for (const name of ['Alice', 'Ada L.', 'é', '张伟', '👩‍👩‍👧', 'x'.repeat(64)]) t.equal(await nameOf(name), name);
  for (const name of ['', ' ', ' a', 'a ', 'a\nb', '\u202ea', 'x'.repeat(65), 7, null, ['Alice'], undefined]) {
    t.equal(await nameOf(name), null, JSON.stringify(name));
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 70 }), (text) => {
      t.equal(isClientName(text), clientName.safeParse(text).success, 'the same as a client may call itself');
    }),
  );
});

void t.test('of the permissions, a list or a text with spaces', async (t) => {
  const { verifier } = withSecret();
  const may = async (permissions: unknown) =>
    (await verifier.verify(await sign(secretKey, START, { claims: { permissions } }))).may;
  t.strictSame(await may(['a', 'b c']), ['a', 'b c']);
  t.strictSame(await may('a  b:c '), ['a', 'b:c']);
  t.strictSame(await may([]), []);
  t.strictSame(await may(''), []);
  t.equal(await may(undefined), undefined);
});

void t.test('the claims are those that are configured, and none that every object has', async (t) => {
  const claims = { nick: 'Al', 'https://a.example/may': 'x', name: 'Alice', permissions: ['y'] };
  const { verifier } = withSecret({ nameClaim: 'nick', permissionsClaim: 'https://a.example/may' });
  t.match(await verifier.verify(await sign(secretKey, START, { claims })), { name: 'Al', may: ['x'] });
  const { verifier: inherited } = withSecret({ nameClaim: 'constructor', permissionsClaim: 'toString' });
  t.match(await inherited.verify(await sign(secretKey, START)), { name: null, may: undefined });
});

void t.test('a token that was checked a moment ago is not checked again, but ends when it ends', async (t) => {
  const checks = countChecks(t);
  const { verifier, clock } = await withKeys(t, [ec]);
  const token = await sign(ec, START, { claims: { exp: START / 1000 + 100 } });
  const identity = await verifier.verify(token);
  for (let at = 0; at < 100; at++) t.equal(await verifier.verify(token), identity);
  t.equal(checks(), 1);
  clock.time = START + 59_999;
  await verifier.verify(token);
  t.equal(checks(), 1);
  clock.time = START + 60_000;
  await verifier.verify(token);
  t.equal(checks(), 2, 'a minute is the most');
  clock.time = START + 119_999;
  await verifier.verify(token);
  t.equal(checks(), 2);

  const short = await sign(ec, START, { claims: { exp: START / 1000 + 100, sub: 'bob' } });
  t.match(await verifier.verify(short), { expiresAt: START + 130_000 });
  clock.time = START + 129_999;
  t.match(await verifier.verify(short), { expiresAt: START + 130_000 });
  t.equal(checks(), 3);
  clock.time = START + 130_000;
  await refuses(t, verifier, short, /has expired/);
});

void t.test('what was refused is not remembered as genuine', async (t) => {
  const { verifier, clock } = withSecret();
  const early = await sign(secretKey, START, { claims: { nbf: START / 1000 + 60 } });
  await refuses(t, verifier, early, /not valid yet/);
  await refuses(t, verifier, early, /not valid yet/);
  clock.time += 30_000;
  t.match(await verifier.verify(early), { name: null });
});

void t.test('no more than a thousand tokens are remembered, those in use first', async (t) => {
  const checks = countChecks(t);
  const { verifier } = withSecret();
  const token = (sub: number) => sign(secretKey, START, { claims: { sub: `${sub}` } });
  const [first, second] = [await token(0), await token(1)];
  await verifier.verify(first);
  await verifier.verify(second);
  for (let at = 2; at < 1_000; at++) await verifier.verify(await token(at));
  await verifier.verify(first);
  t.equal(checks(), 1_000);
  await verifier.verify(await token(1_000));
  await verifier.verify(first);
  t.equal(checks(), 1_001, 'the one that was used last is kept');
  await verifier.verify(second);
  t.equal(checks(), 1_002, 'the one that was used longest ago is not');
});

/** Tells how many signatures were checked since. */
function countChecks(t: Test): () => number {
  const subtle: webcrypto.SubtleCrypto = crypto.subtle;
  const verify = subtle.verify.bind(subtle);
  let count = 0;
  subtle.verify = (...args) => {
    count++;
    return verify(...args);
  };
  t.teardown(() => (subtle.verify = verify));
  return () => count;
}
