import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { mostOpenFiles } from '../../src/http/connections.js';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { RawStream } from '../support/raw-stream.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { inParallel, memoryOf, metrics, post, spanOf } from './flooded.js';

const FILES = await mostOpenFiles();
/** Of which each takes one; beside them there are the server's own. */
const STREAMS = Math.min(15_000, FILES - 1_000);
/** So many connects at a time at first: what is asked here is what many streams cost, not how fast they can come. */
const AT_A_TIME = 200;
/** Bytes of its own that the server may take for a stream that only is there. What was measured stands in bench/README.md. */
const FOR_A_STREAM = 24 * 1024;
/** Into so many parts of a second is counted who comes back. */
const PARTS = 4;

void t.test(`${STREAMS} idle streams, and their return after a restart and after a crash`, async (t) => {
  if (STREAMS < 1_000) {
    t.plan(0, `NOT TESTED: ${FILES} open files are allowed here (ulimit -n), 16,000 are needed`);
    return;
  }
  const port = await lastingPort();
  const folder = await temporaryFolder(t);
  const start = () => spawnServer(t, { folder, port, args: ['--log-level', 'warn'] });
  const first = await start();
  const alone = await latency(t, first, await RawStream.open(port));
  const before = await memoryOf(first);
  const opening = performance.now();
  const streams = await inParallel(STREAMS, AT_A_TIME, () => RawStream.open(port));
  const opened = performance.now() - opening;
  const each = ((await memoryOf(first)) - before) / STREAMS;
  t.ok(each < FOR_A_STREAM, `${(each / 1024).toFixed(1)} KiB of memory for each stream`);
  const among = await latency(t, first, streams[0] as RawStream);
  t.comment(
    `${((STREAMS / opened) * 1000).toFixed(0)} connects/s; SEND to stream alone: ${alone}; among ${STREAMS}: ${among}`,
  );

  const index = streams.map(({ index }) => index);
  const ending = Promise.all(streams.map((stream) => stream.end()));
  const exit = first.end('SIGTERM');
  await ending;
  t.equal(await exit, 0, 'the server ends well');
  t.ok(
    streams.every(({ bye }) => bye === 'shutdown'),
    'each was told so',
  );
  checkSpread(t, streams, 1000, 5000);
  const second = await start();
  const sent = await say(second, 'after the restart');
  const back = await comeBack(t, port, streams);
  t.same(
    back.map(({ index }) => index),
    index,
    'all are who they were',
  );
  t.ok(
    back.every(({ resumed }) => resumed),
    'and go on where they were',
  );
  t.equal(sent, 201);
  await Promise.all(back.map((stream) => stream.until(({ texts }) => texts.length > 0)));
  t.ok(
    back.every(({ texts }) => texts.join() === 'after the restart'),
    'each has what it missed, once',
  );

  checkSpread(t, back, 500, 1500);
  const cut = Promise.all(back.map((stream) => stream.end()));
  await second.end('SIGKILL');
  await cut;
  const third = await start();
  const again = await comeBack(t, port, back);
  t.ok(
    again.every(({ resumed }, at) => resumed && again[at]?.index === index[at]),
    'all come back after a crash as well',
  );
  t.equal(await say(third, 'all well'), 201);
  await Promise.all(again.map((stream) => stream.until(({ texts }) => texts.includes('all well'))));
  t.equal((await metrics(third)).get('interchat_streams'), STREAMS);
  for (const stream of again) stream.leave();
  t.equal(await third.end('SIGTERM'), 0);
});

/** Sends some to a stream, one after the other: how long until each is there. */
async function latency(t: Test, server: ServerProcess, stream: RawStream): Promise<string> {
  const agent = new Agent({ keepAlive: true });
  const took: number[] = [];
  const had = stream.texts.length;
  for (let n = 1; n <= 200; n++) {
    const began = performance.now();
    const { status } = await post(agent, `${server.url}/clients/${stream.index}/messages`, 'x');
    if (status !== 201) t.fail(`a SEND was answered with ${status}`);
    await stream.until(({ texts }) => texts.length === had + n);
    took.push(performance.now() - began);
  }
  agent.destroy();
  stream.texts.length = had;
  return spanOf(took);
}

async function say(server: ServerProcess, text: string): Promise<number> {
  const agent = new Agent();
  const { status } = await post(agent, `${server.url}/messages`, text);
  agent.destroy();
  return status;
}

/** What the server told them spreads them over the whole span, so that they do not come at once. */
function checkSpread(t: Test, streams: readonly RawStream[], least: number, most: number): void {
  const parts = Array.from({ length: 8 }, () => 0);
  for (const { retry } of streams) {
    const part = Math.min(7, Math.floor(((retry - least) / (most - least)) * 8));
    parts[part] = (parts[part] ?? NaN) + 1;
  }
  // Each has an eighth, as far as chance goes: of thousands more than a fifth is out of the question.
  const even = parts.every((count) => count > 0 && count < streams.length / 5);
  t.ok(even && parts.length === 8, `told to come back after ${least} to ${most} ms: ${parts.join(' ')}`);
}

/** Each comes back as an EventSource does: after the time that it was told, and again after that where nobody listens. */
async function comeBack(t: Test, port: number, streams: readonly RawStream[]): Promise<RawStream[]> {
  const began = performance.now();
  const came: number[] = [];
  const back = await Promise.all(
    streams.map(async ({ retry, lastEventId }) => {
      for (;;) {
        await pause(retry);
        const stream = await RawStream.open(port, { lastEventId }).catch(() => undefined);
        if (!stream) continue;
        const part = Math.floor(((performance.now() - began) / 1000) * PARTS);
        came[part] = (came[part] ?? 0) + 1;
        return stream;
      }
    }),
  );
  const counts = Array.from(came, (count) => count ?? 0).join(' ');
  t.comment(`back in ${((performance.now() - began) / 1000).toFixed(1)} s; in each ${1000 / PARTS} ms: ${counts}`);
  return back;
}
