import process from 'node:process';
import processOnSpawn from 'process-on-spawn';

/*
 * Loaded before each test (see "tap" in package.json). tap has every Node that a test starts load what coverage is measured with,
 * whether it is measured or not, which costs a server more than its own start. Here it is not, so they start as they would for a user.
 */
processOnSpawn.removeAllListeners();
const { NODE_OPTIONS: options } = process.env;
if (options !== undefined) {
  const others = options
    .replace(/"--import=[^"]*@tapjs\/processinfo[^"]*"|--import=\S*@tapjs\/processinfo\S*/g, '')
    .trim();
  if (others === '') delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = others;
}
