import { fileURLToPath } from 'node:url';
import { Stream } from '../client/stream.js';
import { type Candidate, freePort, type Server, ServerProcess } from './server.js';

/** A peer that is a program in ../peers: each stream has an id, and `all` reaches every one. */
function peer(name: string, program: string): Candidate {
  const file = fileURLToPath(new URL(`../peers/${program}.js`, import.meta.url));
  return {
    name,
    missing: () => null,
    async start() {
      const port = await freePort();
      const env = { PORT: String(port) };
      const child = await ServerProcess.start(['node', file], { port, env, ready: /^listening$/ });
      return {
        port,
        pathToAll: '/events?id=all',
        async open(n, _kind, onEnd) {
          const path = `/events?id=${n}`;
          return { stream: await Stream.open({ port, path }, onEnd), path };
        },
        usage: () => child.usage(),
        stop: () => child.stop(),
      } satisfies Server;
    },
  };
}

export const nodePeers = [
  peer('better-sse', 'better-sse'),
  peer('@fastify/sse', 'fastify-sse'),
  peer('res.write', 'plain'),
] as const;
