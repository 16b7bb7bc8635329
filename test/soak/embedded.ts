import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { type Harm, harmsOf } from '../faults/harms.js';
import { SlowProxy } from '../faults/slow-proxy.js';
import { Victim } from '../faults/victim.js';
import { smallDisk } from '../start/small-disk.js';
import { ask } from '../support/http.js';
import { type Deployment, GRACE, type Soak } from './deployment.js';

/** Milliseconds for which the folder is away or the disk hangs: longer than the server may take to notice. */
const AWAY = 8_000;

/** Milliseconds after which a start is killed, at the most. A start takes some 400. */
const START = 500;

/** One `interchat serve` on a small disk. Undefined where none can be mounted; then the test is skipped. */
export async function startEmbedded(t: Test, soak: Soak): Promise<Deployment | undefined> {
  const { random } = soak;
  const disk = await smallDisk(t, '128m');
  if (!disk) return undefined;
  const folder = join(disk.folder, 'data');
  const victim = await Victim.start(t, { folder, args: soak.settings });
  const proxy = await SlowProxy.start(t, victim.port, random);
  const { json } = await ask(`${victim.url}/clients`, { json: { name: 'heap' } });
  const { index: heap } = json.client as { readonly index: number };
  const { token } = json as { readonly token: string };
  // It would leave otherwise, and nothing could be sent to it on a full disk.
  const staying = setInterval(() => {
    ask(`${victim.url}/clients/${heap}/messages?limit=1`, { token }).catch(() => undefined);
  }, 1_000);
  t.teardown(() => clearInterval(staying));

  const faults: Harm[] = [
    ...harmsOf({ t, victim, proxy, disk, heap, random, refused: soak.refused, cutOff: soak.cutOff }),
    {
      name: 'stop-long',
      what: 'SIGSTOP for longer than the grace time',
      harm: async () => {
        victim.signal('SIGSTOP');
        await pause((GRACE + 3) * 1_000);
        victim.signal('SIGCONT');
      },
    },
    {
      name: 'kill-start',
      what: 'kill -9 during starts',
      harm: async () => {
        await victim.end('SIGKILL');
        for (let n = 0; n < 4; n++) await victim.startAndKill(random() * START);
        await victim.start();
      },
    },
    {
      name: 'folder',
      what: 'the data folder renamed, and back',
      harm: async () => {
        await rename(folder, `${folder}-renamed`);
        await pause(AWAY);
        await rename(`${folder}-renamed`, folder);
      },
    },
  ];
  if (victim.canFailSyncs) {
    faults.push({
      name: 'hang',
      what: 'syncs that hang',
      harm: async () => {
        await victim.hangSyncs();
        await pause(AWAY);
        await victim.releaseSyncs();
      },
    });
  }
  return {
    nodes: [victim.url],
    all: [victim.url],
    balancer: victim.url,
    proxy,
    faults,
    endings: [],
    settled: async () => undefined,
    end: async () => [await victim.end('SIGTERM')],
  };
}
