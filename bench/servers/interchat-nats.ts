import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { together } from '../client/process.js';
import { open, PATH_TO_ALL, serve } from './interchat.js';
import { type Candidate, freePort, type Server, ServerProcess } from './server.js';

/** So many InterChats that are one by a NATS server; streams and publishers are spread over them. */
function onNats(name: string, nodes: number): Candidate {
  return {
    name,
    onDemand: true,
    missing: () => (spawnSync('nats-server', ['--version']).status === 0 ? null : 'apt-get install nats-server'),
    async start(folder) {
      const children: ServerProcess[] = [];
      // The InterChats first: what they still have to tell NATS can then be told.
      const stop = async () => {
        for (const child of [...children].reverse()) await child.stop();
      };
      try {
        const natsPort = await freePort();
        const file = join(folder, 'nats.conf');
        await writeFile(file, configuration(natsPort, folder));
        const nats = await ServerProcess.start(['nats-server', '--config', file], {
          port: natsPort,
          ready: /Server is ready/,
        });
        children.push(nats);
        const ports: number[] = [];
        for (let node = 0; node < nodes; node++) {
          const engine = `nats://127.0.0.1:${natsPort}`;
          const { port, child } = await serve(join(folder, String(node)), '--engine', engine);
          children.push(child);
          ports.push(port);
        }
        const portOf = (n: number) => ports[n % ports.length] as number;
        return {
          port: portOf(0),
          ports,
          pathToAll: PATH_TO_ALL,
          open: (n, kind, onEnd) => open(portOf(n), kind, onEnd),
          usage: async () => together(await Promise.all(children.map((child) => child.usage()))),
          natsUsage: () => nats.usage(),
          stop,
        } satisfies Server;
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

function configuration(port: number, folder: string): string {
  return `
listen: "127.0.0.1:${port}"
max_payload: 8MB
jetstream { store_dir: "${join(folder, 'nats')}" }
`;
}

export const interchatOnNats = [onNats('interchat-nats', 1), onNats('interchat-nats-2', 2)] as const;
