import t, { type Test } from 'tap';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

async function join(server: TestServer, name?: string) {
  const { json } = await ask(`${server.url}/clients`, { json: name === undefined ? {} : { name } });
  return json as { client: { index: number }; token: string; cursor: string };
}

function indexes(page: Record<string, unknown>): number[] {
  return (page.clients as { index: number }[]).map(({ index }) => index);
}

async function serve(t: Test): Promise<TestServer> {
  return startServer(t);
}

void t.test('LIST goes through all clients in order, page by page', async (t) => {
  const server = await serve(t);
  for (let i = 0; i < 25; i++) await join(server, `n${i % 3}`);
  const seen: number[] = [];
  let path: string | null = '/clients?limit=10';
  while (path !== null) {
    const answer = await ask(server.url + path);
    const page = answer.json as { total: number; next: string | null };
    t.equal(page.total, 25);
    seen.push(...indexes(answer.json));
    t.equal(answer.headers.link, page.next === null ? undefined : `<${page.next}>; rel="next"`);
    path = page.next;
  }
  t.same(
    seen,
    Array.from({ length: 25 }, (_, i) => i + 1),
  );
  t.same(indexes((await ask(`${server.url}/clients?after=23`)).json), [24, 25]);
});

void t.test('LIST by name and by status, over pages too', async (t) => {
  const server = await serve(t);
  for (let i = 0; i < 6; i++) await join(server, i % 2 === 0 ? 'even' : 'odd');
  await (await EventReader.open(t, `${server.url}/events?name=even`)).next();
  const first = (await ask(`${server.url}/clients?name=even&limit=2`)).json;
  t.match(first, { total: 4, next: '/clients?name=even&limit=2&after=3' });
  t.same(indexes(first), [1, 3]);
  t.same(indexes((await ask(server.url + String(first.next))).json), [5, 7]);
  t.same(indexes((await ask(`${server.url}/clients?status=online`)).json), [7]);
  t.same(indexes((await ask(`${server.url}/clients?status=away&name=odd`)).json), [2, 4, 6]);
  t.match((await ask(`${server.url}/clients?name=nobody`)).json, { clients: [], total: 0, next: null });
});

void t.test('LIST as text has a line for each', async (t) => {
  const server = await serve(t);
  const one = await EventReader.open(t, `${server.url}/events`);
  await one.next();
  await join(server);
  const answer = await ask(`${server.url}/clients`, { headers: { accept: 'text/plain' } });
  t.match(answer, { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' } });
  t.equal(answer.text, 'Client 1 is at socket 3.\nClient 2 is away.\n');
  one.close();
  await waitFor(async () => (await ask(`${server.url}/clients/1`)).json.socket === null);
});

void t.test('LIST gives what Accept asks for', async (t) => {
  const server = await serve(t);
  const type = async (accept: string) =>
    String((await ask(`${server.url}/clients`, { headers: { accept } })).headers['content-type']).split(';')[0];
  t.equal(await type('*/*'), 'application/json');
  t.equal(await type('text/*'), 'text/plain');
  t.equal(await type('text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8'), 'application/json');
  t.equal(await type('application/json;q=0.5, text/plain'), 'text/plain');
  t.equal(await type('text/html'), 'application/problem+json');
  t.match(await ask(`${server.url}/clients`, { method: 'HEAD' }), { status: 200, text: '' });
});

void t.test('a client can be made without a stream, be renamed, and leave', async (t) => {
  const server = await serve(t);
  const made = await ask(`${server.url}/clients`, { json: { name: 'carol' } });
  t.match(made, {
    status: 201,
    headers: { location: '/clients/1', 'cache-control': 'no-store' },
    json: { client: { index: 1, name: 'carol', status: 'away', socket: null, streams: 0, rooms: [] } },
  });
  const { token } = made.json as { token: string };
  t.notOk((await ask(`${server.url}/clients/1`)).text.includes(token), 'nobody is told the token again');
  const renamed = await ask(`${server.url}/clients/1`, { method: 'PATCH', json: { name: 'Carol ✨' }, token });
  t.match(renamed, { status: 200, json: { index: 1, name: 'Carol ✨' } });
  t.match((await ask(`${server.url}/clients?name=${encodeURIComponent('Carol ✨')}`)).json, { total: 1 });
  t.match(await ask(`${server.url}/clients/1`, { method: 'DELETE', token }), { status: 204, text: '' });
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    const json = method === 'PATCH' ? { name: 'x' } : undefined;
    t.match(await ask(`${server.url}/clients/1`, { method, token, json }), {
      status: 410,
      json: { code: 'client-gone' },
    });
  }
  t.match((await ask(`${server.url}/clients`)).json, { total: 0, clients: [] });
  const next = await ask(`${server.url}/clients`, { method: 'POST' });
  t.match(next, { status: 201, json: { client: { index: 2, name: null } } }, 'an index is never handed out twice');
});
