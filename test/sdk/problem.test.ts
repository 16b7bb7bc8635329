import t from 'tap';
import { parseRetryAfter, problemOf } from '../../src/sdk/problem.js';

const JSON_TYPE = { contentType: 'application/problem+json; charset=utf-8', retryAfter: undefined };

void t.test('problem details become an error with all they say', async (t) => {
  const body = {
    type: 'urn:interchat:problem:invalid-request',
    title: 'Invalid request',
    status: 400,
    detail: 'Put it right.',
    code: 'invalid-request',
    errors: [{ path: 'text', message: 'is missing' }, 'nonsense'],
  };
  t.match(problemOf(400, 'Bad Request', JSON_TYPE, JSON.stringify(body)), {
    name: 'ProblemError',
    message: 'Put it right.',
    status: 400,
    code: 'invalid-request',
    title: 'Invalid request',
    detail: 'Put it right.',
    errors: [{ path: 'text', message: 'is missing' }],
    retryAfter: undefined,
  });
});

void t.test('an answer from something in between is an error too', async (t) => {
  const html = { contentType: 'text/html', retryAfter: '2' };
  t.match(problemOf(502, 'Bad Gateway', html, '<h1>Bad Gateway</h1>'), {
    status: 502,
    code: 'http-502',
    title: 'Bad Gateway',
    retryAfter: 2000,
  });
  for (const body of ['', '{', 'null', '[]', '{"code":7,"title":null}']) {
    t.match(problemOf(500, undefined, JSON_TYPE, body), { status: 500, code: 'http-500', errors: [] }, body);
  }
});

void t.test('Retry-After is seconds or a date', async (t) => {
  const now = Date.UTC(2026, 0, 31, 12, 0, 0);
  t.equal(parseRetryAfter('120', now), 120_000);
  t.equal(parseRetryAfter('Sat, 31 Jan 2026 12:00:30 GMT', now), 30_000);
  t.equal(parseRetryAfter('Sat, 31 Jan 2026 11:00:00 GMT', now), 0, 'over already');
  t.equal(parseRetryAfter('soon', now), undefined);
  t.equal(parseRetryAfter(undefined, now), undefined);
});
