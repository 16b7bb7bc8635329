import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Harm } from '../faults/harms.js';
import { seconds } from '../faults/judge.js';
import { randomBy, shuffled } from '../faults/random.js';
import { natsMissing } from '../support/nats.js';
import { Availability, isReady } from './availability.js';
import { Checker } from './checker.js';
import { startCluster } from './cluster.js';
import { type Deployment, GRACE, settingsOf, type Soak } from './deployment.js';
import { startEmbedded } from './embedded.js';
import { KINDS, Population } from './population.js';
import { SoakSender } from './sender.js';

/** Senders of one message at a time, and of many lines. */
const SENDERS = 8;
const BULK_SENDERS = 2;
/** Lines of one request. */
const LINES = 20;

/** Milliseconds in which a fault has done its harm, and in which all must be well again after it. */
const PATIENCE = 120_000;

/** Milliseconds that clients have at the end for what is still on its way. */
const LAST = 60_000;

/** Milliseconds between two looks for what is overdue. */
const SWEEP = 2_000;

/** Milliseconds between two comments on how it goes. */
const TELL = 60_000;

interface Options {
  readonly engine: 'embedded' | 'nats';
  readonly minutes: number;
  readonly seed: number;
  readonly faults?: readonly string[];
  readonly clients: readonly string[];
  /** Messages a second. */
  readonly rate: number;
  /** Messages that a mailbox or a room keeps. */
  readonly keep: number;
  /** Characters of a text at the most. */
  readonly longest: number;
  readonly plantLoss: number;
  /** The file that gets the report. */
  readonly report?: string;
}

t.setTimeout(0);
const options = JSON.parse(process.env.SOAK ?? '{}') as Options;

if (options.engine === 'nats' && natsMissing) t.plan(0, natsMissing);
else await t.test('no promise is broken, whatever fails', (t) => soak(t, options));

async function soak(
  t: Test,
  { engine, minutes, seed, faults: names, clients, rate, keep, longest, plantLoss, report }: Options,
): Promise<void> {
  const random = randomBy(seed);
  // Of its own, so that how many come does not change what happens.
  const losing = randomBy(seed + 1);
  const senders: SoakSender[] = [];
  const refusals = () => senders.reduce((sum, { failures }) => sum + (failures.get('503') ?? 0), 0);
  const surface: Soak = {
    settings: settingsOf(keep),
    random,
    refused: async () => {
      const before = refusals();
      await Promise.race(senders.map((sender) => sender.until(() => refusals() > before)));
    },
    cutOff: async () => {
      deployment?.proxy.become('away');
      while ((deployment?.proxy.open ?? 0) > 0) await pause(50);
    },
  };
  const deployment: Deployment | undefined = await (engine === 'nats'
    ? startCluster(t, surface)
    : startEmbedded(t, surface));
  if (!deployment) return;
  const { harms, endings } = chosen(deployment, names);

  const availability = new Availability(deployment.all);
  const checker = new Checker({ keep, grace: GRACE * 1_000, availableSince: () => availability.since });
  const nodes = () => deployment.nodes;
  const lose = () => plantLoss > 0 && losing() < plantLoss;
  const kinds = KINDS.filter((kind) => clients.includes(kind));
  const population = new Population(deployment, { checker, lose, nodes }, kinds, random);
  const { readers } = population;
  while (readers.some(({ life }) => !life)) await pause(50);
  // Half of the rate in lines; half of the senders of one with keys, and half of them through the bad network.
  for (let n = 0; n < SENDERS + BULK_SENDERS; n++) {
    const bulk = n >= SENDERS;
    const pace = bulk ? (BULK_SENDERS * LINES * 2_000) / rate : (SENDERS * 2_000) / rate;
    const through = n % 2 === 0 ? nodes : () => [deployment.proxy.url];
    const target = () => population.target();
    senders.push(
      new SoakSender(checker.book(`s${n}`), { nodes: through, target, pace, keyed: n % 4 < 2, bulk, longest, random }),
    );
  }
  const sweeping = setInterval(() => checker.sweep(), SWEEP);
  const telling = setInterval(() => void illness().then((words) => t.comment(words)), TELL);

  const began = performance.now();
  const until = began + minutes * 60_000;
  const counts = new Map<string, number>();
  let isStuck = false;

  /** Has a phase end in time, or says that it is stuck. */
  async function within(phase: Promise<unknown>, what: string): Promise<void> {
    const failed = phase.then(
      () => undefined,
      (error: Error) => error.message,
    );
    const failure = await atMost(PATIENCE, failed, `not over after ${seconds(PATIENCE)}`);
    if (failure === undefined) return;
    isStuck = true;
    checker.violate('stuck', `${what}: ${failure}; ${await illness()}`);
  }
  async function well(): Promise<void> {
    const now = performance.now();
    await Promise.all(senders.map((sender) => sender.until(() => sender.caughtUp > now)));
    while (!isStuck && population.offline.length > 0) await pause(50);
    for (const url of (deployment as Deployment).all) while (!isStuck && !(await isReady(url))) await pause(100);
    await (deployment as Deployment).settled();
  }
  async function illness(): Promise<string> {
    const now = performance.now();
    const ready = await Promise.all((deployment as Deployment).all.map((url) => isReady(url)));
    const late = senders.map(
      (sender) => `${seconds(now - sender.caughtUp)} ${[...sender.failures].join(' ')} ${sender.detail.slice(0, 300)}`,
    );
    return `acknowledged ${checker.counts.acknowledged}; ready: ${ready.join()}; offline: ${population.offline.join()}; senders caught up before: ${late.join('; ')}`;
  }

  await within(well(), 'the begin');
  let round: Harm[] = [];
  while (!isStuck && performance.now() < until) {
    if (round.length === 0) round = shuffled(harms, random);
    const next = round.pop();
    if (next) {
      counts.set(next.name, (counts.get(next.name) ?? 0) + 1);
      checker.during(next.name);
      const start = performance.now();
      await within(next.harm(), `${next.what} is not done`);
      const done = performance.now();
      if (!isStuck) await within(well(), `not all is well after ${next.what}`);
      t.comment(`${next.what}: ${seconds(done - start)}, all was well ${seconds(performance.now() - done)} later`);
    }
    if (isStuck) break;
    for (const difference of (await population.compareLists()).slice(0, 3)) checker.violate('presence', difference);
    await pause(500 + random() * 2_000);
  }
  const lasted = performance.now() - began;

  checker.during('the end');
  await atMost(PATIENCE, Promise.all(senders.map((sender) => sender.stop())));
  await atMost(LAST, population.settle());
  const stopped = performance.now();
  while (!checker.isSettled && performance.now() - stopped < LAST) await pause(100);
  clearInterval(sweeping);
  clearInterval(telling);
  checker.finish();
  await atMost(PATIENCE, population.stop());
  for (const ending of endings) {
    counts.set(ending.name, 1);
    checker.during(ending.name);
    for (const words of await ending.run()) checker.violate(ending.name, words);
  }
  availability.stop();
  if (endings.length === 0 && !isStuck)
    t.strictSame([...new Set(await deployment.end())], [0], 'nodes end with exit code 0');

  const { acknowledged, unknown, received, repeats, late, gaps, expired } = checker.counts;
  const failures = new Map<string, number>();
  for (const sender of senders) for (const [why, n] of sender.failures) failures.set(why, (failures.get(why) ?? 0) + n);
  const lines = [
    `soak: ${engine}, seed ${seed}, ${(lasted / 60_000).toFixed(1)} minutes, ${Math.round(process.memoryUsage().rss / 1048576)} MiB in the checker`,
    `acknowledged ${acknowledged}, not known of ${unknown}, received ${received}: ${repeats} repeats after a break, ${late} late, ` +
      `${gaps} gaps told, ${expired} clients expired while away`,
    `refusals and failures: ${wordsOf(failures)}`,
    `faults: ${wordsOf(counts)}`,
    `violations: ${wordsOf(checker.violations) || 'none'}`,
    ...checker.words,
  ];
  if (report !== undefined) await writeFile(report, `${lines.join('\n')}\n`);
  t.same([...checker.violations], [], 'no promise was broken');
  t.ok(acknowledged > 0 && received > 0, 'there was something to go by');
}

/** What was asked for by name, all unless it was. @throws Error that has all names, where one is unknown */
function chosen({ faults, endings }: Deployment, names: readonly string[] | undefined) {
  if (!names) return { harms: faults, endings };
  const all = [...faults, ...endings].map(({ name }) => name);
  const wrong = names.filter((name) => name !== 'none' && !all.includes(name));
  if (wrong.length > 0) throw new Error(`there is no fault ${wrong.join()}; there are: none,${all.join()}`);
  return {
    harms: faults.filter(({ name }) => names.includes(name)),
    endings: endings.filter(({ name }) => names.includes(name)),
  };
}

/** @returns what comes of it, or `otherwise` where that takes longer than this, in milliseconds */
async function atMost<Result>(
  milliseconds: number,
  promise: Promise<Result>,
  otherwise?: Result,
): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result | undefined>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function wordsOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}
