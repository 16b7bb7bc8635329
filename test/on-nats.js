import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';

/**
 * Runs tests that talk to a server with NATS as its engine: starts a real nats-server, then ./run.js with the arguments given.
 * `npm run test:nats` says which tests those are.
 */
const folder = await mkdtemp(join(tmpdir(), 'interchat-nats-'));
const port = await freePort();
const config = join(folder, 'nats.conf');
await writeFile(
  config,
  `listen: "127.0.0.1:${port}"\nmax_payload: 8MB\njetstream { store_dir: "${join(folder, 'store')}" }\n`,
);
const nats = spawn(process.env.NATS_SERVER ?? 'nats-server', ['-c', config], { stdio: 'ignore' });
nats.once('error', () => {
  process.stderr.write('NOT TESTED: there is no nats-server on this machine (Debian: apt-get install nats-server)\n');
  process.exit(1);
});
try {
  await isOpen();
  const run = fileURLToPath(new URL('run.js', import.meta.url));
  const tests = spawn(process.execPath, [run, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, TEST_NATS: `nats://127.0.0.1:${port}` },
  });
  const [code] = await once(tests, 'exit');
  process.exitCode = code ?? 1;
} finally {
  nats.kill('SIGKILL');
  await once(nats, 'exit');
  await rm(folder, { recursive: true, force: true });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function isOpen() {
  for (;;) {
    const socket = createConnection(port, '127.0.0.1');
    const answer = await Promise.race([
      once(socket, 'data').then(
        () => true,
        () => false,
      ),
      once(socket, 'close').then(() => false),
    ]);
    socket.destroy();
    if (answer) return;
    await wait(50);
  }
}
