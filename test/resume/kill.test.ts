import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { spawnServer } from '../support/server.js';
import { settle } from './ledger.js';
import { receivers } from './receivers.js';
import { Sender } from './senders.js';

/** So many that no mailbox is trimmed while its client is on its way back, however fast the machine. */
const KEEP_ALL = ['--keep-messages', '1000000'];

void t.test('kill -9 under load, again and again, loses nothing that was acknowledged', async (t) => {
  const where = { folder: await temporaryFolder(t), port: await lastingPort(), args: KEEP_ALL };
  let server = await spawnServer(t, where);
  const inboxes = await receivers(t, server.url);
  const everybody = inboxes.map(({ index }) => index);
  const senders = [1, 2, 3, 4].map((n) => new Sender(t, `sender-${n}`, server.url, everybody, n % 2 === 0));
  for (let round = 1; round <= 5; round++) {
    const had = inboxes.map(({ messages }) => messages.length);
    await Promise.all(
      inboxes.map((inbox, at) => inbox.until(({ messages }) => messages.length >= (had[at] as number) + 200)),
    );
    const connections = inboxes.map(({ welcomes }) => welcomes.length);
    t.equal(await server.end('SIGKILL'), null, 'killed');
    server = await spawnServer(t, where);
    await Promise.all(
      inboxes.map((inbox, at) => inbox.until(({ welcomes }) => welcomes.length > (connections[at] as number))),
    );
  }
  await settle(t, inboxes, senders);
  t.equal(await server.end('SIGTERM'), 0);
});
