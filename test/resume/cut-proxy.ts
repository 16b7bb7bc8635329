import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

export interface CutProxy {
  readonly url: string;
  /** How many connections are open through it. */
  readonly open: number;
  /** Breaks all connections: with a reset, or as if the other side had just closed it. */
  cut(how: 'reset' | 'end'): void;
}

/** Stands between clients and a server, knows nothing of HTTP, and breaks connections wherever they happen to be. */
export async function cutProxy(t: Test, port: number): Promise<CutProxy> {
  const near = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    near.add(client);
    const end = () => {
      near.delete(client);
      client.destroy();
      upstream.destroy();
    };
    client.on('error', end).on('close', end).pipe(upstream);
    upstream.on('error', end).on('close', end).pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (how: 'reset' | 'end') => {
    for (const client of near) {
      if (how === 'reset') client.resetAndDestroy();
      else client.destroy();
    }
  };
  t.teardown(() => {
    server.close();
    cut('reset');
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get open() {
      return near.size;
    },
    cut,
  };
}
