import { Agent } from 'node:http';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { RawStream } from '../support/raw-stream.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';
import { inParallel, metrics, MIB, post, spanOf, watchMemory } from './flooded.js';

/** In full by `npm run test:floods`: what the others do not read costs the time. */
const READERS = process.env['FLOODS'] === 'full' ? 1_000 : 300;
const STALLED = 100;
/** Bytes: as many as a body may have, so that it takes few to fill what the kernel keeps for a stream. */
const LONG = 60_000;
/** Characters of it that tell which it is. */
const KEEP = 10;
/** Less than the stalled ones could have one by one, so that it is this that counts. */
const STREAM_MEMORY = 32 * MIB;
/** What the server may take beside: a copy of a message for each stream that it is on its way to, and garbage that is not collected yet. */
const BESIDE = 192 * MIB;

void t.test(`${READERS} readers of a room, of whom ${STALLED} never read`, async (t) => {
  const server = await spawnServer(t, {
    folder: await temporaryFolder(t),
    args: ['--stream-memory', String(STREAM_MEMORY), '--log-level', 'warn'],
  });
  const path = '/events?rooms=lobby';
  const readers = await inParallel(READERS, 100, () => RawStream.open(server.port, { path, keep: KEEP }));
  const [stalled, healthy] = [readers.slice(0, STALLED), readers.slice(STALLED)];
  const watched = watchMemory(server);
  const before = await tell(server, healthy, 40);

  for (const stream of stalled) stream.stall();
  const memory: number[] = [];
  const during: number[] = [];
  let sent = 40;
  while ((await slowConsumers(server)) < STALLED) {
    if (sent > 1_000) throw new Error('those that do not read are not cut off');
    during.push(...(await tell(server, healthy, 10)));
    sent += 10;
    memory.push((await metrics(server)).get('interchat_memory_bytes{by="streams"}') ?? NaN);
  }
  const after = await tell(server, healthy, 40);
  sent += 40;
  const most = await watched();

  const highest = Math.max(...memory);
  t.ok(highest > 0 && highest <= STREAM_MEMORY, `at most ${mib(highest)} waited for all streams together`);
  t.ok(most < STREAM_MEMORY + BESIDE, `the server took ${mib(most)} at the most`);
  t.comment(
    `until all ${READERS - STALLED} have it: before ${spanOf(before)}; during ${spanOf(during)}; after ${spanOf(after)}`,
  );
  t.ok(
    healthy.every(({ texts }) => texts.length === sent && texts.every((text, n) => text.startsWith(`${n} `))),
    `those that read have all ${sent}, in order`,
  );
  t.equal(await slowConsumers(server), STALLED, 'and none of them was cut off');

  // Whoever was cut off comes back with the last id that came, and has the rest from the log.
  for (const stream of stalled) stream.resume();
  await Promise.all(stalled.map((stream) => stream.end()));
  const whole = await inParallel(STALLED, 10, async (n) => {
    const { lastEventId, texts } = stalled[n] as RawStream;
    const back = await RawStream.open(server.port, { path, lastEventId, keep: KEEP });
    await back.until((stream) => texts.length + stream.texts.length >= sent);
    return [...texts, ...back.texts].every((text, n) => text.startsWith(`${n} `));
  });
  t.ok(
    whole.every((is) => is),
    'those that were cut off have all as well, once',
  );
  await waitFor(async () => (await metrics(server)).get('interchat_memory_bytes{by="streams"}') === 0);
  t.pass('nothing waits any more');
  for (const stream of readers) stream.leave();
  t.equal(await server.end('SIGTERM'), 0);
});

void t.test('a client with 16 streams, none of which is read', async (t) => {
  const server = await spawnServer(t, { folder: await temporaryFolder(t), args: ['--log-level', 'warn'] });
  const first = await RawStream.open(server.port, { keep: KEEP });
  const path = `/events?token=${encodeURIComponent(first.token)}`;
  const others = await inParallel(15, 15, () => RawStream.open(server.port, { path, keep: KEEP }));
  const streams = [first, ...others];
  const healthy = await RawStream.open(server.port);
  const refused = await RawStream.ask(server.port, { path });
  await refused.until(({ head }) => head !== '');
  t.match(refused.head, /^HTTP\/1\.1 429 [\s\S]*\r\nretry-after: \d+\r\n/i, 'a 17th is refused');
  const alone = await send(t, server, healthy, healthy, 100);

  for (const stream of streams) stream.stall();
  const took: number[] = [];
  let sent = 0;
  while ((await slowConsumers(server)) < streams.length) {
    if (sent > 1_000) throw new Error('those that do not read are not cut off');
    for (const text of texts(sent, 10)) await say(t, server, `/clients/${first.index}/messages`, text);
    sent += 10;
    took.push(...(await send(t, server, healthy, healthy, 10)));
  }
  t.comment(`SEND to another: before ${spanOf(alone)}; meanwhile ${spanOf(took)}`);

  for (const stream of streams) stream.resume();
  await Promise.all(streams.map((stream) => stream.end()));
  const { lastEventId, texts: had } = first;
  const back = await RawStream.open(server.port, { lastEventId, keep: KEEP });
  t.equal(back.index, first.index);
  await back.until((stream) => had.length + stream.texts.length >= sent);
  t.ok(
    [...had, ...back.texts].every((text, n) => text.startsWith(`${n} `)),
    `it comes back, and has all ${sent} in order`,
  );
  back.leave();
  healthy.leave();
  t.equal(await server.end('SIGTERM'), 0);
});

function texts(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${from + at} `.padEnd(LONG, 'x'));
}

/** Says something in the room again and again: in how many milliseconds all of these had it. */
async function tell(server: ServerProcess, readers: readonly RawStream[], count: number) {
  const took: number[] = [];
  const had = readers[0]?.texts.length ?? 0;
  for (const [n, text] of texts(had, count).entries()) {
    const began = performance.now();
    await say(t, server, '/rooms/lobby/messages', text);
    await Promise.all(readers.map((stream) => stream.until(({ texts }) => texts.length > had + n)));
    took.push(performance.now() - began);
  }
  return took;
}

/** Sends one after the other to a client: in how many milliseconds each came. */
async function send(
  t: Test,
  server: ServerProcess,
  to: RawStream,
  stream: RawStream,
  count: number,
): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < count; n++) {
    const had = stream.texts.length;
    const began = performance.now();
    await say(t, server, `/clients/${to.index}/messages`, 'x');
    await stream.until(({ texts }) => texts.length > had);
    took.push(performance.now() - began);
  }
  return took;
}

const agent = new Agent({ keepAlive: true });
t.teardown(() => agent.destroy());

async function say(t: Pick<Test, 'fail'>, { url }: ServerProcess, path: string, text: string): Promise<void> {
  const { status } = await post(agent, url + path, text);
  if (status !== 201) t.fail(`${path} was answered with ${status}`);
}

async function slowConsumers(server: ServerProcess): Promise<number> {
  return (await metrics(server)).get('interchat_stream_closes_total{reason="slow-consumer"}') ?? 0;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
