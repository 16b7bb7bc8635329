import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { smallDisk } from '../start/small-disk.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { waitFor } from '../support/wait.js';
import { type Harm, harmsOf } from './harms.js';
import { judge, seconds } from './judge.js';
import { randomBy, shuffled } from './random.js';
import { Reader } from './reader.js';
import { Sender } from './sender.js';
import { SlowProxy } from './slow-proxy.js';
import { Victim } from './victim.js';

const READERS = 100;
const ROOMS = 10;
const SENDERS = 10;
/** Milliseconds from one message of a sender to its next: all together send about 250 a second, to 1,400 streams. */
const PACE = 40;

/** Milliseconds in which each fault has done its harm, and all is well again: far more than it takes. */
const PATIENCE = 90_000;

/** Messages kept of a mailbox or a room where readers are to miss some. */
const KEPT = 100;

const minutes = Number(process.env.FAULTS_MINUTES ?? 0.5);
const seed = Number(process.env.FAULTS_SEED ?? 1);

void t.test('whatever is done to a server, what was acknowledged reaches all it was for', async (t) => {
  t.setTimeout((minutes * 60 + 300) * 1_000);
  t.comment(`--minutes ${minutes} --seed ${seed}`);
  const until = performance.now() + minutes * 60_000;
  const random = randomBy(seed);
  const disk = await smallDisk(t, '256m');
  if (!disk) return;
  // So many are kept that nobody misses one, and so few that the disk has room for them, however long this goes on.
  const args = ['--grace', '120', '--keep-messages', '200'];
  const victim = await Victim.start(t, { folder: join(disk.folder, 'data'), args });
  const proxy = await SlowProxy.start(t, victim.port, random);
  const urls = [victim.url, proxy.url];

  const readers = Array.from({ length: READERS }, (_, n) => new Reader([urls[n % 2] as string], 0));
  t.teardown(() => readers.forEach((reader) => reader.stop()));
  await Promise.all(readers.map((reader) => reader.until(() => reader.isWelcome)));
  for (const [n, reader] of readers.entries()) await reader.enter(victim.url, n % ROOMS);
  // Nobody's, for what only takes room.
  const made = await ask(`${victim.url}/clients`, { json: { name: 'heap' } });
  const { index: heap } = made.json.client as { readonly index: number };
  const targets = readers.flatMap((reader) => reader.targets);
  // Half of them through the proxy; of each half some with keys.
  const senders = Array.from({ length: SENDERS }, (_, n) => {
    return new Sender(`s${n}`, [urls[n % 2] as string], 0, shuffled(targets, random), PACE, n % 4 < 2);
  });
  t.teardown(() => Promise.all(senders.map((sender) => sender.stop())));

  /** Until all go on as if nothing had been. */
  async function well(): Promise<void> {
    const now = performance.now();
    await Promise.all(senders.map((sender) => sender.until(() => sender.caughtUp > now)));
    await Promise.all(readers.map((reader) => reader.until(() => reader.isWelcome)));
    await waitFor(async () => (await ask(`${victim.url}/readyz`)).status === 200);
  }
  /** What is not well. */
  async function illness(): Promise<string> {
    const { text } = await ask(`${victim.url}/readyz`).catch((error: Error) => ({ text: error.message }));
    const { text: figures } = await ask(`${victim.url}/metrics`).catch((error: Error) => ({ text: error.message }));
    const away = readers.filter(({ isWelcome }) => !isWelcome).length;
    const failures = senders.map(
      (sender) => `${Math.round(performance.now() - sender.caughtUp)} ms ${[...sender.failures].join(' ')}`,
    );
    const store = figures.match(/^interchat_(store|memory)\w*(\{.*\})? .*$/gm)?.join(', ');
    return `${text}; ${store}; ${away} readers are away; since they caught up: ${failures.join('; ')}`;
  }
  /** Until a sender was told that it cannot be done now. */
  async function refused(): Promise<void> {
    const refusals = () => senders.reduce((sum, { failures }) => sum + (failures.get('503') ?? 0), 0);
    const before = refusals();
    await Promise.race(senders.map((sender) => sender.until(() => refusals() > before)));
    t.equal((await ask(`${victim.url}/readyz`)).status, 503, 'it says that it is not ready');
  }
  /** Until nobody has a stream through the proxy. */
  async function cutOff(): Promise<void> {
    proxy.become('away');
    await Promise.all(readers.map((reader, n) => reader.until(() => n % 2 === 0 || !reader.isWelcome)));
  }
  const harms = harmsOf({ t, victim, proxy, disk, heap, random, refused, cutOff });
  if (!victim.canFailSyncs) t.pass('syncs that fail', { skip: 'NOT TESTED: there is no C compiler' });

  await within(well(), 'it does not begin', illness);
  // All of them once, however long that takes; then on until the time is over.
  for (let n = 0, round = shuffled(harms, random); n < harms.length || performance.now() < until; n++) {
    if (round.length === 0) round = shuffled(harms, random);
    const { what, harm } = round.pop() as Harm;
    t.comment(what);
    const began = performance.now();
    await within(harm(), `${what} is not over`);
    const over = performance.now();
    await within(well(), `${what}: not all is well again`, illness);
    t.comment(`done after ${seconds(over - began)}; all was well ${seconds(performance.now() - over)} later`);
    await pause(random() * 500);
  }

  const { late } = await judge(t, senders, readers);
  t.equal(late, 0, 'one process has one order');
  t.equal(await victim.end('SIGTERM'), 0, 'exit code');
});

void t.test('who was away for longer than messages are kept is told of all that it missed', async (t) => {
  const random = randomBy(seed);
  const victim = await Victim.start(t, {
    folder: await temporaryFolder(t),
    args: ['--grace', '120', '--keep-messages', String(KEPT)],
  });
  const proxy = await SlowProxy.start(t, victim.port, random);
  const readers = Array.from({ length: 10 }, (_, n) => new Reader([n % 2 ? proxy.url : victim.url], 0));
  t.teardown(() => readers.forEach((reader) => reader.stop()));
  const away = readers.filter((_, n) => n % 2);
  await Promise.all(readers.map((reader) => reader.until(() => reader.isWelcome)));
  for (const [n, reader] of readers.entries()) await reader.enter(victim.url, n % 2);
  const targets = readers.flatMap((reader) => reader.targets);
  const senders = Array.from({ length: SENDERS }, (_, n) => {
    return new Sender(`s${n}`, [victim.url], 0, shuffled(targets, random), 10, n % 2 === 0);
  });
  t.teardown(() => Promise.all(senders.map((sender) => sender.stop())));

  const sent = () => Promise.all(senders.map((sender) => sender.until(() => sender.acknowledged.length >= goal)));
  let goal = 50;
  await sent();
  for (let time = 0; time < 2; time++) {
    proxy.become('away');
    await Promise.all(away.map((reader) => reader.until(() => !reader.isWelcome)));
    // To each of them three times what is kept.
    goal += (3 * KEPT * targets.length) / SENDERS;
    await sent();
    proxy.become('fair');
    await Promise.all(away.map((reader) => reader.until(() => reader.isWelcome)));
    goal += 50;
    await sent();
  }
  await judge(t, senders, readers, away);
  for (const { gaps } of away) t.ok(gaps.length >= 2, 'gaps were told of each time');
  t.equal(await victim.end('SIGTERM'), 0, 'exit code');
});

/** @throws Error that says so where it takes longer than everything has to. */
async function within(promise: Promise<void>, otherwise: string, why = async () => ''): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<true>((resolve) => {
    timer = setTimeout(() => resolve(true), PATIENCE);
  });
  try {
    if (await Promise.race([promise, late])) throw new Error(`${otherwise} after ${seconds(PATIENCE)}: ${await why()}`);
  } finally {
    clearTimeout(timer);
  }
}
