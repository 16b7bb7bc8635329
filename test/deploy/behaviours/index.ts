import type { Test } from 'tap';
import type { ProxyKind } from '../proxy.js';
import { answersLines } from './bulk.js';
import { drains, failsOver } from './handing-over.js';
import { keepsSecrets } from './logging.js';
import { repeatsNothing, survivesKill } from './losing-nothing.js';
import { hidesMetrics, passesOn, servesPage } from './passing-on.js';
import { comeAtOnce, livesByHeartbeats, manyOnOneConnection, noticesLeaving } from './streaming.js';

type Behaviours = readonly (readonly [what: string, (t: Test, kind: ProxyKind) => Promise<void>])[];

/** What is asked of any proxy, with the configuration that is shipped for it, in front of real InterChats. */
export const ordinarily: Behaviours = [
  ['events come at once, one by one, and not compressed', comeAtOnce],
  ['heartbeats alone keep a stream open', livesByHeartbeats],
  ['200 streams on one HTTP/2 connection', manyOnOneConnection],
  ['lines in bulk are answered while more are sent', answersLines],
  ['who leaves is away at once', noticesLeaving],
  ['InterChat learns the host and the address of the client, and no forged one', passesOn],
  ['the page, as it is compressed and to be kept', servesPage],
  ['what only the operator is to see stays inside', hidesMetrics],
  ['its logs have no query and no credential, whatever becomes of a request', keepsSecrets],
];

/** What is asked of it when an InterChat ends. */
export const whenOneEnds: Behaviours = [
  ['killed and started again, nothing is lost or doubled', survivesKill],
  ['one that is killed hands over to the other', failsOver],
  ['one that is drained hands over to the other', drains],
  ['a SEND that one may have is not sent to another', repeatsNothing],
];
