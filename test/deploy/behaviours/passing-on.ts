import type { Test } from 'tap';
import { ask } from '../../support/http.js';
import type { ProxyKind } from '../proxy.js';
import { interchat } from './interchat.js';

export async function passesOn(t: Test, kind: ProxyKind): Promise<void> {
  const server = await interchat(t, ['--trust-proxy', 'loopback', '--rate-limit', '1']);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const forged = { 'x-forwarded-for': '203.0.113.7' };
  const statuses = async (url: string) => {
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await ask(`${url}/clients`, { headers: forged }));
    return [...new Set(answers.map(({ status }) => status))];
  };
  t.same(await statuses(server.url), [200, 429], 'who can choose its address is taken for it');
  // Those on this machine have no limit.
  t.same(await statuses(proxy.url), [200], 'behind the proxy nobody can');
  const { origin } = new URL(proxy.url);
  t.equal((await ask(`${proxy.url}/clients`, { headers: { origin } })).status, 200, 'its own pages may use it');
  t.equal((await ask(`${proxy.url}/clients`, { headers: { origin: 'http://localhost:1' } })).status, 403);
  t.equal(
    (await ask(`${proxy.url}/clients`, { headers: { host: 'rebound.example' } })).status,
    403,
    'Host is passed on',
  );
}

export async function servesPage(t: Test, kind: ProxyKind): Promise<void> {
  const server = await interchat(t);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const page = await ask(proxy.url);
  t.match(page, {
    status: 200,
    headers: { 'content-security-policy': "script-src 'self'", 'cache-control': 'no-cache', etag: /./ },
  });
  const [script = ''] = /assets\/page-\w+\.js/.exec(page.text) ?? [];
  t.match(await ask(`${proxy.url}/${script}`, { headers: { 'accept-encoding': 'br' } }), {
    status: 200,
    headers: { 'content-encoding': 'br', 'cache-control': /immutable/, vary: /accept-encoding/i },
  });
}

export async function hidesMetrics(t: Test, kind: ProxyKind): Promise<void> {
  const server = await interchat(t);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  t.equal((await ask(`${server.url}/metrics`)).status, 200);
  for (const path of ['/metrics', '/metrics?x', '/%6detrics']) t.equal((await ask(proxy.url + path)).status, 404, path);
  t.equal((await ask(`${proxy.url}/healthz`)).status, 200);
}
