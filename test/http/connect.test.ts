import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { EventReader, type StreamEvent } from '../support/event-reader.js';
import { ask } from '../support/http.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

interface Welcome {
  client: { index: number; name: string | null; status: string; socket: number; streams: number };
  token: string;
  cursor: string;
  resumed: boolean;
  heartbeat: number;
  ignored?: string[];
}

function welcomeOf(event: StreamEvent): Welcome {
  return event.data as unknown as Welcome;
}

/** Connects and reads the welcome. */
async function enter(t: Test, server: TestServer, query = '', headers: Record<string, string> = {}) {
  const stream = await EventReader.open(t, `${server.url}/events${query}`, headers);
  return { stream, ...welcomeOf(await stream.next()) };
}

async function serve(t: Test, settings: Partial<Config> = {}) {
  return startServer(t, settings);
}

async function send(server: TestServer, to: number, text: string) {
  const answer = await ask(`${server.url}/clients/${to}/messages`, {
    body: text,
    headers: { 'content-type': 'text/plain' },
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.json as { id: string; reach: number };
}

void t.test('one request makes a client, welcomes it and opens its stream', async (t) => {
  const server = await serve(t);
  const stream = await EventReader.open(t, `${server.url}/events?name=alice`);
  t.equal(stream.response.statusCode, 200);
  t.equal(stream.headers['content-type'], 'text/event-stream');
  t.equal(stream.headers['cache-control'], 'no-store, no-transform');
  t.equal(stream.headers['x-accel-buffering'], 'no');
  const event = await stream.next();
  t.equal(event.event, 'welcome');
  t.type(event.retry, 'number');
  const welcome = welcomeOf(event);
  t.equal(event.id, welcome.cursor);
  t.match(welcome, {
    client: { index: 1, name: 'alice', status: 'online', socket: 3, streams: 1 },
    resumed: false,
    heartbeat: 15,
  });
});

void t.test('a message reaches the stream at once, with the cursor behind it as its id', async (t) => {
  const server = await serve(t);
  const { stream, token } = await enter(t, server);
  const sent = await send(server, 1, 'Hello, Client 1!');
  t.equal(sent.reach, 1);
  const event = await stream.next();
  t.match(event, { event: 'message', data: { id: sent.id, from: null, to: { client: 1 }, text: 'Hello, Client 1!' } });
  t.notOk('reach' in event.data);
  const again = await enter(t, server, '', { 'last-event-id': event.id ?? '' });
  t.match(again, { client: { index: 1, streams: 2 }, token, resumed: true });
});

void t.test('a stream resumes behind its cursor: what was missed, in order, and nothing twice', async (t) => {
  const server = await serve(t);
  for (const how of ['Last-Event-ID', 'after', 'lastEventId', 'token and cursor'] as const) {
    const { stream, client, token } = await enter(t, server);
    await send(server, client.index, 'one');
    const { id = '' } = await stream.next();
    stream.close();
    await send(server, client.index, 'two');
    await send(server, client.index, 'three');
    const back =
      how === 'Last-Event-ID'
        ? await enter(t, server, '', { 'last-event-id': id })
        : how === 'token and cursor'
          ? await enter(t, server, `?after=${id}`, { authorization: `Bearer ${token}` })
          : await enter(t, server, `?${how}=${id}`);
    t.match(back, { client: { index: client.index }, resumed: true }, how);
    await send(server, client.index, 'four');
    const texts = [await back.stream.next(), await back.stream.next(), await back.stream.next()].map(
      ({ data }) => data.text,
    );
    t.same(texts, ['two', 'three', 'four'], how);
    back.stream.close();
  }
});

void t.test('with its token and no cursor a client gets all that its mailbox keeps', async (t) => {
  const server = await serve(t);
  const { stream, token } = await enter(t, server);
  await send(server, 1, 'one');
  await stream.next();
  stream.close();
  const back = await enter(t, server, `?token=${token}`);
  t.match(back, { client: { index: 1 }, resumed: true });
  t.equal((await back.stream.next()).data.text, 'one');
});

void t.test('the token says who, and a cursor only from where if it is of the same client', async (t) => {
  const server = await serve(t);
  const one = await enter(t, server);
  const two = await enter(t, server);
  await send(server, 1, 'for one');
  const back = await enter(t, server, `?token=${one.token}`, { 'last-event-id': two.cursor });
  t.equal(back.client.index, 1);
  t.equal((await back.stream.next()).data.text, 'for one');
});

void t.test('a cursor that is not genuine opens a new client', async (t) => {
  const server = await serve(t);
  const { cursor } = await enter(t, server);
  for (const forged of [`${cursor}x`, 'x', '17', '0.1.AAAAAAAAAAAAAAAAAAAAAA', cursor.replace('.1.', '.2.')]) {
    const back = await enter(t, server, '', { 'last-event-id': forged });
    t.match(back, { resumed: false });
    t.not(back.client.index, 1);
  }
});

void t.test('a cursor beyond the end of the log does not hide what is yet to come', async (t) => {
  const server = await serve(t);
  const { cursor } = await enter(t, server);
  const back = await enter(t, server, '', { 'last-event-id': cursor.replace(/^0/, '999999') });
  t.match(back, { client: { index: 1 }, resumed: true });
  await send(server, 1, 'here');
  t.equal((await back.stream.next()).data.text, 'here');
});

void t.test('a token that is not genuine is refused; one whose client has left is 410', async (t) => {
  const server = await serve(t);
  const { token, cursor } = await enter(t, server);
  const forged = await ask(`${server.url}/events`, { token: `${token.slice(0, -3)}abc` });
  t.match(forged, {
    status: 401,
    headers: { 'content-type': 'application/problem+json' },
    json: { code: 'unauthorized' },
  });
  t.match(forged.headers['www-authenticate'], /^Bearer/);
  t.equal((await ask(`${server.url}/events?token=`)).status, 401);
  t.equal((await ask(`${server.url}/events`, { headers: { authorization: 'Basic eDp5' } })).status, 401);
  t.equal((await ask(`${server.url}/clients/1`, { method: 'DELETE', token })).status, 204);
  t.match(await ask(`${server.url}/events`, { token }), { status: 410, json: { code: 'client-gone' } });
  const fresh = await enter(t, server, '', { 'last-event-id': cursor });
  t.match(fresh, { client: { index: 2 }, resumed: false });
});

void t.test('application/x-ndjson gives the same events, one JSON object a line', async (t) => {
  const server = await serve(t);
  const response = await fetch(`${server.url}/events`, { headers: { accept: 'application/x-ndjson' } });
  t.equal(response.headers.get('content-type'), 'application/x-ndjson');
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const lines = async (count: number) => {
    while (text.split('\n').length <= count) text += (await reader.read()).value ?? '';
    return text
      .split('\n')
      .slice(0, count)
      .map((line) => JSON.parse(line) as { event: string; id: string; data: { text: string } });
  };
  const [welcome] = await lines(1);
  t.match(welcome, { event: 'welcome', id: /^0\.1\./, data: { client: { index: 1 } } });
  await send(server, 1, 'a\nb');
  const [, message] = await lines(2);
  t.match(message, { event: 'message', id: /^\d+\.1\./, data: { text: 'a\nb' } });
  await reader.cancel();
});

void t.test('heartbeats come as comments', async (t) => {
  const server = await serve(t, { heartbeat: 0.1 });
  const { stream, heartbeat } = await enter(t, server);
  t.equal(heartbeat, 0.1);
  await stream.until(({ comments }) => comments >= 3);
});

void t.test('unknown parameters are named in the welcome, and have no effect', async (t) => {
  const server = await serve(t);
  const { ignored } = await enter(t, server, '?name=a&rooom=x&_=123');
  t.same(ignored, ['rooom', '_']);
  t.equal((await enter(t, server)).ignored, undefined);
  t.equal((await ask(`${server.url}/events?name=`)).status, 400, 'a name that is known but wrong is refused');
});

void t.test('a client may have 16 streams, each gets everything, and one more is refused', async (t) => {
  const server = await serve(t);
  const { stream, token } = await enter(t, server);
  const streams = [stream];
  for (let i = 1; i < 16; i++) streams.push((await enter(t, server, `?token=${token}`)).stream);
  const refused = await ask(`${server.url}/events`, { token });
  t.match(refused, { status: 429, json: { code: 'too-many-requests' }, headers: { 'retry-after': /\d+/ } });
  await send(server, 1, 'to all of them');
  for (const each of streams) t.equal((await each.next()).data.text, 'to all of them');
  streams[3]?.close();
  const { clients } = (await ask(`${server.url}/clients`)).json as { clients: { streams: number }[] };
  t.ok(clients[0]);
});

void t.test(
  'away when the last stream closes, gone after the grace time; back in between it is the same client',
  async (t) => {
    const server = await serve(t, { grace: 3 });
    const watcher = await enter(t, server, '?name=watcher');
    t.ok(watcher);
    const { stream, token, cursor } = await enter(t, server);
    stream.close();
    await waitFor(async () => (await ask(`${server.url}/clients/2`)).json.status === 'away');
    t.equal((await send(server, 2, 'while away')).reach, 0);
    const back = await enter(t, server, `?after=${cursor}`);
    t.match(back, { client: { index: 2, status: 'online' }, resumed: true });
    t.equal((await back.stream.next()).data.text, 'while away');
    back.stream.close();
    await waitFor(async () => (await ask(`${server.url}/clients/2`)).status === 410);
    t.match(await ask(`${server.url}/events?token=${token}`), { status: 410 });
    const { total } = (await ask(`${server.url}/clients`)).json;
    t.equal(total, 1, 'it is no longer listed');
  },
);

void t.test('leaving ends all streams of the client with bye', async (t) => {
  const server = await serve(t);
  const { stream, token } = await enter(t, server);
  t.equal((await ask(`${server.url}/clients/1`, { method: 'DELETE', token })).status, 204);
  t.match(await stream.next(), { event: 'bye', data: { reason: 'left' } });
  await stream.end();
});

void t.test('a stream that does not read is cut off, and resumes without a loss', async (t) => {
  const server = await serve(t, { slowLimit: 64 * 1024 });
  const { stream, cursor } = await enter(t, server);
  stream.response.pause();
  const text = 'x'.repeat(60_000);
  let sent = 0;
  // What the kernel's buffers take is not the server's to count: it goes on until the server has had enough.
  while ((await ask(`${server.url}/clients/1`)).json.status === 'online') {
    await send(server, 1, `${sent++} ${text}`);
    if (sent > 2000) throw new Error('it was never cut off');
  }
  t.match(await metric(server, 'interchat_stream_closes_total{reason="slow-consumer"}'), 1);
  stream.close();
  const back = await enter(t, server, `?after=${cursor}`);
  for (let i = 0; i < sent; i++) {
    const { data } = await back.stream.next();
    if (!String(data.text).startsWith(`${i} `)) t.fail(`message ${i} was lost or out of order`);
  }
  t.pass(`all ${sent} messages arrived in order`);
});

void t.test('what is no longer kept is announced by a gap', async (t) => {
  const server = await serve(t, { keepMessages: 5 });
  const { stream, cursor } = await enter(t, server);
  stream.close();
  let last = '';
  for (let i = 0; i < 50; i++) last = (await send(server, 1, `message ${i}`)).id;
  // Trimming runs in the background: a page of the mailbox tells when it has.
  const { token } = await enter(t, server, `?after=${cursor}`);
  await waitFor(
    async () => ((await ask(`${server.url}/clients/1/messages`, { token })).json.messages as unknown[]).length === 5,
  );
  const back = await enter(t, server, `?after=${cursor}`);
  const gap = await back.stream.next();
  t.match(gap, { event: 'gap', id: undefined, data: { after: '0', oldest: String(Number(last) - 4) } });
  for (let i = 45; i < 50; i++) t.equal((await back.stream.next()).data.text, `message ${i}`);
});

void t.test('HEAD shows the head of a stream and makes no client', async (t) => {
  const server = await serve(t);
  const head = await ask(`${server.url}/events`, { method: 'HEAD' });
  t.match(head, { status: 200, headers: { 'content-type': /^text\/event-stream/ } });
  t.equal((await ask(`${server.url}/clients`)).json.total, 0);
});

void t.test('a stopping server says goodbye, and tells the streams when to return', async (t) => {
  const server = await serve(t);
  const { stream } = await enter(t, server);
  const stopped = server.stop();
  const bye = await stream.next();
  t.match(bye, { event: 'bye', data: { reason: 'shutdown' }, retry: Number });
  await stream.end();
  await stopped;
});

async function metric(server: TestServer, name: string): Promise<number> {
  const { text } = await ask(`${server.url}/metrics`);
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
