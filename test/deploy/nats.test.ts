import { spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { natsMissing } from '../support/nats.js';
import { lastingPort } from '../support/port.js';
import { waitFor } from '../support/wait.js';

const BINARY = process.env.NATS_SERVER ?? 'nats-server';
const SHIPPED = ['deploy/nats/nats.conf', 'deploy/kubernetes/nats.conf'];

for (const file of SHIPPED) {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));

  void t.test(`three NATS servers with ${file} become one`, { skip: natsMissing }, async (t) => {
    const folder = await temporaryFolder(t);
    const numbers = [0, 1, 2];
    const ports = await Promise.all(
      numbers.map(async () => [await lastingPort(), await lastingPort(), await lastingPort()]),
    );
    const shipped = await readFile(path, 'utf8');
    t.equal(spawnSync(BINARY, ['-t', '-c', path]).status, 0, 'nothing in it is unknown');
    for (const number of numbers) {
      const [client, monitor, cluster] = ports[number] as number[];
      let at = 0;
      const config = shipped
        .replace('0.0.0.0:4222', `127.0.0.1:${client}`)
        .replace('0.0.0.0:8222', `127.0.0.1:${monitor}`)
        .replace('0.0.0.0:6222', `127.0.0.1:${cluster}`)
        .replace('"/data"', `"${join(folder, String(number))}"`)
        .replace('/run/nats', folder)
        .replaceAll(/nats:\/\/[^:]+:6222/g, () => `nats://127.0.0.1:${ports[at++]?.[2]}`);
      const file = join(folder, `${number}.conf`);
      await writeFile(file, config);
      const server = spawn(BINARY, ['--config', file, '--name', `nats-${number}`], { stdio: 'ignore' });
      t.teardown(() => server.kill('SIGKILL'));
    }
    for (const [, monitor] of ports) {
      const url = `http://127.0.0.1:${monitor}`;
      await waitFor(async () => (await ask(`${url}/healthz`).catch(() => undefined))?.status === 200);
      await waitFor(async () => Number((await ask(`${url}/routez`)).json.num_routes) >= 2);
      t.match((await ask(`${url}/varz`)).json, { max_payload: 8 * 1024 * 1024 });
      const meta = async () => (await ask(`${url}/jsz`)).json.meta_cluster as { name: string; cluster_size: number };
      await waitFor(async () => (await meta()).cluster_size === 3);
      t.equal((await meta()).name, 'interchat');
    }
  });
}
