// npm run bench: InterChat beside its peers. See README.md here.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bulk } from './scenarios/bulk.js';
import { idle } from './scenarios/idle.js';
import { latency } from './scenarios/latency.js';
import { fanOut, unicast } from './scenarios/live.js';
import { resume } from './scenarios/resume.js';
import type { Extent, Figures, Scenario } from './scenarios/scenario.js';
import { interchat } from './servers/interchat.js';
import { interchatOnNats } from './servers/interchat-nats.js';
import { nchan } from './servers/nchan.js';
import { nodePeers } from './servers/node-peers.js';
import { type Candidate, CLIENT_CORE, pinned } from './servers/server.js';
import { table } from './table.js';

const USAGE = `npm run bench -- [--quick] [--rounds N] [--only TEXT] [--servers TEXT,TEXT]
  --quick    a hundredth of everything, once: shows that it runs, its figures mean nothing
  --rounds   how often each is measured, one server after the other (3)
  --seconds  for how long each is measured (3)
  --only     only scenarios whose names contain one of these texts
  --servers  only servers whose names contain one of these texts, a whole name standing for that one alone; the ratios
             are to the first of them. interchat-nats and interchat-nats-2 have to be given as whole names`;

/** What a server in JavaScript needs to have compiled what it does all the time is several seconds. */
const FULL: Extent = { warmUp: 6000, measure: 3000, divisor: 1 };
const QUICK: Extent = { warmUp: 50, measure: 200, divisor: 100 };

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    servers: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(USAGE);
else await main();

async function main(): Promise<void> {
  // The load client is this process: on a core of its own, as far as there are two.
  if (pinned) spawnSync('taskset', ['-a', '-p', '-c', CLIENT_CORE, String(process.pid)]);
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const measured = values.seconds === undefined ? FULL.measure : Number(values.seconds) * 1000;
  const extent = values.quick ? QUICK : { ...FULL, measure: measured };
  const scenarios = scenariosOf(extent).filter(({ name }) => chosen(name, values.only));
  const candidates = candidatesOf(values.servers, values.quick);
  let failures = 0;
  for (const candidate of candidates) {
    const missing = candidate.missing();
    if (missing === null) continue;
    console.log(`NOT MEASURED: ${candidate.name}. It needs: ${missing}`);
    // Where everything is checked, nothing may be left out.
    if (process.env['CI']) failures++;
  }
  const there = candidates.filter((candidate) => candidate.missing() === null);
  const cores = pinned ? 'server and load client on a core each' : 'server and load client share what there is';
  console.log(
    `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}; ${cores}; rounds: ${rounds}.`,
  );
  console.log('Each figure is a median; the leading one with its least and largest.\n');
  for (const scenario of scenarios) {
    const found = new Map<string, Figures[]>();
    for (let round = 0; round < rounds; round++) {
      for (const candidate of there.filter((one) => takesPart(one, scenario, values))) {
        try {
          found.set(candidate.name, [...(found.get(candidate.name) ?? []), await once(candidate, scenario)]);
        } catch (error) {
          failures++;
          console.log(`FAILED: ${scenario.name}, ${candidate.name}: ${(error as Error).message}`);
        }
      }
    }
    console.log(table(scenario, found));
  }
  process.exitCode = failures > 0 ? 1 : 0;
}

/** With `--quick` alone those on demand show in two scenarios that they run; starting them takes longer than all else. */
function takesPart({ name, onDemand }: Candidate, scenario: Scenario, asked: typeof values): boolean {
  if (onDemand && asked.quick && asked.servers === undefined) {
    return ['fan-out 100x4', 'send 1000x64'].includes(scenario.name);
  }
  return scenario.only?.includes(name) ?? true;
}

/** Those that are asked for, in the order of the table. */
function candidatesOf(texts: string | undefined, quick: boolean): Candidate[] {
  const all: readonly Candidate[] = [interchat, ...interchatOnNats, nchan, ...nodePeers];
  if (texts === undefined) return all.filter(({ onDemand }) => quick || !onDemand);
  const names = all.map(({ name }) => name.toLowerCase());
  const wanted = texts.toLowerCase().split(',');
  return all.filter(({ name, onDemand }) =>
    wanted.some((text) => {
      const isWhole = names.includes(text);
      return isWhole || onDemand ? name.toLowerCase() === text : name.toLowerCase().includes(text);
    }),
  );
}

function scenariosOf(extent: Extent): Scenario[] {
  const sizes = [100, 1000, 5000, 10_000];
  return [
    ...sizes.flatMap((streams) => [fanOut(streams, 1, extent), fanOut(streams, 4, extent)]),
    ...[1, 64, 256].map((inFlight) => unicast(inFlight, extent)),
    bulk(extent),
    idle(extent),
    latency(extent),
    resume(extent),
  ];
}

/** Starts a server, has it do this once, and stops it. */
async function once(candidate: Candidate, scenario: Scenario): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'interchat-bench-'));
  try {
    const server = await candidate.start(folder);
    try {
      return await scenario.run(server);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function chosen(name: string, texts: string | undefined): boolean {
  return texts === undefined || texts.split(',').some((text) => name.toLowerCase().includes(text.toLowerCase()));
}
