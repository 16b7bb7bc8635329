import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { settle } from '../../resume/ledger.js';
import { receivers } from '../../resume/receivers.js';
import { Sender } from '../../resume/senders.js';
import { temporaryFolder } from '../../support/folder.js';
import { ask } from '../../support/http.js';
import { lastingPort } from '../../support/port.js';
import { spawnServer } from '../../support/server.js';
import { waitFor } from '../../support/wait.js';
import type { ProxyKind } from '../proxy.js';

export async function survivesKill(t: Test, kind: ProxyKind): Promise<void> {
  const where = { folder: await temporaryFolder(t), port: await lastingPort(), args: ['--keep-messages', '1000000'] };
  const server = await spawnServer(t, where);
  const proxy = await kind.start(t, { upstreams: [server.port] });
  const inboxes = await receivers(t, proxy.url);
  const everybody = inboxes.map(({ index }) => index);
  const senders = [true, false].map((keyed) => new Sender(t, `sender-${keyed}`, proxy.url, everybody, keyed));
  await Promise.all(inboxes.map((inbox) => inbox.until(({ messages }) => messages.length > 50)));
  t.equal(await server.end('SIGKILL'), null, 'killed');
  // While there is no InterChat, an EventSource comes back all the same, and has to be told to come again.
  await Promise.all(inboxes.map((inbox) => inbox.until(({ byes }) => byes.length > 0)));
  await spawnServer(t, where);
  await Promise.all(inboxes.map((inbox) => inbox.until(({ welcomes }) => welcomes.length > 1)));
  await settle(t, inboxes, senders);
}

export async function repeatsNothing(t: Test, kind: ProxyKind): Promise<void> {
  // Two that read a SEND whole and end without an answer, as if killed between the two.
  const taken: string[] = [];
  const upstreams = [];
  for (let n = 0; n < 2; n++) {
    const upstream = createServer((incoming, response) => {
      if (incoming.method === 'GET') return void response.end('ok');
      incoming.on('end', () => {
        taken.push(String(incoming.headers['x-number']));
        incoming.socket.destroy();
      });
      incoming.resume();
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    t.teardown(() => {
      upstream.close();
      upstream.closeAllConnections();
    });
    upstreams.push((upstream.address() as AddressInfo).port);
  }
  const proxy = await kind.start(t, { upstreams });
  const numbers = ['1', '2', '3'];
  for (const number of numbers) {
    // On a connection that was just used, too.
    t.equal((await ask(`${proxy.url}/clients`)).status, 200);
    for (const path of ['/clients/1/messages', '/messages']) {
      const { status } = await ask(proxy.url + path, { body: 'Hello', headers: { 'x-number': number + path } });
      t.ok([502, 503].includes(status), `the sender learns that nobody knows: ${status}`);
    }
    // Until one that failed is taken for alive again, it is not there to take a second one.
    await waitFor(async () => (await ask(`${proxy.url}/clients`)).status === 200);
  }
  t.same([...new Set(taken)], taken, 'none came twice');
  t.ok(taken.length >= numbers.length, `${taken.length} of ${2 * numbers.length} came`);
}
