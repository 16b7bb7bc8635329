import t from 'tap';
import { whenOneEnds } from './behaviours/index.js';
import { haproxy } from './haproxy.js';

t.jobs = 2;

for (const [what, behaviour] of whenOneEnds) {
  void t.test(`HAProxy: ${what}`, { skip: haproxy.missing, buffered: true }, (t) => behaviour(t, haproxy));
}
