import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { speak } from '../../hostile/raw.js';
import { EventReader } from '../../support/event-reader.js';
import { ask } from '../../support/http.js';
import { waitFor } from '../../support/wait.js';
import type { Proxy, ProxyKind } from '../proxy.js';
import { interchat } from './interchat.js';

/** Stands in place of a credential wherever one may be, but for the path. */
const MARK = 'S3CRET';
const QUERY = `token=ict_1_${MARK}&after=1.1.${MARK}`;
const HEADERS = {
  authorization: `Bearer ict_1_${MARK}`,
  cookie: `interchat_session=ics_${MARK}`,
  'last-event-id': `1.1.${MARK}`,
  referer: `http://localhost/?${QUERY}`,
};

/** Whatever becomes of a request, the logs have its path, and neither its query nor its headers. */
export async function keepsSecrets(t: Test, kind: ProxyKind): Promise<void> {
  const server = await interchat(t);
  const proxy = await kind.start(t, { upstreams: [server.port], idle: 1 });
  await askAll(proxy, 'answered');
  const { token, cursor } = (await ask(`${proxy.url}/clients`, { method: 'POST' })).json as Record<string, string>;
  const stream = await EventReader.open(t, `${proxy.url}/events?token=${token}`, { 'last-event-id': String(cursor) });
  await stream.next();
  stream.close();
  await sayNonsense(proxy);
  await askByHttp2(proxy, 'second');
  await server.end('SIGKILL');
  await askAll(proxy, 'away');
  await assertKept(t, proxy, ['events', 'answered', 'second', 'away', 'last']);
  const logs = await proxy.logs();
  for (const secret of [token, cursor]) t.notOk(logs.includes(String(secret)), 'nor what was genuine');

  const [mute, cutting] = await upstreams(t);
  for (const [what, port] of [
    ['mute', mute],
    ['cut', cutting],
  ] as const) {
    const other = await kind.start(t, { upstreams: [port], idle: 1, full: true });
    await askAll(other, what);
    await assertKept(t, other, [what, 'last']);
  }
}

async function assertKept(t: Test, proxy: Proxy, paths: readonly string[]): Promise<void> {
  await ask(`${proxy.url}/last?${QUERY}`, { headers: HEADERS }).catch(() => undefined);
  await waitFor(async () => (await proxy.logs()).includes('/last'));
  const logs = await proxy.logs();
  for (const path of paths) t.match(logs, `/${path}`, `it tells of /${path}`);
  t.notMatch(logs, new RegExp(`.*${MARK}.*`), 'and of no credential');
}

/** What is found, what is not, what is refused, and what is too large; whatever comes of it. */
async function askAll({ url }: Proxy, path: string): Promise<void> {
  const large = { body: 'x'.repeat(200_000), headers: { ...HEADERS, 'content-type': 'text/plain' } };
  const all = [
    ask(`${url}/${path}?${QUERY}`, { headers: HEADERS }),
    ask(`${url}/events?${QUERY}&x=y`, { headers: { ...HEADERS, accept: 'image/png' } }),
    ask(`${url}/clients/1/messages?${QUERY}`, { headers: HEADERS }),
    ask(`${url}/clients/1/messages?${QUERY}`, large),
    ask(`${url}/messages?${QUERY}`, large),
    ask(`${url}/metrics?${QUERY}`, { headers: HEADERS }),
    ask(`${url}/%?${QUERY}`, { headers: HEADERS }),
    ask(`${url}/${path}?${QUERY.repeat(2000)}`, { headers: HEADERS }),
    ask(`${url}/${path}?${QUERY}`, { headers: { ...HEADERS, x: MARK.repeat(20_000) } }),
    ask(`${url}/../..?${QUERY}`, { headers: HEADERS }),
  ];
  await Promise.allSettled(all);
}

async function sayNonsense({ url }: Proxy): Promise<void> {
  const port = Number(new URL(url).port);
  for (const bytes of [
    `GET /events?${QUERY}\r\n\r\n`,
    `GET /events?${QUERY} HTTP/9.9\r\nHost: localhost\r\n\r\n`,
    `GET /events?${QUERY} x HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /events?${QUERY} HTTP/1.1\r\nbroken ${MARK}\r\n\r\n`,
    `GET /events?${QUERY} HTTP/1.1\r\n\r\n`,
    `GET http://localhost/events?${QUERY} HTTP/1.1\r\nHost: elsewhere\r\n\r\n`,
    `GET ?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /\0?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `BREW /?${QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `POST /messages?${QUERY} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${MARK}\r\n`,
    `GET /events?${QUERY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${MARK}`,
  ]) {
    await speak([bytes], { port, half: true });
  }
}

async function askByHttp2({ tlsUrl, ca }: Proxy, path: string): Promise<void> {
  const session = connectHttp2(tlsUrl, { ca });
  const stream = session.request({ ':path': `/${path}?${QUERY}`, ...HEADERS });
  stream.resume();
  await once(stream, 'close');
  session.close();
}

/** The ports of one that never answers, and of one that ends in the midst of its answer. */
async function upstreams(t: Test): Promise<readonly [mute: number, cutting: number]> {
  const mute = createServer(() => undefined);
  const cutting = createServer(({ socket }, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('x', () => socket.destroy());
  });
  const ports = [];
  for (const server of [mute, cutting]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    ports.push((server.address() as AddressInfo).port);
  }
  return [ports[0] as number, ports[1] as number];
}
