import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/folder.js';
import { adapt, type Change, DEPLOY, missing, proxyAt, type ProxyKind, run, surroundings, upstreams } from './proxy.js';

export const haproxy: ProxyKind = {
  name: 'HAProxy',
  missing: missing('haproxy', '-v'),

  configuration: () => readFile(join(DEPLOY, 'haproxy/haproxy.cfg'), 'utf8'),

  async start(t, setting) {
    const folder = await temporaryFolder(t);
    const { plain, tls, certificate } = await surroundings(folder);
    const file = join(folder, 'haproxy.cfg');
    await cp(join(DEPLOY, 'haproxy/haproxy.cfg'), file);
    const { idle } = setting;
    await adapt(file, [
      ...upstreams(setting),
      ['bind :8080', `bind 127.0.0.1:${plain}`],
      ['# bind :443', `bind 127.0.0.1:${tls}`],
      ['/etc/haproxy/tls/interchat.pem', certificate.both],
      // It refuses to start where it may not open so many files.
      ['maxconn 25000', 'maxconn 1000'],
      ...(idle === undefined
        ? []
        : ['timeout client', 'timeout server'].map((name): Change => [`${name} 90s`, `${name} ${idle}s`])),
    ]);
    const said = await run(t, ['haproxy', '-db', '-f', file], [plain, tls]);
    return proxyAt(plain, tls, certificate, async () => said());
  },
};
