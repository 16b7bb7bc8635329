import t from 'tap';
import type { Seq } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { Hub } from '../../src/hub/hub.js';
import { roomTopic } from '../../src/hub/topics.js';
import { RETENTION } from '../engine/contract.js';
import { temporaryFolder } from '../support/folder.js';
import { Recorder } from './recorder.js';

const MEMBERS = 1_000;
const AWAY = 300;
const MESSAGES = 100;

void t.test('of a thousand members of a room all get all of it, and the log keeps it once', async (t) => {
  const engine = await openLmdbEngine({ folder: await temporaryFolder(t), retention: RETENTION });
  t.teardown(() => engine.close());
  const hub = await Hub.open(engine, { secret: 'x'.repeat(32), grace: 600_000 });
  t.teardown(() => hub.close());
  const joined = await Promise.all(
    Array.from({ length: MEMBERS }, async () => {
      const { client, position } = await hub.join(null, ['lobby']);
      return { index: client.index, position };
    }),
  );
  const recorders = await Promise.all(joined.map((one) => Recorder.open(hub, one)));
  const absent = recorders.slice(0, AWAY);
  for (const recorder of absent) recorder.drop();
  t.same(hub.room('lobby', null), { name: 'lobby', members: MEMBERS, online: MEMBERS - AWAY });

  const sent: (Seq | null)[] = [];
  for (let n = 1; n <= MESSAGES; n++) {
    const { seq, reach } = await hub.sending.send(null, { to: { room: 'lobby' }, text: String(n) });
    if (reach !== MEMBERS - AWAY) t.fail(`it reached ${reach}`);
    sent.push(seq);
  }
  const present = recorders.slice(AWAY);
  await Promise.all(present.map((recorder) => recorder.has(MESSAGES)));
  const wanted = sent.join();
  t.equal(present.filter(({ seqs }) => seqs.join() === wanted).length, MEMBERS - AWAY, 'those who were there');

  const returned = await Promise.all(
    joined.slice(0, AWAY).map(({ index }, at) => {
      const position = absent[at]?.cursor as Seq;
      return Recorder.open(hub, { index, position });
    }),
  );
  t.equal(returned.filter(({ seqs }) => seqs.join() === wanted).length, AWAY, 'those who were away');
  t.equal([...present, ...returned].filter(({ gaps }) => gaps.length > 0).length, 0);

  t.equal(await engine.log.count(roomTopic('lobby'), 0 as Seq), MESSAGES);
  t.equal(await engine.log.last(), MESSAGES, 'and there is nothing else in the log');
});
