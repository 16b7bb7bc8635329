import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import t from 'tap';
import { isEmbedded } from '../support/engine.js';
import { EventReader } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

async function metrics(server: TestServer): Promise<Record<string, number>> {
  const { text } = await ask(`${server.url}/metrics`);
  const lines = text.split('\n').filter((line) => line.startsWith('interchat_'));
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

void t.test('health, readiness', async (t) => {
  const server = await startServer(t);
  t.match(await ask(`${server.url}/healthz`), { status: 200, json: { status: 'ok' } });
  t.match(await ask(`${server.url}/readyz`), { status: 200, json: { status: 'ok' } });
});

void t.test('the metrics count what happens', async (t) => {
  const server = await startServer(t);
  const one = await EventReader.open(t, `${server.url}/events`);
  const two = await EventReader.open(t, `${server.url}/events`);
  await two.next();
  await ask(`${server.url}/clients`, { method: 'POST' });
  for (let i = 0; i < 3; i++) await ask(`${server.url}/clients/1/messages`, { json: { text: 'x' } });
  await one.until(({ events }) => events.length === 4);
  t.match(await metrics(server), {
    interchat_streams: 2,
    'interchat_clients{status="online"}': 2,
    'interchat_clients{status="away"}': 1,
    interchat_messages_accepted_total: 3,
    interchat_deliveries_total: 3,
    interchat_delivery_seconds_count: 3,
    interchat_append_seconds_count: 3,
  });
  two.close();
  await waitFor(async () => (await metrics(server))['interchat_stream_closes_total{reason="gone"}'] === 1);
  t.equal((await metrics(server)).interchat_streams, 1);
});

void t.test('the metrics say what an operator asks first', async (t) => {
  const server = await startServer(t, { keepMessages: 1 });
  const before = await metrics(server);
  const info = Object.keys(before).find((name) => name.startsWith('interchat_build_info'));
  t.match(info, isEmbedded ? /version="\d+\.\d+\.\d+[^"]*",engine="lmdb"/ : /engine="nats"/);
  t.equal(before.interchat_ready, 1);
  t.equal(before.interchat_gaps_total, 0);
  if (isEmbedded) {
    const { bsize, blocks } = await statfs(server.folder);
    t.ok((before.interchat_store_bytes ?? 0) >= 4096);
    t.ok((before.interchat_store_free_bytes ?? -1) >= 0 && (before.interchat_store_free_bytes ?? 0) <= blocks * bsize);
  }

  const stream = await EventReader.open(t, `${server.url}/events`);
  const { id } = await stream.next();
  stream.close();
  for (let n = 0; n < 3; n++) await ask(`${server.url}/clients/1/messages`, { json: { text: 'x' } });
  await waitFor(async () => {
    const again = await EventReader.open(t, `${server.url}/events`, { 'last-event-id': String(id) });
    const events = [await again.next(), await again.next()];
    again.close();
    return events.some(({ event }) => event === 'gap');
  });
  t.ok(((await metrics(server)).interchat_gaps_total ?? 0) >= 1);
});

void t.test('pages of allowed origins may use everything, and their preflights are answered', async (t) => {
  const origin = 'https://app.example';
  const server = await startServer(t, { corsOrigins: [origin] });
  const preflight = await ask(`${server.url}/clients/1/messages`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  t.match(preflight, { status: 204, headers: { 'access-control-allow-origin': origin } });
  const stream = await EventReader.open(t, `${server.url}/events`, { origin });
  t.equal(stream.headers['access-control-allow-origin'], origin);
  await stream.next();
  const sent = await ask(`${server.url}/clients/1/messages`, { json: { text: 'x' }, headers: { origin } });
  t.match(sent, { status: 201, headers: { 'access-control-expose-headers': /Location/ } });
  t.equal(
    (await ask(`${server.url}/clients`, { headers: { host: 'app.example' } })).status,
    200,
    'its host is a name of ours',
  );
  t.equal((await ask(`${server.url}/clients`, { headers: { origin: 'https://other.example' } })).status, 403);
});

void t.test('the own origin and the names of this machine are let in', async (t) => {
  const server = await startServer(t);
  const { port } = server;
  for (const host of ['localhost', 'a.localhost', '127.0.0.1', '127.1.2.3', '[::1]', hostname()]) {
    t.equal((await ask(`${server.url}/clients`, { headers: { host: `${host}:${port}` } })).status, 200, host);
    const headers = { host: `${host}:${port}`, origin: `http://${host.toLowerCase()}:${port}` };
    t.equal((await ask(`${server.url}/clients`, { headers })).status, 200, headers.origin);
  }
});

void t.test('OPTIONS and 405 tell what a path takes', async (t) => {
  const server = await startServer(t);
  t.match(await ask(`${server.url}/clients/1`, { method: 'OPTIONS' }), {
    status: 204,
    headers: { allow: 'GET, HEAD, PATCH, DELETE, OPTIONS' },
  });
  t.match(await ask(`${server.url}/clients`, { method: 'PUT' }), {
    status: 405,
    headers: { allow: 'GET, HEAD, POST, OPTIONS' },
  });
});

void t.test('callers from elsewhere get so many requests a second; loopback is not limited', async (t) => {
  const server = await startServer(t, { rateLimit: 5, trustProxy: ['loopback'] });
  const from = (address: string) => ask(`${server.url}/clients`, { headers: { 'x-forwarded-for': address } });
  const answers = await Promise.all(Array.from({ length: 8 }, () => from('192.0.2.1')));
  t.equal(answers.filter(({ status }) => status === 200).length, 5);
  const refused = answers.find(({ status }) => status === 429);
  t.match(refused, { headers: { 'retry-after': /^\d+$/ }, json: { code: 'too-many-requests', status: 429 } });
  t.equal((await from('192.0.2.2')).status, 200, 'another address has its own');
  const own = await Promise.all(Array.from({ length: 30 }, () => ask(`${server.url}/clients`)));
  t.ok(own.every(({ status }) => status === 200));
  const untrusting = await startServer(t, { rateLimit: 1 });
  const headers = { 'x-forwarded-for': '192.0.2.1' };
  const all = await Promise.all(Array.from({ length: 5 }, () => ask(`${untrusting.url}/clients`, { headers })));
  t.ok(
    all.every(({ status }) => status === 200),
    'nobody is believed about X-Forwarded-For unless told so',
  );
});

/** Writes requests as they are and gives back what comes until `enough`. */
async function raw(server: TestServer, text: string, enough: RegExp): Promise<string> {
  const socket = connect(server.port, '127.0.0.1').setEncoding('utf8');
  await once(socket, 'connect');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket as AsyncIterable<string>) {
    answer += chunk;
    if (enough.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

void t.test('a stream can be asked for behind another request on the same connection, and by HTTP/1.0', async (t) => {
  const server = await startServer(t);
  const pipelined = 'GET /clients HTTP/1.1\r\nHost: localhost\r\n\r\nGET /events HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const answer = await raw(server, pipelined, /event: welcome[\s\S]*\n\n$/);
  t.match(
    answer,
    /^HTTP\/1\.1 200 [\s\S]*"total":0[\s\S]*HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nretry: \d+\nevent: welcome\n/,
  );
  const old = await raw(server, 'GET /events HTTP/1.0\r\n\r\n', /event: welcome[\s\S]*\n\n$/);
  t.notMatch(old, /transfer-encoding/i);
  t.match(old, /\r\n\r\nretry: \d+\nevent: welcome\n/);
});

void t.test('streams asked for behind one another are all over when their connection is', async (t) => {
  const server = await startServer(t);
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3));
  await waitFor(async () => (await metrics(server))['interchat_streams'] === 3);
  socket.destroy();
  await waitFor(async () => (await metrics(server))['interchat_streams'] === 0);
  t.match((await ask(`${server.url}/clients?status=online`)).json, { total: 0 });
  // Nor does it wait for them when it stops.
  await server.stop();
});

void t.test(
  'a stream that comes back too soon is told to come later: an error would be the end of an EventSource',
  async (t) => {
    const server = await startServer(t, { rateLimit: 2, trustProxy: ['loopback'] });
    const first = await EventReader.open(t, `${server.url}/events`);
    const { id } = await first.next();
    const from = { 'x-forwarded-for': '192.0.2.1' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(`${server.url}/clients`, { headers: from })));
    t.ok(
      answers.some(({ status }) => status === 429),
      'too many come from there',
    );
    const many = Array.from({ length: 6 }, () =>
      EventReader.open(t, `${server.url}/events`, { ...from, 'last-event-id': String(id) }),
    );
    const back = await Promise.all(many);
    t.ok(back.every(({ response }) => response.statusCode === 200));
    const events = await Promise.all(back.map((stream) => stream.next()));
    const later = events.filter(({ event }) => event === 'bye');
    t.ok(later.length > 0 && later.every(({ retry = 0 }) => retry >= 1000 && retry <= 5000));
    const anew = await Promise.all(
      Array.from({ length: 6 }, () => ask(`${server.url}/events`, { headers: { ...from, accept: 'image/png' } })),
    );
    t.ok(
      anew.some(({ status }) => status === 429),
      'one that is new is refused',
    );
  },
);

void t.test('who asks and says no more, as some tools do at the end of their input, is answered', async (t) => {
  const server = await startServer(t);
  const { port } = server;
  const client = (await ask(`${server.url}/clients`, { method: 'POST' })).json as unknown as { token: string };
  const said = async (text: string) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).setEncoding('utf8');
    let answer = '';
    socket.on('data', (part: string) => (answer += part));
    socket.end(text);
    await once(socket, 'end');
    socket.destroy();
    return answer;
  };
  const host = 'Host: localhost\r\n';
  t.match(await said(`GET /clients HTTP/1.1\r\n${host}\r\n`), /^HTTP\/1\.1 200 [\s\S]*"total":1/);
  const send = `POST /clients/1/messages HTTP/1.1\r\n${host}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi`;
  t.match(await said(send + send), /^HTTP\/1\.1 201 [\s\S]*HTTP\/1\.1 201 /, 'each of two');
  const wait = `GET /clients/1/messages?wait=60&after=2 HTTP/1.1\r\n${host}Authorization: Bearer ${client.token}\r\n\r\n`;
  t.match(await said(wait), /^HTTP\/1\.1 200 [\s\S]*"messages":\[\]/, 'who waits, at once: it might be gone as well');
  t.match(await said('GET /cli'), /^HTTP\/1\.1 400 /, 'half a request is none');
  // Of a stream nobody could tell whether somebody still listens.
  t.match(
    await said(`GET /clients HTTP/1.1\r\n${host}\r\nGET /events?name=b HTTP/1.1\r\n${host}\r\n`),
    /HTTP\/1\.1 200 /,
  );
  // Nor of one that came behind another request, and says no more only later.
  const later = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).setEncoding('utf8');
  later.write(`${wait.replace('wait=60', 'wait=0.5')}GET /events?name=c HTTP/1.1\r\n${host}\r\n`);
  await new Promise<void>((resolve) => {
    later.on('data', (part: string) => part.includes('event: welcome') && resolve());
  });
  later.end();
  await waitFor(async () => (await metrics(server)).interchat_streams === 0);
  later.destroy();
  t.match(await said(`GET /events?name=a HTTP/1.1\r\n${host}\r\n`), /^(HTTP\/1\.1 200 [\s\S]*)?$/);
  await waitFor(async () => (await metrics(server)).interchat_streams === 0);
});
