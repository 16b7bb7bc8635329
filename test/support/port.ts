import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * A free port for a server that is to come back on it. It lies below the range from which the kernel takes the ports of
 * outgoing connections: while the server is down, one of those could take its port, even a connection to that very port.
 */
export async function lastingPort(): Promise<number> {
  const end = Math.min(await firstOutgoing(), 32_768);
  for (;;) {
    const port = randomInt(10_000, end);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

async function firstOutgoing(): Promise<number> {
  try {
    return Number.parseInt(await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    // Not Linux: 32,768 is where the lowest of the usual ranges begins.
    return 32_768;
  }
}
