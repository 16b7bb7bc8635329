import t from 'tap';
import { backoff, isPassing, isRefusedForNow, sleep } from '../../src/sdk/backoff.js';
import { ClientGone, ProblemError, UnexpectedAnswer, Unreachable } from '../../src/sdk/errors.js';

const LONGEST = 30_000;

function refused(status: number): ProblemError {
  return new ProblemError({ status, code: 'x', title: 'x' });
}

void t.test('pauses grow up to a limit, and are spread over all of their length', async (t) => {
  const longest = (failures: number) => backoff(failures, 0, () => 1);
  t.equal(longest(0), 1_000);
  t.equal(longest(1), 2_000);
  t.equal(longest(4), 16_000);
  t.equal(longest(5), LONGEST);
  t.equal(longest(10_000), LONGEST);
  t.equal(
    backoff(5, 0, () => 0),
    0,
  );
});

void t.test('never less than the server asked for, and never for ever', async (t) => {
  t.equal(
    backoff(0, 5_000, () => 0),
    5_000,
  );
  t.ok(backoff(0, Number.MAX_SAFE_INTEGER, () => 1) < 2 ** 31, 'a timer can take it');
  t.ok(backoff(0, Infinity, () => 1) < 2 ** 31);
});

void t.test('what may pass by itself is told from what may not', async (t) => {
  for (const error of [new Unreachable('x'), refused(429), refused(500), refused(502), refused(503)]) {
    t.ok(isPassing(error), error.message);
  }
  for (const error of [
    refused(400),
    refused(401),
    refused(410),
    new UnexpectedAnswer('x'),
    new ClientGone(1, 'left'),
  ]) {
    t.notOk(isPassing(error), error.message);
  }
  t.ok(isRefusedForNow(refused(429)));
  t.ok(isRefusedForNow(refused(503)));
  t.notOk(isRefusedForNow(refused(500)), 'it may have been done');
  t.notOk(isRefusedForNow(new Unreachable('x')), 'it may have been done');
});

void t.test('sleep ends at once when it is aborted, with the reason', async (t) => {
  const reason = new Error('enough');
  await t.rejects(sleep(60_000, AbortSignal.abort(reason)), reason);
  const aborting = new AbortController();
  const sleeping = sleep(60_000, aborting.signal);
  aborting.abort(reason);
  await t.rejects(sleeping, reason);
  await t.resolves(sleep(1, new AbortController().signal));
});
