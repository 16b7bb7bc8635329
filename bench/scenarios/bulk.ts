import { request } from 'node:http';
import { type Extent, measure, openStreams, scaled, type Scenario, shares, TEXT } from './scenario.js';

/** Lines of JSON through one request, to the mailboxes of 1,000 clients that are away. */
export function bulk(extent: Extent): Scenario {
  const clients = scaled(1000, extent);
  const lines = scaled(100_000, extent);
  return {
    name: 'bulk',
    only: ['InterChat', 'interchat-nats'],
    lead: 'CPU µs/message',
    async run(server) {
      const readers = await openStreams(server, clients, 'addressed');
      const indexes = readers.all.map(({ path }) => Number(path.split('/')[2]));
      readers.leave();
      const body = Buffer.from(
        Array.from({ length: lines }, (_, n) => `{"to":{"client":${indexes[n % clients]}},"text":"${TEXT}"}\n`).join(
          '',
        ),
      );
      await send(server.port, body, lines);
      const repeats = 3;
      const span = await measure(server, async () => {
        for (let n = 0; n < repeats; n++) await send(server.port, body, lines);
      });
      return {
        'CPU µs/message': (span.serverCpu * 1e6) / (lines * repeats),
        'messages/s': (lines * repeats) / span.seconds,
        ...shares(span),
      };
    },
  };
}

function send(port: number, body: Buffer, lines: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/messages', method: 'POST' };
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': body.length };
    const outgoing = request({ ...options, headers }, (response) => {
      let answered = 0;
      let refused = 0;
      response.on('data', (bytes: Buffer) => {
        for (let at = bytes.indexOf('\n'); at >= 0; at = bytes.indexOf('\n', at + 1)) answered++;
        if (bytes.includes('"status":')) refused++;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (answered === lines && refused === 0) resolve();
        else
          reject(new Error(`bulk: ${response.statusCode}, ${answered} of ${lines} lines answered, ${refused} refused`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
