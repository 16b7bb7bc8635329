import t from 'tap';
import { ordinarily } from './behaviours/index.js';
import { outlastSilence } from './behaviours/outlasting.js';
import { haproxy } from './haproxy.js';

t.jobs = 2;

for (const [what, behaviour] of ordinarily) {
  void t.test(`HAProxy: ${what}`, { skip: haproxy.missing, buffered: true }, (t) => behaviour(t, haproxy));
}

void t.test(
  'HAProxy: what is shipped has time for the silences of InterChat, and room for 10,000 streams',
  async (t) => {
    const configuration = await haproxy.configuration();
    outlastSilence(t, configuration, [/timeout client (\d+)s/, /timeout server (\d+)s/]);
    t.ok(Number(/^ *maxconn (\d+)$/m.exec(configuration)?.[1]) > 20_000);
  },
);
