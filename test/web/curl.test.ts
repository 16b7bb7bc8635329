import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import t from 'tap';
import { curlOf } from '../../src/web/curl.js';

void t.test('the command does in a shell what the request would have done, whatever it says', async (t) => {
  const seen: { method?: string; url?: string; body: string; note?: unknown }[] = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      seen.push({ method, url, body, note: headers['x-note'] });
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  for (const request of [
    { method: 'GET', path: '/clients?limit=2&after=1' },
    { method: 'DELETE', path: '/clients/1', note: "it's" },
    { method: 'PUT', path: '/rooms/a/members/1' },
    { method: 'PATCH', path: '/clients/1', body: '{"name":"O\'Neill $HOME `id` \\\\ !"}' },
    { method: 'POST', path: '/messages', body: '@/etc/passwd' },
    { method: 'POST', path: '/messages', body: 'two\nlines\r\n' },
    { method: 'POST', path: '/messages', body: "'; rm -rf /; '" },
    { method: 'POST', path: '/messages', body: 'ü 👩‍👩‍👧 %41' },
  ]) {
    const headers: Record<string, string> = request.note === undefined ? {} : { 'X-Note': request.note };
    const { method, path, body } = request;
    const command = curlOf({ method, url: base + path, headers, ...(body === undefined ? {} : { body }) });
    await promisify(execFile)('bash', ['-euc', `${command} -sS`]);
    t.same(seen.pop(), { method, url: path, body: body ?? '', note: request.note }, command);
  }
});
