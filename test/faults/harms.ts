import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import type { SmallDisk } from '../start/small-disk.js';
import { ask } from '../support/http.js';
import type { SlowProxy } from './slow-proxy.js';
import type { Victim } from './victim.js';

/** Milliseconds for which a fault lasts that does not show when it has done its harm. */
const WHILE = 2_000;

const HOUR = 3_600_000;

/** A fault, from its begin until its cause is gone. */
export interface Harm {
  /** One word, for `--faults`. */
  readonly name: string;
  readonly what: string;
  readonly harm: () => Promise<void>;
}

export interface HarmOptions {
  readonly t: Test;
  readonly victim: Victim;
  readonly proxy: SlowProxy;
  /** The disk of the data folder. */
  readonly disk: SmallDisk;
  /** The index of a client whose messages only take room. */
  readonly heap: number;
  readonly random: () => number;
  /** Resolves when a sender was refused (503) from now on. */
  readonly refused: () => Promise<void>;
  /** Makes the proxy `away`; resolves when no reader has a stream through it. */
  readonly cutOff: () => Promise<void>;
}

/** What can be done to a server with the embedded engine, its disk, its clock and its network. */
export function harmsOf({ t, victim, proxy, disk, heap, random, refused, cutOff }: HarmOptions): Harm[] {
  /** Takes all room, also the reserve of the server. */
  async function fillUp(): Promise<void> {
    await disk.fill();
    const big = { json: { text: 'x'.repeat(60_000) } };
    while ((await ask(`${victim.url}/clients/${heap}/messages`, { method: 'POST', ...big })).status === 201);
  }
  const through = (mood: 'slow' | 'halving' | 'stalled') => async () => {
    proxy.become(mood);
    await pause(WHILE);
    proxy.become('fair');
  };

  const harms: Harm[] = [
    {
      name: 'kill',
      what: 'kill -9',
      harm: async () => {
        await victim.end('SIGKILL');
        await victim.start();
      },
    },
    {
      name: 'restart',
      what: 'SIGTERM',
      harm: async () => {
        t.equal(await victim.end('SIGTERM'), 0, 'exit code');
        await victim.start();
      },
    },
    {
      name: 'stop',
      what: 'SIGSTOP and SIGCONT',
      harm: async () => {
        victim.signal('SIGSTOP');
        await pause(WHILE);
        victim.signal('SIGCONT');
      },
    },
    {
      name: 'full',
      what: 'a full disk',
      harm: async () => {
        await fillUp();
        await refused();
        await disk.free();
      },
    },
    {
      name: 'clock-ahead',
      what: 'the clock an hour ahead, with half of the clients away',
      harm: async () => {
        await cutOff();
        await victim.stepClock(HOUR);
        await pause(WHILE);
        proxy.become('fair');
      },
    },
    {
      name: 'clock-back',
      what: 'the clock two hours back',
      harm: async () => {
        await victim.stepClock(-HOUR);
      },
    },
    { name: 'slow', what: 'a slow network', harm: through('slow') },
    { name: 'halving', what: 'a network that halves all that passes', harm: through('halving') },
    { name: 'stalled', what: 'a network that stands still', harm: through('stalled') },
    {
      name: 'cuts',
      what: 'connections cut again and again',
      harm: async () => {
        for (let n = 0; n < 10; n++) {
          proxy.cut();
          await pause(random() * 100);
        }
      },
    },
    {
      name: 'kill-full',
      what: 'kill -9 on a full disk',
      harm: async () => {
        await fillUp();
        await refused();
        await victim.end('SIGKILL');
        await disk.free();
        await victim.start();
      },
    },
  ];
  if (victim.canFailSyncs) {
    harms.push({
      name: 'failing-syncs',
      what: 'syncs that fail',
      harm: async () => {
        await victim.failSyncs();
        await refused();
        await victim.mendSyncs();
      },
    });
  }
  return harms;
}
