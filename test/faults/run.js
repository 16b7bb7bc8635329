import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * Does harm to a server for some minutes, and checks what came of it: `npm run test:faults -- --minutes 10`. `--seed N` has it
 * do the same things in the same order again. What else is given is for tap.
 */
const { values, tokens } = parseArgs({
  options: { minutes: { type: 'string', default: '0.5' }, seed: { type: 'string', default: '1' } },
  strict: false,
  tokens: true,
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write('Give --minutes a number above 0, such as 0.5, and --seed a whole number.\n');
  process.exit(2);
}
const others = tokens.filter(({ kind, name }) => kind === 'option' && name !== 'minutes' && name !== 'seed');
const run = fileURLToPath(new URL('../run.js', import.meta.url));
const tests = spawn(
  process.execPath,
  [
    run,
    // For what is under way when the time is up, and for all to go well again.
    `--timeout=${Math.ceil(minutes * 60) + 300}`,
    ...others.map(({ rawName, value }) => (value === undefined ? rawName : `${rawName}=${value}`)),
    'test/faults/faults.ts',
  ],
  { stdio: 'inherit', env: { ...process.env, FAULTS_MINUTES: String(minutes), FAULTS_SEED: String(seed) } },
);
const [code] = await once(tests, 'exit');
process.exitCode = code ?? 1;
