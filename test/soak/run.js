import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `Usage: npm run test:soak -- --engine embedded|nats [--minutes N] [--seed N] [--faults NAME,…] [--clients NAME,…] [--rate N] [--keep N] [--longest N] [--plant-loss P]

  --minutes N      how long faults follow each other; 1 unless set
  --seed N         the order of the faults; 1 unless set
  --faults LIST    only these; "none", or a wrong name, which prints all names
  --clients LIST   only these kinds of clients, of raw,sdk,poll,flap,move,presence
  --rate N         messages a second; 150 unless set, with NATS 80
  --keep N         messages that a mailbox or a room keeps: the fewer, the more gaps; 100 unless set
  --longest N      characters of the longest texts; 60000 unless set
  --plant-loss P   readers lose this part of what comes, such as 0.002: the run must end with exit code 1
`;

/** What is not for the soak is for tap. */
const { values, tokens } = parseArgs({
  options: {
    engine: { type: 'string', default: 'embedded' },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'string' },
    clients: { type: 'string', default: 'raw,sdk,poll,flap,move,presence' },
    rate: { type: 'string' },
    keep: { type: 'string' },
    longest: { type: 'string' },
    'plant-loss': { type: 'string', default: '0' },
    help: { type: 'boolean' },
  },
  strict: false,
  tokens: true,
});
const own = ['engine', 'minutes', 'seed', 'faults', 'clients', 'rate', 'keep', 'longest', 'plant-loss'];
const options = {
  engine: values.engine,
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  faults: values.faults === undefined ? undefined : String(values.faults).split(','),
  clients: String(values.clients).split(','),
  rate: Number(values.rate ?? (values.engine === 'nats' ? 80 : 150)),
  keep: Number(values.keep ?? 100),
  longest: Number(values.longest ?? 60_000),
  plantLoss: Number(values['plant-loss']),
};
const { engine, minutes, seed, rate, plantLoss } = options;
const isWrong =
  !['embedded', 'nats'].includes(engine) ||
  !(minutes > 0) ||
  !Number.isInteger(seed) ||
  !(rate > 0) ||
  !(plantLoss >= 0);
if (values.help || isWrong) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const folder = await mkdtemp(join(tmpdir(), 'interchat-soak-'));
const report = join(folder, 'report');
const others = tokens.filter(({ kind, name }) => kind === 'option' && !own.includes(name));
const tests = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('../run.js', import.meta.url)),
    // For what is under way when the time is up, and for all to be well again.
    `--timeout=${Math.ceil(minutes * 60) + 600}`,
    ...(others.some(({ name }) => name === 'reporter') ? [] : ['--reporter=tap']),
    ...others.map(({ rawName, value }) => (value === undefined ? rawName : `${rawName}=${value}`)),
    'test/soak/soak.ts',
  ],
  { stdio: 'inherit', env: { ...process.env, SOAK: JSON.stringify({ ...options, report }) } },
);
const [code] = await once(tests, 'exit');
// As comments, so that a reader of TAP passes them over.
const text = await readFile(report, 'utf8').catch(() => 'The soak ended before it could be judged.\n');
process.stdout.write(`\n${text}exit code ${code ?? 1}\n`.replace(/^(?=.)/gm, '# '));
await rm(folder, { recursive: true });
process.exitCode = code ?? 1;
