import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { Seq } from '../../src/engine/engine.js';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { Credentials } from '../../src/hub/credentials.js';

const secret = 'a secret of at least thirty-two characters';
const log = { epoch: 'epoch-1', restorations: [] };
const credentials = new Credentials(secret, log);
const two = 2 as ClientIndex;
const seventeen = 17 as Seq;

void t.test('a token proves its index, a cursor its index and place', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999_999_999_999 }), fc.nat(), (index, seq) => {
      t.equal(credentials.verifyToken(credentials.token(index as ClientIndex)), index);
      t.same(credentials.verifyCursor(credentials.cursor(index as ClientIndex, seq as Seq)), { index, seq });
    }),
    { numRuns: 50 },
  );
});

void t.test('a credential that was changed anywhere is not genuine', async (t) => {
  const token = credentials.token(two);
  const cursor = credentials.cursor(two, seventeen);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.';
  for (let at = 0; at < token.length; at++) {
    for (const other of alphabet) {
      if (other === token[at]) continue;
      const forged = token.slice(0, at) + other + token.slice(at + 1);
      if (credentials.verifyToken(forged) !== undefined) t.fail(`accepted with ${other} at ${at}`);
    }
  }
  const placeEnds = cursor.indexOf('.');
  for (let at = placeEnds; at < cursor.length; at++) {
    for (const other of alphabet) {
      if (other === cursor[at]) continue;
      const forged = cursor.slice(0, at) + other + cursor.slice(at + 1);
      if (credentials.verifyCursor(forged) !== undefined) t.fail(`accepted with ${other} at ${at}`);
    }
  }
  t.pass('none of them was accepted');
});

void t.test('what was cut short, padded, or is something else is not genuine', async (t) => {
  const token = credentials.token(two);
  const cursor = credentials.cursor(two, seventeen);
  const others = ['', 'x', token.slice(0, -1), `${token}A`, ` ${token}`, `${token}\n`, `${token}=`, cursor];
  for (const other of others) t.equal(credentials.verifyToken(other), undefined, JSON.stringify(other));
  for (const other of [
    '',
    '17',
    '17.2',
    cursor.slice(0, -1),
    `${cursor}A`,
    `0${cursor}`,
    `-${cursor}`,
    `1e${cursor}`,
    token,
  ]) {
    t.equal(credentials.verifyCursor(other), undefined, JSON.stringify(other));
  }
});

void t.test('tokens of another secret or another log are void', async (t) => {
  for (const other of [new Credentials(randomBytes(32), log), new Credentials(secret, { ...log, epoch: 'epoch-2' })]) {
    t.equal(other.verifyToken(credentials.token(two)), undefined);
    t.equal(other.verifyCursor(credentials.cursor(two, seventeen)), undefined);
  }
});

void t.test('a cursor is no token', async (t) => {
  const mac = credentials.cursor(two, seventeen).split('.')[2] ?? '';
  t.notOk(credentials.token(two).includes(mac), 'the two have keys of their own');
});

void t.test(
  'in a log that was restored they are those of the clients that were in the backup, and void for all others',
  async (t) => {
    const place = { after: seventeen, upTo: 1_000 as Seq };
    const first = { epoch: log.epoch, series: { client: 2 }, ...place };
    const once = new Credentials(secret, { epoch: 'epoch-2', restorations: [first] });
    const second = { epoch: 'epoch-2', series: { client: 3 }, ...place };
    const twice = new Credentials(secret, { epoch: 'epoch-3', restorations: [first, second] });
    const [three, four] = [3 as ClientIndex, 4 as ClientIndex];
    for (const restored of [once, twice]) {
      t.equal(restored.token(two), credentials.token(two));
      t.equal(restored.cursor(two, seventeen), credentials.cursor(two, seventeen));
      t.equal(restored.verifyToken(credentials.token(three)), undefined);
      t.equal(restored.verifyCursor(credentials.cursor(three, seventeen)), undefined);
    }
    t.equal(twice.token(three), once.token(three));
    t.equal(twice.verifyToken(once.token(four)), undefined);
    t.equal(twice.verifyToken(twice.token(four)), four);
  },
);

void t.test('a cursor of a stream that gives messages late says up to where it has given all', async (t) => {
  const suffix = credentials.cursorSuffix(two);
  t.same(credentials.verifyCursor(`17-5${suffix}`), { index: two, seq: 17, low: 5 });
  t.same(credentials.verifyCursor(`17-17${suffix}`), { index: two, seq: 17 });
  t.same(credentials.verifyCursor(`17-99${suffix}`), { index: two, seq: 17 });
  for (const place of ['17-', '-5', '17--5', '17-05', '17-5-3']) {
    t.equal(credentials.verifyCursor(`${place}${suffix}`), undefined, place);
  }
});
