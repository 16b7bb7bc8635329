import { Agent } from 'node:http';
import t, { type Test } from 'tap';
import { inParallel, metrics, MIB, post } from '../floods/flooded.js';
import { mostOpenFiles } from '../../src/http/connections.js';
import { temporaryFolder } from '../support/folder.js';
import { RawStream } from '../support/raw-stream.js';
import { type ServerProcess, spawnServer } from '../support/server.js';

const STREAMS = 5_000;
/** So many connects, or sends, at a time: all at once would measure the queue of the kernel. */
const AT_A_TIME = 100;
const ROUNDS = 2;
/** In milliseconds; less than the test may take. */
const PATIENCE = 60_000;

/**
 * How much more heap than before the first stream there may be once all have left: code that was compiled, and the tables
 * that the engine grew, stay. Far less than what one round of streams takes.
 */
const STAYS = 12 * MIB;
/** How much a further round may add to that. A leak of a kilobyte for each stream would be more. */
const GROWS = 3 * MIB;

void t.test(`${STREAMS} streams at once, each with its own messages, and no memory that stays`, async (t) => {
  const files = await mostOpenFiles();
  if (files < STREAMS + 500) {
    t.plan(0, `NOT TESTED: ${files} open files are allowed here (ulimit -n), ${STREAMS + 500} are needed`);
    return;
  }
  // A signal is the only way from outside to have the heap collected, without which its size says little.
  const collect = 'data:text/javascript,process.on("SIGUSR2",()=>gc())';
  const server = await spawnServer(t, {
    folder: await temporaryFolder(t),
    args: ['--grace', '1', '--log-level', 'warn'],
    nodeArgs: ['--expose-gc', '--import', collect],
  });
  const before = await collected(server);
  const after: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    await playRound(t, server, round, before);
    await until('no client is away', async () => {
      const away = (await metrics(server)).get('interchat_clients{status="away"}');
      return away === 0 || `${away} are`;
    });
    const limit = round === 1 ? before.heap + STAYS : Math.min(...after) + GROWS;
    await until(`no more than ${mib(limit)} of heap are used`, async () => {
      const { heap } = await collected(server);
      return heap <= limit || `${mib(heap)} are`;
    });
    const left = await collected(server);
    after.push(left.heap);
    t.pass(`round ${round}: all is given back but ${mib(left.heap - before.heap)} of heap`);
    t.comment(`round ${round}, all left: heap ${mib(left.heap)}, resident ${mib(left.resident)}`);
  }
  t.equal(await server.end('SIGTERM'), 0, 'exit code');
});

async function playRound(t: Test, server: ServerProcess, round: number, before: Memory): Promise<void> {
  const began = performance.now();
  const streams = await inParallel(STREAMS, AT_A_TIME, () => RawStream.open(server.port));
  const connected = performance.now() - began;
  t.equal(new Set(streams.map(({ index }) => index)).size, STREAMS, 'as many clients');
  t.equal((await metrics(server)).get('interchat_streams'), STREAMS, 'all open at once');
  const open = await collected(server);

  const sending = performance.now();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  const statuses = await inParallel(STREAMS, AT_A_TIME, async (n) => {
    const { index } = streams[n] as RawStream;
    return (await post(agent, `${server.url}/clients/${index}/messages`, `round ${round}, for ${index} alone`)).status;
  });
  agent.destroy();
  t.same([...new Set(statuses)], [201], 'all sends are acknowledged');
  await Promise.all(streams.map((stream) => stream.until(({ texts }) => texts.length > 0)));
  const sent = performance.now() - sending;
  const wrong = streams.filter(
    ({ index, texts }) => texts.length !== 1 || texts[0] !== `round ${round}, for ${index} alone`,
  );
  t.equal(wrong.length, 0, 'each got what was sent to it, once, and nothing else');
  t.comment(
    `round ${round}: ${perSecond(connected)} connects/s, ${perSecond(sent)} messages/s to a stream each; ` +
      `memory per stream: ${kib(open.heap - before.heap)} of heap, ${kib(open.resident - before.resident)} resident`,
  );
  for (const stream of streams) stream.leave();
}

interface Memory {
  readonly heap: number;
  readonly resident: number;
}

/** What the server uses once its garbage is gone. */
async function collected(server: ServerProcess): Promise<Memory> {
  const collections = async () => {
    const found = [...(await metrics(server))].find(
      ([name]) => name.startsWith('nodejs_gc_duration_seconds_count') && name.includes('"major"'),
    );
    return found?.[1] ?? 0;
  };
  const had = await collections();
  await until('garbage is collected', async () => {
    // Each time, as a collection is now and then not counted: node may lose what it has to say of one.
    server.process.kill('SIGUSR2');
    return (await collections()) > had || 'it is not';
  });
  const now = await metrics(server);
  return {
    heap: now.get('nodejs_heap_size_used_bytes') ?? Infinity,
    resident: now.get('process_resident_memory_bytes') ?? Infinity,
  };
}

/** Asks until it is so, and says how it is if that takes too long. */
async function until(what: string, condition: () => Promise<true | string>): Promise<void> {
  const began = performance.now();
  for (let so = await condition(); so !== true; so = await condition()) {
    if (performance.now() - began > PATIENCE) throw new Error(`waited until ${what}, but ${so}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function perSecond(milliseconds: number): string {
  return ((STREAMS * 1000) / milliseconds).toFixed(0);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** Of that, each stream's part. */
function kib(bytes: number): string {
  return `${(bytes / STREAMS / 1024).toFixed(1)} KiB`;
}
