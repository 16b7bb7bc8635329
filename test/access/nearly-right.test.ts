import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { House, PASSWORD } from './house.js';

const house = await House.open(t);
const stranger = (await house.ask('/clients', { method: 'POST' })).json as { token: string; cursor: string };
const member = await house.member('alice');
const tokens: Readonly<Record<string, string>> = {
  'the token of a client': stranger.token,
  'the token of a session': member.token,
  'a key': await house.key('sensor', ['connect', 'list']),
  'the token of the operator': house.operator,
};

/** Where what nobody can know begins, behind the last `_` that stands for itself, or the last dot. */
function secretIn(text: string): number {
  return text.length - (text.includes('.') ? 22 : 43);
}

/** Wrong by as little as can be, in every place in which it may be. */
function wrong(text: string, begin: number): string[] {
  const places = [begin, Math.floor((begin + text.length) / 2), text.length - 2, text.length - 1];
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const changed = places.map((place) => {
    // The lowest bit: that of the last character is not even part of what was signed.
    const other = ALPHABET[ALPHABET.indexOf(text[place] as string) ^ 1] as string;
    return text.slice(0, place) + other + text.slice(place + 1);
  });
  return [...changed, text.slice(0, -1), `${text}A`, text.slice(0, begin), text.slice(0, begin) + 'A'.repeat(43)];
}

void t.test('however little of a credential is wrong, and wherever, it is refused with the same words', async (t) => {
  for (const [what, token] of Object.entries(tokens)) {
    t.equal((await house.ask('/clients', { token })).status, 200, `${what} is good`);
    const answers = new Set<string>();
    for (const one of wrong(token, secretIn(token))) {
      const { status, text } = await house.ask('/clients', { token: one });
      answers.add(`${status} ${text}`);
    }
    t.equal(answers.size, 1, what);
    t.match([...answers][0], /^401 /, what);
  }
});

void t.test('so is a cursor, which then counts as none', async (t) => {
  for (const cursor of wrong(stranger.cursor, secretIn(stranger.cursor))) {
    const stream = await EventReader.open(t, `${house.url}/events`, { 'last-event-id': cursor });
    t.match((await stream.next()).data, { resumed: false });
    stream.close();
  }
  const stream = await EventReader.open(t, `${house.url}/events`, { 'last-event-id': stranger.cursor });
  t.match((await stream.next()).data, { client: { index: 1 }, resumed: true });
});

void t.test('and a password', async (t) => {
  const answers = new Set<string>();
  for (const password of [`X${PASSWORD.slice(1)}`, `${PASSWORD.slice(0, -1)}X`, `${PASSWORD}X`, 'another one']) {
    for (const name of ['alice', 'nobody']) {
      const { status, text } = await house.ask('/sessions', { json: { name, password } });
      answers.add(`${status} ${text}`);
    }
  }
  t.same(
    [...answers].map((answer) => answer.slice(0, 3)),
    ['401'],
  );
});
