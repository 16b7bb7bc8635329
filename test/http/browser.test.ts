import t from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const ORIGIN = 'https://app.example';

void t.test('a preflight of an allowed origin is answered for every path', async (t) => {
  const server = await startServer(t, { corsOrigins: [ORIGIN, 'http://other.example:8081'] });
  for (const [method, path] of [
    ['GET', '/events'],
    ['POST', '/clients'],
    ['PATCH', '/clients/1'],
    ['DELETE', '/clients/1'],
    ['POST', '/clients/1/messages'],
    ['GET', '/clients/1/messages?wait=1'],
  ] as const) {
    const { status, headers, text } = await ask(server.url + path, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': method,
        'access-control-request-headers': 'authorization,content-type,idempotency-key,last-event-id',
      },
    });
    t.match({ status, text }, { status: 204, text: '' }, `${method} ${path}`);
    t.equal(headers['access-control-allow-origin'], ORIGIN);
    t.match(headers['access-control-allow-methods'], new RegExp(`\\b${method}\\b`));
    for (const name of ['authorization', 'content-type', 'idempotency-key', 'last-event-id']) {
      t.match(headers['access-control-allow-headers'], name);
    }
    t.match(headers.vary, /\bOrigin\b/);
  }
});

void t.test('OPTIONS that is no preflight tells what a path takes, with allowed origins too', async (t) => {
  const server = await startServer(t, { corsOrigins: [ORIGIN] });
  for (const headers of [{}, { origin: ORIGIN }] as Record<string, string>[]) {
    t.match(await ask(`${server.url}/clients`, { method: 'OPTIONS', headers }), {
      status: 204,
      headers: { allow: 'GET, HEAD, POST, OPTIONS' },
    });
  }
  const { url } = await startServer(t);
  t.match(await ask(`${url}/nowhere`, { method: 'OPTIONS' }), { status: 404, json: { code: 'not-found' } });
});

void t.test('a page of an allowed origin can read every answer, errors and streams too', async (t) => {
  const server = await startServer(t, { corsOrigins: [ORIGIN], maxBody: 1024 });
  const headers = { origin: ORIGIN };
  const stream = await EventReader.open(t, `${server.url}/events`, headers);
  const { token } = (await stream.next()).data as { token: string };
  const answers = [
    ask(`${server.url}/clients`, { headers }),
    ask(`${server.url}/clients`, { headers: { ...headers, accept: 'image/png' } }),
    ask(`${server.url}/clients/9`, { headers }),
    ask(`${server.url}/nowhere`, { headers }),
    ask(`${server.url}/clients`, { method: 'PUT', headers }),
    ask(`${server.url}/clients/1/messages`, { headers }),
    ask(`${server.url}/clients/1/messages`, { headers, token }),
    ask(`${server.url}/clients/1/messages`, { json: {}, headers }),
    ask(`${server.url}/clients/1/messages`, { json: { text: 'x'.repeat(2000) }, headers }),
    ask(`${server.url}/clients/1/messages`, { body: 'x', headers: { ...headers, 'content-type': 'a/b' } }),
  ];
  for (const { headers, status } of [...(await Promise.all(answers)), { headers: stream.headers, status: 200 }]) {
    t.equal(headers['access-control-allow-origin'], ORIGIN, String(status));
    t.match(headers['access-control-expose-headers'], /Location, Link, Retry-After/);
    // A cache must not give the answer for one origin to a page of another.
    t.match(headers.vary, /\bOrigin\b/);
    t.equal(headers['cross-origin-resource-policy'], 'cross-origin');
  }
});

void t.test('what LIST gives depends on Accept, and on Origin where there are allowed ones', async (t) => {
  const server = await startServer(t);
  t.equal((await ask(`${server.url}/clients`)).headers.vary, 'Accept');
  const allowing = await startServer(t, { corsOrigins: [ORIGIN] });
  t.equal((await ask(`${allowing.url}/clients`)).headers.vary, 'Origin, Accept');
});

void t.test('without allowed origins nothing tells a browser that it may', async (t) => {
  const server = await startServer(t);
  const own = { origin: server.url };
  const answers = [
    await ask(`${server.url}/clients`, { headers: own }),
    await ask(`${server.url}/clients/9`, { headers: own }),
    await ask(`${server.url}/clients`, { headers: { origin: ORIGIN } }),
    await ask(`${server.url}/clients`, {
      method: 'OPTIONS',
      headers: { origin: ORIGIN, 'access-control-request-method': 'POST' },
    }),
  ];
  t.same(
    answers.map(({ status }) => status),
    [200, 404, 403, 403],
  );
  for (const { headers } of answers) t.notOk('access-control-allow-origin' in headers);
});

void t.test('what is refused for its Origin or Host has done nothing', async (t) => {
  const server = await startServer(t);
  const foreign: Record<string, string>[] = [{ origin: 'http://evil.example' }, { host: 'evil.example' }];
  for (const headers of foreign) {
    for (const path of ['/events', '/clients']) {
      const method = path === '/clients' ? 'POST' : 'GET';
      t.match(await ask(server.url + path, { method, headers }), { status: 403, json: { code: 'forbidden' } });
    }
  }
  t.match((await ask(`${server.url}/clients`)).json, { total: 0 });
});

void t.test('the host of an allowed origin is a name of the server, in whatever case', async (t) => {
  const server = await startServer(t, { corsOrigins: [ORIGIN, 'http://chat.example:8081'] });
  const asked = async (host: string) => (await ask(`${server.url}/clients`, { headers: { host } })).status;
  for (const host of ['app.example', 'App.Example', 'chat.example:8081', 'LOCALHOST']) {
    t.equal(await asked(host), 200, host);
  }
  for (const host of ['example', 'x.app.example', 'app.example.evil', 'chat.example:1']) {
    t.equal(await asked(host), 403, host);
  }
});
