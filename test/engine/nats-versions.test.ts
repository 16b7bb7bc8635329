import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { EngineUnusable } from '../../src/engine/engine.js';
import type { Link, LinkListener } from '../../src/engine/nats/link.js';
import { ServerVersions } from '../../src/engine/nats/server-versions.js';
import { lastingPort } from '../support/port.js';
import { natsFragile, natsMissing, startNats } from '../support/nats.js';
import { run } from '../support/server.js';
import { waitFor } from '../support/wait.js';

/** What a server says of itself as soon as it is connected to. */
async function introduce(t: Test, version: string, port = 0): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(`INFO {"server_id":"A","version":"${version}","proto":1,"headers":true} \r\n`);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return server;
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A connection to a server of this version, which knows of these others. */
function linkTo(version: string, others: readonly string[]) {
  const listeners: LinkListener[] = [];
  const link = {
    version,
    nc: { info: { connect_urls: others } },
    unsafe: null as string | null,
    listen: (listener: LinkListener) => listeners.push(listener),
    doubt: () => listeners.forEach((listener) => listener.doubt()),
  };
  return link as typeof link & Link;
}

void t.test('servers before 2.10 are found, whichever of them is connected to', async (t) => {
  const [old, fit] = [addressOf(await introduce(t, '2.9.25')), addressOf(await introduce(t, '2.10.27'))];
  const silent = `127.0.0.1:${await lastingPort()}`;
  const refusal = { constructor: EngineUnusable, message: /^NATS 2\.9[^\n]*--allow-unsafe-nats[^\n]*$/ };
  await t.rejects(new ServerVersions(linkTo('2.9.10', []), []).assertSafe(), refusal);
  await t.rejects(new ServerVersions(linkTo('2.10.27', []), [fit, old]).assertSafe(), refusal);
  await t.rejects(new ServerVersions(linkTo('2.11.1', [old]), [fit]).assertSafe(), refusal);
  await new ServerVersions(linkTo('2.10.27', [fit, silent]), [fit, silent]).assertSafe();
  await new ServerVersions(linkTo('3.0.0-beta', []), []).assertSafe();
});

void t.test('one that comes later has the node serve nothing until it is gone', async (t) => {
  const port = await lastingPort();
  const link = linkTo('2.10.27', []);
  const versions = new ServerVersions(link, [`127.0.0.1:${port}`]);
  t.teardown(() => versions.close());
  const lines: string[] = [];
  versions.watch((line) => lines.push(line));
  const old = await introduce(t, '2.9.10', port);
  await waitFor(async () => {
    link.doubt();
    return link.unsafe !== null;
  });
  t.match(lines, [/^NATS 2\.9\.10 loses acknowledged messages/]);
  old.close();
  await waitFor(async () => {
    link.doubt();
    return link.unsafe === null;
  });
  t.equal(lines.length, 1);
});

void t.test('a start and an import with replicas are refused at once', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t);
  const old = addressOf(await introduce(t, '2.9.10'));
  // Where the real one is new enough, the other one is not.
  const engine = ['--engine', natsFragile ? nats.url() : `${nats.url()},nats://${old}`, '--replicas', '3'];
  const refused = await run(['serve', '--port', '0', ...engine]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^interchat: NATS 2\.9\.\d+ loses acknowledged messages[^\n]*\n$/);
  // It goes on to what one server alone is refused for.
  const allowed = await run(['serve', '--port', '0', ...engine, '--allow-unsafe-nats']);
  t.match(allowed.stderr, /^interchat: NATS cannot keep the log on 3 servers/);
});
