import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { lastingPort } from '../support/port.js';
import { spawnServer } from '../support/server.js';
import { settle } from './ledger.js';
import { receivers } from './receivers.js';
import { Sender } from './senders.js';

/** So many that no mailbox is trimmed while its client is on its way back, however fast the machine. */
const KEEP_ALL = ['--keep-messages', '1000000'];

void t.test('a restart under load costs nobody a message, and nobody gets one twice', async (t) => {
  const where = { folder: await temporaryFolder(t), port: await lastingPort(), args: KEEP_ALL };
  let server = await spawnServer(t, where);
  const inboxes = await receivers(t, server.url);
  const everybody = inboxes.map(({ index }) => index);
  const senders = [1, 2, 3, 4].map((n) => new Sender(t, `sender-${n}`, server.url, everybody, n % 2 === 0));
  for (let round = 1; round <= 2; round++) {
    await Promise.all(inboxes.map((inbox) => inbox.until(({ messages }) => messages.length >= round * 300)));
    const began = performance.now();
    t.equal(await server.end('SIGTERM'), 0, 'exit code');
    const seconds = (performance.now() - began) / 1000;
    t.ok(seconds < 10, `stopped after ${seconds.toFixed(2)} s`);
    t.comment(`stopped under load after ${seconds.toFixed(2)} s`);
    for (const inbox of inboxes) {
      await inbox.until(({ byes }) => byes.length >= round);
      t.same([...new Set(inbox.byes)], ['shutdown'], `${inbox.kind} was told why`);
    }
    const connections = inboxes.map(({ welcomes }) => welcomes.length);
    server = await spawnServer(t, where);
    await Promise.all(
      inboxes.map((inbox, at) => inbox.until(({ welcomes }) => welcomes.length > (connections[at] as number))),
    );
  }
  await settle(t, inboxes, senders);
  t.equal(await server.end('SIGTERM'), 0);
});
