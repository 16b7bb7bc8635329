import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { spawnServer } from '../support/server.js';
import { cutProxy } from './cut-proxy.js';
import { settle } from './ledger.js';
import { receivers } from './receivers.js';
import { Sender } from './senders.js';

void t.test('a cut connection alone costs nothing, wherever in the stream of bytes it is cut', async (t) => {
  // A process of its own, so that what it holds open after so many cuts is seen when it is to end.
  const server = await spawnServer(t, { folder: await temporaryFolder(t), args: ['--keep-messages', '1000000'] });
  const proxy = await cutProxy(t, server.port);
  const inboxes = await receivers(t, proxy.url);
  const everybody = inboxes.map(({ index }) => index);
  // The senders are cut too: what they do not know of may have been stored or not.
  const senders = [1, 2, 3].map((n) => new Sender(t, `sender-${n}`, proxy.url, everybody, n % 2 === 0));
  for (let round = 1; round <= 6; round++) {
    const had = inboxes.map(({ messages }) => messages.length);
    await Promise.all(
      inboxes.map((inbox, at) => inbox.until(({ messages }) => messages.length >= (had[at] as number) + 200)),
    );
    const connections = inboxes.map(({ welcomes }) => welcomes.length);
    proxy.cut(round % 2 === 0 ? 'end' : 'reset');
    await Promise.all(
      inboxes.map((inbox, at) => inbox.until(({ welcomes }) => welcomes.length > (connections[at] as number))),
    );
  }
  await settle(t, inboxes, senders);
  t.equal(await server.end('SIGTERM'), 0, 'and the server ends as it should');
});
