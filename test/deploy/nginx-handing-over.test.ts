import t from 'tap';
import { whenOneEnds } from './behaviours/index.js';
import { nginx } from './nginx.js';

t.jobs = 2;

for (const [what, behaviour] of whenOneEnds) {
  void t.test(`nginx: ${what}`, { skip: nginx.missing, buffered: true }, (t) => behaviour(t, nginx));
}
