import t from 'tap';
import { ordinarily } from './behaviours/index.js';
import { outlastSilence } from './behaviours/outlasting.js';
import { nginx } from './nginx.js';

t.jobs = 2;

for (const [what, behaviour] of ordinarily) {
  void t.test(`nginx: ${what}`, { skip: nginx.missing, buffered: true }, (t) => behaviour(t, nginx));
}

void t.test('nginx: what is shipped has time for the silences of InterChat, and room for 10,000 streams', async (t) => {
  const configuration = await nginx.configuration();
  outlastSilence(t, configuration, [
    /proxy_read_timeout (\d+)s/,
    /proxy_send_timeout (\d+)s/,
    /client_body_timeout (\d+)s/,
  ]);
  const number = (name: string) => Number(new RegExp(`${name} (\\d+);`).exec(configuration)?.[1]);
  t.ok(number('worker_connections') > 20_000, 'two connections for each stream');
  t.ok(number('worker_rlimit_nofile') > number('worker_connections'));
});
