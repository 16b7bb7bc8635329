import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { ask } from '../support/http.js';
import { type NatsCluster, natsFragile, natsMissing, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { judge, seconds } from '../faults/judge.js';
import { Node } from './node.js';
import { Reader } from '../faults/reader.js';
import { Sender } from '../faults/sender.js';

const CLIENTS = 500;
const ROOMS = 20;
const SENDERS = 20;
/** Milliseconds from one message of a sender to its next: all together send about 100 a second. */
const PACE = 200;

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  t.setTimeout(180_000);

  await t.test('whatever fails, what was acknowledged reaches all it was for', async (t) => {
    const nats = await startNats(t, 3);
    const nodes = [await Node.start(t, nats, 0), await Node.start(t, nats, 1)];
    const urls = nodes.map(({ url }) => url);
    const readers = await enter(t, urls);
    const targets = [
      ...readers.map(({ index }) => `client ${index}`),
      ...Array.from({ length: CLIENTS }, (_, n) => `room ${n % ROOMS}`),
    ];
    const senders = Array.from({ length: SENDERS }, (_, n) => {
      // Each begins elsewhere, and has clients and rooms in turn.
      const own = targets.map((_, at) => targets[(n * 37 + at * 501) % targets.length] as string);
      return new Sender(`s${n}`, urls, n, own, PACE, n % 4 < 2);
    });
    t.teardown(() => Promise.all(senders.map((sender) => sender.stop())));

    /** Does something, and waits until all go on as if nothing had been. */
    async function storm(what: string, happen: () => Promise<void>): Promise<void> {
      const began = performance.now();
      await happen();
      const over = performance.now();
      await Promise.all(senders.map((sender) => sender.until(() => sender.caughtUp > over)));
      const sending = performance.now();
      await Promise.all(readers.map((reader) => reader.until(() => reader.isWelcome)));
      for (const { url } of nodes) await healthy(url, 200);
      t.comment(
        `${what}: ${seconds(over - began)}; all senders acknowledged ${seconds(sending - over)} later, ` +
          `all streams open ${seconds(performance.now() - over)} later`,
      );
    }
    const acknowledgedAgain = async () => {
      const now = performance.now();
      await Promise.all(senders.map((sender) => sender.until(() => sender.caughtUp > now)));
      t.comment(`meanwhile all senders acknowledged after ${seconds(performance.now() - now)}`);
    };

    await storm('nothing', async () => undefined);
    await storm('kill -9 of a node', async () => {
      await nodes[0]?.end('SIGKILL');
      await acknowledgedAgain();
      await nodes[0]?.start();
    });
    await storm('kill -9 of the NATS server that leads the log', async () => {
      const leader = nats.servers[await leaderOf(nats)];
      await leader?.end('SIGKILL');
      await acknowledgedAgain();
      await leader?.start();
    });
    await storm('both nodes rolled', async () => {
      for (const node of nodes) {
        t.equal(await node.end('SIGTERM'), 0, 'exit code');
        await node.start();
      }
    });
    const cut = async () => {
      nats.cut(0);
      await acknowledgedAgain();
      await healthy(urls[0] as string, 503);
      nats.heal(0);
    };
    // Both have just begun, so each is connected to the server that it was given first.
    if (natsFragile) t.pass('a NATS server cut off', { skip: natsFragile });
    else await storm('a NATS server cut off with the node that is connected to it', cut);

    await judge(t, senders, readers);
    for (const node of nodes) t.equal(await node.end('SIGTERM'), 0, 'exit code');
  });
}

/** Opens all streams, half of them at each node, and has each client enter its room through the other node. */
async function enter(t: Test, urls: readonly string[]): Promise<Reader[]> {
  const readers: Reader[] = [];
  t.teardown(() => readers.forEach((reader) => reader.stop()));
  for (let n = 0; n < CLIENTS; n++) readers.push(new Reader(urls, n));
  await Promise.all(readers.map((reader) => reader.until(() => reader.isWelcome)));
  const left = [...readers.entries()];
  // As many at once as there are rooms.
  const entering = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [n, reader] = next;
      await reader.enter(urls[(n + 1) % urls.length] as string, n % ROOMS);
    }
  };
  await Promise.all(Array.from({ length: ROOMS }, entering));
  return readers;
}

/** Which of the servers leads the log. */
async function leaderOf(nats: NatsCluster): Promise<number> {
  const nc = await connect({ servers: nats.servers.map(({ url }) => url) });
  try {
    const jsm = await jetstreamManager(nc);
    const { cluster } = await jsm.streams.info('interchat-log');
    return Number(cluster?.leader?.slice(1));
  } finally {
    await nc.close();
  }
}

async function healthy(url: string, status: number): Promise<void> {
  await waitFor(async () => (await ask(`${url}/readyz`)).status === status);
}
