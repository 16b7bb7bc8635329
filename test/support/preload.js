import Module from 'node:module';
import process from 'node:process';
import processOnSpawn from 'process-on-spawn';

/*
 * Loaded before each test (see "tap" in package.json), and by ../run.js before anything else. tap has each Node that runs a
 * test, and each that a test starts, note what it loads: for coverage, which is not measured here. That costs a test half a
 * second of CPU, and a server more than its own start. So none of that, and what a test starts starts as it would for a user.
 */
const PROCESSINFO = '@tapjs/processinfo';
const IMPORTS = /"--import=[^"]*"|--import=\S+/g;

// tap itself hands its options on to the tests.
if (process.env.TAP === '1') {
  processOnSpawn.removeAllListeners();
  processOnSpawn.addListener = () => undefined;
  const { register } = Module;
  Module.register = (specifier, options, ...rest) => {
    if (!String(options?.parentURL).includes(PROCESSINFO)) register(specifier, options, ...rest);
  };

  const options = process.env.NODE_OPTIONS?.replace(IMPORTS, (option) =>
    option.includes(PROCESSINFO) || option.includes(import.meta.url) ? '' : option,
  ).trim();
  if (options) process.env.NODE_OPTIONS = options;
  else delete process.env.NODE_OPTIONS;

  // One that was not built before: see ../run.js.
  if (process.argv[1]?.endsWith('.ts')) await import('tsx');
}
