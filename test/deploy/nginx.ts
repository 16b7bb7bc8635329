import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/folder.js';
import { adapt, type Change, DEPLOY, missing, proxyAt, type ProxyKind, run, surroundings, upstreams } from './proxy.js';

const FILES = ['nginx.conf', 'upstream.conf', 'away.conf', 'locations.conf', 'plain.conf', 'tls.conf'] as const;

export const nginx: ProxyKind = {
  name: 'nginx',
  missing: missing('nginx', '-v'),

  async configuration() {
    const texts = await Promise.all(FILES.map((file) => readFile(join(DEPLOY, 'nginx', file), 'utf8')));
    return texts.join('\n');
  },

  async start(t, setting) {
    const folder = await temporaryFolder(t);
    const { plain, tls, certificate } = await surroundings(folder);
    await cp(join(DEPLOY, 'nginx'), folder, { recursive: true });
    const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (what) => `${what}_temp_path ${join(folder, what)};`,
    );
    await adapt(join(folder, 'nginx.conf'), [
      ['/var/log/nginx/error.log', 'stderr'],
      ['/var/log/nginx/access.log', join(folder, 'access.log')],
      ['http {', `http { ${scratch.join(' ')}`],
      ['# include tls.conf;', 'include tls.conf;'],
    ]);
    await adapt(join(folder, 'upstream.conf'), upstreams(setting));
    // What InterChat says of buffering is not heard here, so that the configuration alone has to see to it.
    await adapt(join(folder, 'locations.conf'), [
      ['proxy_http_version 1.1;', 'proxy_http_version 1.1; proxy_ignore_headers X-Accel-Buffering;'],
    ]);
    await adapt(join(folder, 'plain.conf'), [['listen 8080', `listen 127.0.0.1:${plain}`]]);
    await adapt(join(folder, 'tls.conf'), [
      ['listen 443', `listen 127.0.0.1:${tls}`],
      ['/etc/nginx/tls/fullchain.pem', certificate.certificate],
      ['/etc/nginx/tls/privkey.pem', certificate.key],
    ]);
    const { idle } = setting;
    if (idle !== undefined) {
      const names = ['proxy_read_timeout', 'proxy_send_timeout', 'client_body_timeout', '\nsend_timeout'];
      const changes = names.map((name): Change => [`${name} 90s`, `${name} ${idle}s`]);
      await adapt(join(folder, 'locations.conf'), changes);
    }
    // As root its workers would become somebody who may not enter the folder.
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const directives = `daemon off; pid ${join(folder, 'nginx.pid')}; ${user}`;
    const said = await run(
      t,
      ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-g', directives],
      [plain, tls],
    );
    if (setting.full) await rm(join(folder, 'client_body'), { recursive: true });
    const accesses = join(folder, 'access.log');
    return proxyAt(plain, tls, certificate, async () => (await readFile(accesses, 'utf8')) + said());
  },
};
