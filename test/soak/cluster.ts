import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, type JetStreamApiError, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { Node } from '../cluster/node.js';
import type { Harm } from '../faults/harms.js';
import { SlowProxy } from '../faults/slow-proxy.js';
import { ask } from '../support/http.js';
import { natsFragile, type NatsServer, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { type Deployment, type Ending, GRACE, type Soak } from './deployment.js';

const MIB = 1024 * 1024;

/** Bytes that JetStream may store on each server: enough for what is kept, and soon filled. */
const STORE = 192 * MIB;

/** Bytes of a message that only takes room. */
const BALLAST = 2 * MIB;

/** What JetStream answers about a stream that is not there. */
const STREAM_NOT_FOUND = 10_059;

const STREAMS = ['interchat-log', 'interchat-keys', 'KV_interchat-directory'];

/** Milliseconds for which nodes must refuse after a loss of everything. */
const REFUSAL = 10_000;

/** Milliseconds within which the servers must have healed from one fault before the next. */
const HEALED = 120_000;

/** Two nodes on three NATS servers, each of which stores everything. */
export async function startCluster(t: Test, { random, refused, settings }: Soak): Promise<Deployment> {
  const nats = await startNats(t, 3, { maxFileStore: STORE });
  const nodes = [await Node.start(t, nats, 0, settings), await Node.start(t, nats, 1, settings)];
  const up = nodes.map(({ url }) => url);
  const portOf = () => Number(new URL(up[Math.floor(random() * up.length)] as string).port);
  const balancer = await SlowProxy.start(t, portOf, random);
  const proxy = await SlowProxy.start(t, portOf, random);
  const someNode = () => nodes[Math.floor(random() * nodes.length)] as Node;
  const someServer = () => Math.floor(random() * nats.servers.length);
  const serverAt = (number: number) => nats.servers[number] as NatsServer;

  /** Takes a node out of the proxies while something is done to it. */
  async function without(node: Node, harm: () => Promise<void>): Promise<void> {
    up.splice(up.indexOf(node.url), 1);
    try {
      await harm();
      await waitFor(async () => (await ask(`${node.url}/readyz`)).status === 200);
    } finally {
      up.push(node.url);
    }
  }
  async function manage<Result>(work: (jsm: JetStreamManager, nc: NatsConnection) => Promise<Result>): Promise<Result> {
    const nc = await connect({ servers: nats.servers.map(({ url }) => url), timeout: 2_000, maxReconnectAttempts: 3 });
    try {
      return await work(await jetstreamManager(nc, { timeout: 5_000 }), nc);
    } finally {
      await nc.close();
    }
  }
  /** Whether each stream has a leader, and each of its replicas all of it. */
  async function isHealed(): Promise<boolean> {
    try {
      return await manage(async (jsm) => {
        for (const name of STREAMS) {
          const { cluster } = await jsm.streams.info(name);
          const replicas = cluster?.replicas ?? [];
          if (!cluster?.leader || replicas.length < 2) return false;
          if (replicas.some(({ current, offline }) => !current || offline)) return false;
        }
        return true;
      });
    } catch {
      return false;
    }
  }
  async function settled(): Promise<void> {
    const until = performance.now() + HEALED;
    while (!(await isHealed())) {
      if (performance.now() > until) throw new Error('the replicas on the NATS servers are not all current');
      await pause(250);
    }
  }
  const nodeStopped = (seconds: () => number) => async () => {
    const node = someNode();
    await without(node, async () => {
      node.signal('SIGSTOP');
      await pause(seconds() * 1_000);
      node.signal('SIGCONT');
    });
  };
  const serverStopped = (seconds: () => number) => async () => {
    const server = serverAt(someServer());
    server.signal('SIGSTOP');
    await pause(seconds() * 1_000);
    server.signal('SIGCONT');
  };

  const faults: Harm[] = [
    {
      name: 'node-kill',
      what: 'kill -9 of a node',
      harm: async () => {
        const node = someNode();
        await without(node, async () => {
          await node.end('SIGKILL');
          await pause(random() * 5_000);
          await node.start();
        });
      },
    },
    { name: 'node-stop', what: 'SIGSTOP of a node', harm: nodeStopped(() => 4 + random() * 6) },
    {
      name: 'node-stop-long',
      what: 'SIGSTOP of a node for longer than the grace time',
      harm: nodeStopped(() => GRACE + 5),
    },
    {
      name: 'nodes-roll',
      what: 'a rolling restart of the nodes',
      harm: async () => {
        for (const node of nodes) {
          await without(node, async () => {
            t.equal(await node.end('SIGTERM'), 0, 'exit code');
            await node.start();
          });
        }
      },
    },
    {
      name: 'nats-kill',
      what: 'kill -9 of a NATS server',
      harm: async () => {
        const server = serverAt(someServer());
        await server.end('SIGKILL');
        await pause(random() * 5_000);
        await server.start();
      },
    },
    { name: 'nats-stop', what: 'SIGSTOP of a NATS server', harm: serverStopped(() => 4 + random() * 4) },
    {
      name: 'nats-stop-long',
      what: 'SIGSTOP of a NATS server for longer than the grace time',
      harm: serverStopped(() => GRACE + 5),
    },
    {
      name: 'nats-roll',
      what: 'a rolling restart of the NATS servers',
      harm: async () => {
        for (const server of nats.servers) {
          await server.end('SIGTERM');
          await server.start();
          await settled();
        }
      },
    },
    {
      name: 'full',
      what: 'JetStream full, and room again',
      harm: async () => {
        await manage(async (jsm, nc) => {
          await jsm.streams.add({ name: 'ballast', subjects: ['ballast'], num_replicas: 3 });
          const js = jetstream(nc);
          const block = new Uint8Array(BALLAST);
          try {
            for (;;) await js.publish('ballast', block, { timeout: 5_000 });
          } catch {
            // It is full.
          }
        });
        await Promise.race([refused(), pause(20_000)]);
        // A deletion whose answer was lost is found done by the next one.
        const gone = (error: Error) => (error as JetStreamApiError).code === STREAM_NOT_FOUND;
        await waitFor(() => manage((jsm) => jsm.streams.delete('ballast')).catch(gone));
      },
    },
    {
      name: 'wipe',
      what: 'the disk of one NATS server wiped',
      harm: async () => {
        const server = serverAt(someServer());
        await server.end('SIGKILL');
        await server.wipe();
        await server.start();
      },
    },
  ];
  // Before 2.10 a server that was cut off can come back with messages of its own.
  if (!natsFragile) {
    faults.push({
      name: 'nats-cut',
      what: 'a NATS server cut off from the others',
      harm: async () => {
        const server = someServer();
        nats.cut(server);
        await pause(2_000 + random() * 6_000);
        nats.heal(server);
      },
    });
  }

  const endings: Ending[] = [
    {
      name: 'all-wiped',
      what: 'the disks of all NATS servers wiped: nodes must refuse, as the loss is for the operator to decide on',
      run: async () => {
        await Promise.all(nats.servers.map((server) => server.end('SIGKILL')));
        await Promise.all(nats.servers.map((server) => server.wipe()));
        await Promise.all(nats.servers.map((server) => server.start()));
        const violations: string[] = [];
        const until = performance.now() + REFUSAL;
        while (performance.now() < until) {
          for (const url of up) {
            const headers = { 'content-type': 'text/plain' };
            const asked = await ask(`${url}/messages`, { headers, body: 'after' }).catch(() => undefined);
            if (asked && asked.status < 500) violations.push(`${asked.status} for a message after the log was lost`);
          }
          await pause(200);
        }
        for (const url of up) {
          const ready = await ask(`${url}/readyz`).catch(() => undefined);
          if (ready && ready.status !== 503) violations.push(`/readyz is ${ready.status} after the log was lost`);
        }
        return [...new Set(violations)];
      },
    },
  ];
  await settled();
  return {
    nodes: up,
    all: nodes.map(({ url }) => url),
    balancer: balancer.url,
    proxy,
    faults,
    endings,
    settled,
    end: () => Promise.all(nodes.map((node) => node.end('SIGTERM'))),
  };
}
