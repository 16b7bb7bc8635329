import { once } from 'node:events';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import { Names } from '../../src/engine/nats/names.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { type Answer, ask } from '../support/http.js';
import { type NatsCluster, natsMissing, placeName, startNats } from '../support/nats.js';
import { run, type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

interface Me {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

/** A client that has read all its messages but the last one, whose id is `last`. */
interface Old extends Me {
  readonly last: number;
}

const TEXT = { 'content-type': 'text/plain' };

/** What a store was is known in a second place: if it goes back, nothing is served, and the operator decides. */
async function tests(): Promise<void> {
  t.jobs = 4;
  const nats = await startNats(t);
  const connection = await connect({ servers: nats.url() });
  t.teardown(() => connection.close());
  const jsm = await jetstreamManager(connection);

  const streams = { log: 'log', directory: 'bucketStream', 'dedup keys': 'keys' } as const;
  for (const [what, stream] of Object.entries(streams)) {
    void t.test(`the stream of the ${what} removed while a node runs`, async (t) => {
      const name = placeName();
      const lost = new Names(name)[stream];
      const engine = ['--engine', nats.url(name)];
      const node = await spawnServer(t, { folder: await temporaryFolder(t), args: engine });
      const old = await makeClient(node);
      await jsm.streams.delete(lost);

      await refusesToServe(t, node, old, lost);
      const refused = await run(['serve', '--port', '0', ...engine]);
      t.equal(refused.code, 1);
      t.match(refused.stderr, oneLine(lost));
      await t.rejects(jsm.streams.info(lost), /stream not found/, 'it was not made anew');
      await waitFor(async () => node.output().includes('--accept-loss'));

      const next = await accept(t, node, engine);
      if (what === 'directory') await beginsAnew(t, next, old);
      else await goesOn(t, next, old, what === 'log');
      t.equal(await next.end('SIGTERM'), 0);
      const last = await spawnServer(t, { folder: await temporaryFolder(t), args: engine });
      t.equal((await ask(`${last.url}/readyz`)).status, 200, 'the loss is accepted once and for all');
    });
  }

  void t.test('a disk that was wiped, while nodes run', async (t) => {
    const own = await startNats(t);
    const engine = ['--engine', own.url()];
    const [one, other] = await Promise.all([startNode(t, engine), startNode(t, engine)]);
    const old = await makeClient(one);
    await replaceStore(own, async (store) => rm(store, { recursive: true }));
    for (const node of [one, other]) await refusesToServe(t, node, old, 'interchat-log');
    const refused = await run(['serve', '--port', '0', ...engine]);
    t.equal(refused.code, 1);
    t.match(refused.stderr, oneLine('interchat-log'));
    const next = await accept(t, one, engine, other);
    await beginsAnew(t, next, old);
  });

  void t.test('an older copy of everything brought back, while a node runs', async (t) => {
    const own = await startNats(t);
    const engine = ['--engine', own.url()];
    const node = await startNode(t, engine);
    const before = await makeClient(node);
    const copy = join(await temporaryFolder(t), 'copy');
    await replaceStore(own, (store) => cp(store, copy, { recursive: true }));
    await waitFor(async () => (await ask(`${node.url}/readyz`)).status === 200);
    const old = await makeClient(node);
    await replaceStore(own, async (store) => {
      await rm(store, { recursive: true });
      await cp(copy, store, { recursive: true });
    });
    await refusesToServe(t, node, before, 'interchat-log');
    const refused = await run(['serve', '--port', '0', ...engine]);
    t.match(refused.stderr, oneLine('interchat-log in NATS ends at'));
    const next = await accept(t, node, engine);
    // It is in the older copy, and may have missed something since then.
    await goesOn(t, next, { ...before, last: old.last }, true);
    const page = await ask(`${next.url}/clients/${before.client.index}/messages`, { token: before.token });
    t.equal((page.json.messages as unknown[]).length, 4, 'what is left of its messages, and the new one');
    await beginsAnew(t, next, old);
  });

  for (const stream of ['log', 'bucketStream'] as const) {
    void t.test(`an older copy of one stream brought back, before a start: ${stream}`, async (t) => {
      const own = await startNats(t);
      const engine = ['--engine', own.url()];
      const node = await startNode(t, engine);
      await makeClient(node);
      const copy = join(await temporaryFolder(t), 'copy');
      await replaceStore(own, (store) => cp(store, copy, { recursive: true }));
      await waitFor(async () => (await ask(`${node.url}/readyz`)).status === 200);
      const old = await makeClient(node);
      t.equal(await node.end('SIGTERM'), 0);
      const lost = new Names('interchat')[stream];
      await replaceStore(own, async (store) => {
        const folder = join('jetstream', '$G', 'streams', lost);
        await rm(join(store, folder), { recursive: true });
        await cp(join(copy, folder), join(store, folder), { recursive: true });
      });
      const refused = await run(['serve', '--port', '0', ...engine]);
      t.equal(refused.code, 1);
      t.match(refused.stderr, oneLine(`${lost} in NATS ends at`.replaceAll('$', '.')));
      const next = await startNode(t, [...engine, '--accept-loss']);
      if (stream === 'log') await goesOn(t, next, old, true);
      else await beginsAnew(t, next, old);
    });
  }

  void t.test('a stream that is gone before a start, without a mark of what it was', async (t) => {
    for (const stream of ['log', 'bucketStream'] as const) {
      const name = placeName();
      const engine = ['--engine', nats.url(name)];
      const node = await startNode(t, engine);
      await makeClient(node);
      t.equal(await node.end('SIGTERM'), 0);
      const names = new Names(name);
      // As an earlier version leaves it.
      await removeAll(jsm, [names.marks, names[stream]]);
      if (stream === 'log') await jsm.streams.purge(names.bucketStream, { filter: names.keySubject('mark.>') });
      const refused = await run(['serve', '--port', '0', ...engine]);
      t.equal(refused.code, 1);
      t.match(refused.stderr, oneLine(names[stream]));
    }
  });

  void t.test('streams that a start has made and not used yet are no loss', async (t) => {
    const name = placeName();
    const engine = ['--engine', nats.url(name)];
    await (await startNode(t, engine)).end('SIGTERM');
    const names = new Names(name);
    await removeAll(jsm, [names.marks, names.keys, names.bucketStream]);
    t.equal((await ask(`${(await startNode(t, engine)).url}/readyz`)).status, 200);
  });
}

async function startNode(t: Test, args: readonly string[]): Promise<ServerProcess> {
  return spawnServer(t, { folder: await temporaryFolder(t), args });
}

async function removeAll(jsm: JetStreamManager, streams: readonly string[]): Promise<void> {
  for (const stream of streams) await jsm.streams.delete(stream);
}

/** Makes a client and sends it messages. */
async function makeClient(node: ServerProcess): Promise<Old> {
  const me = (await ask(`${node.url}/clients`, { json: {} })).json as unknown as Me;
  let last = 0;
  for (let n = 0; n < 3; n++) {
    const sent = await send(node, me, `text ${n}`, { 'idempotency-key': `${me.client.index}-${n}` });
    if (sent.status !== 201) throw new Error(sent.text);
    last = Number(sent.json.id);
  }
  const page = await ask(`${node.url}/clients/${me.client.index}/messages?limit=2`, { token: me.token });
  return { ...me, cursor: String(page.json.cursor), last };
}

function send(node: ServerProcess, { client }: Me, body: string, headers = {}): Promise<Answer> {
  return ask(`${node.url}/clients/${client.index}/messages`, { body, headers: { ...TEXT, ...headers } });
}

async function refusesToServe(t: Test, node: ServerProcess, { client, token }: Me, lost: string): Promise<void> {
  const ready = () => ask(`${node.url}/readyz`);
  await waitFor(async () => (await ready()).status === 503);
  await waitFor(async () => (await ready()).text.includes('--accept-loss'));
  t.ok((await ready()).text.includes(lost));
  const mailbox = `${node.url}/clients/${client.index}/messages`;
  t.equal((await ask(mailbox, { body: 'lost', headers: TEXT })).status, 503, 'a send is refused');
  t.equal((await ask(mailbox, { token })).status, 503, 'a read is refused');
  t.equal((await ask(`${node.url}/clients`, { json: {} })).status, 503, 'no client is made');
}

/** A start that goes on after the loss; nodes that served what was lost end themselves. */
async function accept(
  t: Test,
  node: ServerProcess,
  engine: readonly string[],
  ...others: readonly ServerProcess[]
): Promise<ServerProcess> {
  const ends = [node, ...others].map(({ process }) => once(process, 'exit'));
  const next = await startNode(t, [...engine, '--accept-loss']);
  for (const end of ends) t.same((await end)[0], 1);
  t.match(node.output(), /^interchat: Another node goes on after a loss[^\n]*$/m);
  t.match(next.output(), /This start goes on without it/);
  t.equal((await ask(`${next.url}/readyz`)).status, 200);
  return next;
}

/** The client is still one, and is told of a gap if messages are missing. Its next message has an id of its own. */
async function goesOn(t: Test, next: ServerProcess, old: Old, missing: boolean): Promise<void> {
  const reader = await EventReader.open(t, `${next.url}/events`, { 'last-event-id': old.cursor });
  t.match((await reader.next()).data, { resumed: true, client: { index: old.client.index } });
  const sent = await send(next, old, 'after');
  t.equal(sent.status, 201);
  t.ok(Number(sent.json.id) > old.last, 'no id is given twice');
  await reader.until(({ events }) => events.some(({ data }) => data.id === sent.json.id));
  t.equal(
    reader.events.some(({ event }) => event === 'gap'),
    missing,
    'gap in the stream',
  );
  const path = `${next.url}/clients/${old.client.index}/messages?after=${old.cursor}`;
  t.equal((await ask(path, { token: old.token })).json.gap, missing, 'gap in the mailbox');
}

/** Nothing is known of the client: no other has its number, its token opens nothing, and its cursor begins a new one. */
async function beginsAnew(t: Test, next: ServerProcess, old: Old): Promise<void> {
  const path = `${next.url}/clients/${old.client.index}/messages`;
  t.equal((await ask(path, { token: old.token })).status, 401);
  const reader = await EventReader.open(t, `${next.url}/events`, { 'last-event-id': old.cursor });
  const { data } = await reader.next();
  t.equal(data.resumed, false);
  const me = data as unknown as Me;
  t.ok(me.client.index > old.client.index, 'no number is given twice');
  const sent = await send(next, me, 'after');
  t.ok(Number(sent.json.id) > old.last, 'no id is given twice');
  t.equal((await reader.take('message')).data.text, 'after', 'it gets what is sent to it, and nothing else');
}

/** Stops the server, changes what it has stored, and starts it again. */
async function replaceStore(nats: NatsCluster, change: (store: string) => Promise<void>): Promise<void> {
  const [server] = nats.servers;
  if (!server) return;
  // Nodes note each second how far they are.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await server.end('SIGTERM');
  await change(server.store);
  await server.start();
}

function oneLine(text: string): RegExp {
  return new RegExp(`^interchat: [^\\n]*${text}[^\\n]*--accept-loss[^\\n]*\\n$`);
}
