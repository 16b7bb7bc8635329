import type { Test } from 'tap';
import { EventReader } from '../../support/event-reader.js';
import { ask } from '../../support/http.js';
import { waitFor } from '../../support/wait.js';
import { Multiplexed } from '../multiplexed.js';
import type { ProxyKind } from '../proxy.js';
import { interchat } from './interchat.js';

export async function comeAtOnce(t: Test, kind: ProxyKind): Promise<void> {
  // No heartbeat helps an event out of a buffer.
  const server = await interchat(t, ['--heartbeat', '3600']);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const stream = await EventReader.open(t, `${proxy.url}/events`, { 'accept-encoding': 'gzip, deflate, br' });
  t.match(stream.response.statusCode, 200);
  t.match(stream.headers, { 'content-type': 'text/event-stream', 'content-encoding': undefined });
  t.match((await stream.next()).data, { resumed: false });
  const secure = (await Multiplexed.connect(t, proxy)).request({ ':path': '/events', 'accept-encoding': 'gzip' });
  await secure.until(() => secure.events('welcome').length === 1);
  t.equal(secure.headers['content-encoding'], undefined);

  for (let n = 1; n <= 20; n++) {
    t.equal(
      (await ask(`${proxy.url}/messages`, { body: `number ${n}`, headers: { 'content-type': 'text/plain' } })).status,
      201,
    );
    t.match(await stream.next(), { event: 'message', data: { text: `number ${n}` } });
    await secure.until(() => secure.events('message').at(-1)?.text === `number ${n}`);
  }
}

export async function livesByHeartbeats(t: Test, kind: ProxyKind): Promise<void> {
  const idle = 2;
  const [silent, beating] = await Promise.all([
    interchat(t, ['--heartbeat', '3600']),
    interchat(t, ['--heartbeat', '0.5']),
  ]);
  const beyond = await kind.start(t, { upstreams: [silent.port], idle });
  const within = await kind.start(t, { upstreams: [beating.port], idle });
  const cut = await EventReader.open(t, `${beyond.url}/events`);
  const kept = await EventReader.open(t, `${within.url}/events`);
  await cut.end();
  t.pass('without a heartbeat the time-out cuts a stream');
  const { comments } = kept;
  await kept.until((reader) => reader.comments >= comments + 3);
  t.notOk(kept.ended, 'with one it goes on, for longer than that');
  await ask(`${within.url}/messages`, { json: { to: { everyone: true }, text: 'still there' } });
  t.match((await kept.take('message')).data, { text: 'still there' });
}

export async function manyOnOneConnection(t: Test, kind: ProxyKind): Promise<void> {
  const count = 200;
  const server = await interchat(t);
  const connection = await Multiplexed.connect(t, await kind.start(t, { upstreams: [server.port] }));
  const streams = Array.from({ length: count }, () => connection.request({ ':path': '/events?rooms=all' }));
  await Promise.all(streams.map((stream) => stream.until(() => stream.events('welcome').length === 1)));
  t.equal((await ask(`${server.url}/clients?status=online`)).json.total, count, 'all open at once');
  const sending = connection.request({
    ':method': 'POST',
    ':path': '/rooms/all/messages',
    'content-type': 'text/plain',
  });
  sending.stream.end('Hello, all!');
  await Promise.all(streams.map((stream) => stream.until(() => stream.events('message').length === 1)));
  t.same([...new Set(streams.map((stream) => stream.events('message')[0]?.text))], ['Hello, all!']);
  t.equal(sending.headers[':status'], 201);
}

export async function noticesLeaving(t: Test, kind: ProxyKind): Promise<void> {
  // No heartbeat finds out that nobody is there any more.
  const server = await interchat(t, ['--heartbeat', '3600']);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const stream = await EventReader.open(t, `${proxy.url}/events`);
  await stream.next();
  const connection = await Multiplexed.connect(t, proxy);
  const secure = connection.request({ ':path': '/events' });
  await secure.until(() => secure.events('welcome').length === 1);
  stream.close();
  secure.stream.close();
  await waitFor(async () => (await ask(`${server.url}/clients?status=away`)).json.total === 2);
  t.pass('over HTTP/1.1 and HTTP/2');
}
