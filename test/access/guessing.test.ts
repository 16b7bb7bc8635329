import { Agent } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import { sign } from '../identity/provider.js';
import { temporaryFolder } from '../support/folder.js';
import { ask, type Asked } from '../support/http.js';
import { spawnServer } from '../support/server.js';
import { PASSWORD, SECRET } from './house.js';

const GUESSES = 10_000;
const AT_ONCE = 64;

/** What the README promises: the right password is let in after so many seconds at the most. */
const PROMISED = 30;

void t.test('10,000 wrong passwords hold up nobody else, and the right one is let in', async (t) => {
  const server = await spawnServer(t, {
    folder: await temporaryFolder(t),
    args: [
      '--trust-proxy',
      'loopback',
      '--rate-limit',
      '0',
      '--log-level',
      'trace',
      '--jwt-issuer',
      'i',
      '--jwt-audience',
      'a',
    ],
    env: { INTERCHAT_SECRET: SECRET, INTERCHAT_JWT_SECRET: SECRET },
  });
  const operator = operatorToken(SECRET);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const from = (address: string, asked: Asked): Asked => ({
    ...asked,
    headers: { ...asked.headers, 'x-forwarded-for': address },
  });
  const signIn = (name: string, password: string, address: string) =>
    ask(`${server.url}/sessions`, from(address, { json: { name, password }, agent }));
  for (const name of ['alice', 'bob']) {
    await ask(`${server.url}/accounts`, { json: { name, password: PASSWORD }, token: operator });
  }
  const home = await signIn('alice', PASSWORD, '192.0.2.1');
  t.equal(home.status, 201);

  // What others do meanwhile: they are served, whatever is guessed.
  let guessing = true;
  const { token } = (await signIn('bob', PASSWORD, '192.0.2.2')).json as { token: string };
  const times: number[] = [];
  const send = async () => {
    const began = performance.now();
    const sent = await ask(`${server.url}/clients/1/messages`, from('192.0.2.2', { json: { text: 'on' }, token }));
    if (sent.status !== 201) t.fail(`bob was refused: ${sent.text}`);
    times.push(performance.now() - began);
  };
  for (let n = 0; n < 50; n++) await send();
  const calm = median(times.splice(0));
  const others = (async () => {
    while (guessing) await send();
  })();

  const statuses = new Map<number, number>();
  const details = new Set<unknown>();
  let left = GUESSES;
  let longest = 0;
  const guess = async () => {
    while (left-- > 0) {
      // Every second one is of a name that nobody has.
      const answer = await signIn(left % 2 === 0 ? 'alice' : 'nobody', `guess number ${left}`, '198.51.100.1');
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 401) details.add(answer.json.detail);
      else longest = Math.max(longest, Number(answer.headers['retry-after']));
    }
  };
  const guessers = Array.from({ length: AT_ONCE }, guess);
  const atHome = await signIn('alice', PASSWORD, '192.0.2.1');
  t.equal(atHome.status, 201, 'from where alice has signed in before she does so at once, in the midst of it');
  await Promise.all(guessers);
  guessing = false;
  await others;

  t.same([...statuses.keys()].sort(), [401, 429]);
  t.equal(
    [...statuses.values()].reduce((sum, count) => sum + count),
    GUESSES,
  );
  t.ok((statuses.get(401) ?? 0) < 60, `few of them were guesses: ${statuses.get(401)}`);
  t.ok(longest <= PROMISED, `nobody is told to wait for longer than promised: ${longest} s`);
  t.same([...details], ['The name or the password is wrong.'], 'the same for a name that nobody has');
  t.comment(`a message took ${calm.toFixed(1)} ms, and ${median(times).toFixed(1)} ms meanwhile (medians)`);

  let waited = 0;
  for (;;) {
    const answer = await signIn('alice', PASSWORD, '198.51.100.1');
    if (answer.status === 201) break;
    t.equal(answer.status, 429);
    const seconds = Number(answer.headers['retry-after']);
    waited += seconds;
    if (waited > PROMISED) break;
    // The wait is what the answer asks for.
    await wait(seconds * 1000);
  }
  t.ok(waited <= PROMISED, `the right one is let in from where the guesses came, after ${waited} s`);

  const key = (await ask(`${server.url}/keys`, { json: { name: 'k', may: ['connect'] }, token: operator })).json.key;
  const { token: session } = home.json as { token: string };
  const cookie = `interchat_session=${session}`;
  const jwt = await sign({ alg: 'HS256', kid: undefined, privateKey: new TextEncoder().encode(SECRET) }, Date.now(), {
    claims: { iss: 'i', aud: 'a' },
  });
  for (const one of [operator, session, String(key), jwt, `${jwt}x`, 'ick_000000000000000000_wrong', 'ics_wrong']) {
    await ask(`${server.url}/sessions/current`, { token: one });
    await ask(`${server.url}/events?token=${one}`, { headers: { accept: 'application/json' } });
  }
  await ask(`${server.url}/sessions/current`, { headers: { cookie } });
  await ask(`${server.url}/accounts/alice/password`, {
    method: 'PUT',
    json: { current: PASSWORD, password: 'another horse battery staple' },
    headers: { cookie },
  });
  t.equal(await server.end('SIGTERM'), 0);
  const output = server.output();
  t.match(output, /"answered"/, 'the log was on');
  const secrets = {
    operator,
    session,
    key: String(key),
    jwt,
    password: PASSWORD,
    guess: 'guess number',
    new: 'another horse',
  };
  for (const [name, secret] of Object.entries({ ...secrets, SECRET }))
    t.notOk(output.includes(secret), `no ${name} in the log`);
  t.notMatch(output, /ic[skot]_/, 'no token of any kind');
});

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
