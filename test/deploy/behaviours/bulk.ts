import { once } from 'node:events';
import { request } from 'node:http';
import type { Test } from 'tap';
import { ask } from '../../support/http.js';
import { Multiplexed } from '../multiplexed.js';
import type { ProxyKind } from '../proxy.js';
import { interchat } from './interchat.js';

const NDJSON = { 'content-type': 'application/x-ndjson' };

export async function answersLines(t: Test, kind: ProxyKind): Promise<void> {
  const server = await interchat(t);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const line = (n: number) => `${JSON.stringify({ to: { everyone: true }, text: `line ${n}` })}\n`;
  const count = 5;
  const { token } = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string };

  const outgoing = request(`${proxy.url}/messages`, { method: 'POST', headers: NDJSON, agent: false });
  t.teardown(() => outgoing.destroy());
  let answered = 0;
  let wake = () => {};
  const ended = new Promise((resolve) => {
    outgoing.on('response', (response) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        answered += part.split('\n').length - 1;
        wake();
      });
      response.on('end', resolve);
    });
  });
  for (let n = 1; n <= count; n++) {
    outgoing.write(line(n));
    while (answered < n) await new Promise<void>((resolve) => (wake = resolve));
  }
  outgoing.end();
  await ended;
  t.equal(answered, count, 'over HTTP/1.1');

  const connection = await Multiplexed.connect(t, proxy);
  const exchange = connection.request({ ':method': 'POST', ':path': '/messages', ...NDJSON });
  for (let n = 1; n <= count; n++) {
    exchange.stream.write(line(n));
    await exchange.until(({ text }) => text.split('\n').length > n);
  }
  exchange.stream.end();
  await once(exchange.stream, 'close');
  t.equal(exchange.text.split('\n').length - 1, count, 'over HTTP/2');
  const { messages } = (await ask(`${server.url}/messages`, { token })).json as { messages: { text: string }[] };
  const lines = Array.from({ length: count }, (_, at) => `line ${at + 1}`);
  t.same(
    messages.map(({ text }) => text),
    [...lines, ...lines],
    'and all are there, once',
  );
}
