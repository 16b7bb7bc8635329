import t, { type Test } from 'tap';
import type { Log } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { Connection, Hub, type Stream } from '../../src/hub/hub.js';
import { RETENTION } from '../engine/contract.js';
import { temporaryFolder } from '../support/folder.js';
import { waitFor } from '../support/wait.js';

/** A hub over a log that says later that it follows, as one does that asks another machine; and follows only then. */
async function serve(t: Test) {
  const engine = await openLmdbEngine({ folder: await temporaryFolder(t), retention: RETENTION });
  const { log } = engine;
  let asked = 0;
  let opened: (() => void)[] | undefined;
  const follow: Log['follow'] = async (topic, listener) => {
    asked++;
    await new Promise<void>((resolve) => (opened ? opened.push(resolve) : resolve()));
    return log.follow(topic, listener);
  };
  const slow = new Proxy(log, {
    get(_, name) {
      const value: unknown = name === 'follow' ? follow : Reflect.get(log, name);
      return typeof value === 'function' ? (value.bind(log) as unknown) : value;
    },
  });
  const { directory, leases } = engine;
  const health = () => engine.health();
  const hub = await Hub.open(
    { log: slow, directory, leases, health, close: () => engine.close() },
    {
      secret: 'a secret that is long enough for a test',
      grace: 60_000,
      onError: (error) => t.error(error),
    },
  );
  t.teardown(async () => {
    hub.close();
    await engine.close();
  });
  /** @param welcomed called when the client is told that it is connected */
  const connect = async (welcomed: () => void, rooms: string[] = []) => {
    const { client, position } = await hub.join(null, rooms);
    const { index } = client;
    const texts: unknown[] = [];
    const stream: Stream = {
      deliver: ({ body }) => texts.push((JSON.parse(Buffer.from(body).toString()) as { text: string }).text),
      gap: () => undefined,
      ready: () => undefined,
      broken: (error) => t.error(error),
      presence: () => undefined,
      read: () => undefined,
      invited: () => undefined,
      close: () => undefined,
      gone: () => undefined,
    };
    const connection = new Connection(index);
    const open = hub.openStream({ position }, false, connection, () => {
      welcomed();
      return stream;
    });
    t.teardown(() => hub.disconnected(connection));
    return { index, texts, open };
  };
  return {
    hub,
    connect,
    asked: () => asked,
    hold: () => (opened = []),
    letGo: () => {
      const waiting = opened ?? [];
      opened = undefined;
      for (const open of waiting) open();
    },
  };
}

void t.test('who is told that it is connected gets what reaches only those who are', async (t) => {
  const { hub, connect } = await serve(t);
  const sent: Promise<{ reach: number }>[] = [];
  const { texts, open } = await connect(() => {
    const send = (to: Parameters<typeof hub.sending.send>[1]['to'], text: string) =>
      sent.push(hub.sending.send(null, { to, text, ttl: 0 }));
    send({ everyone: true }, 'to all');
    send({ room: 'lobby' }, 'to the room');
    send({ client: 1 as never }, 'to it');
  }, ['lobby']);
  await open;
  t.match(await Promise.all(sent), [{ reach: 1 }, { reach: 1 }, { reach: 1 }]);
  t.same(texts, ['to all', 'to the room', 'to it']);
});

void t.test('nobody is counted as reached before it can be', async (t) => {
  const { hub, connect, asked, hold, letGo } = await serve(t);
  hold();
  let isWelcome = false;
  const { index, texts, open } = await connect(() => (isWelcome = true));
  await waitFor(async () => asked() > 0);
  t.match(await hub.sending.send(null, { to: { everyone: true }, text: 'too early', ttl: 0 }), { reach: 0 });
  t.notOk(hub.clients.isOnline(index));
  t.notOk(isWelcome);
  letGo();
  await open;
  t.ok(hub.clients.isOnline(index));
  t.same(texts, []);
});

void t.test('what is relayed while it is welcomed comes after the welcome', async (t) => {
  const { hub, connect } = await serve(t);
  let counted: Promise<unknown> | undefined;
  const opened = hub.clients.streamOpened.bind(hub.clients);
  hub.clients.streamOpened = async (index) => {
    const socket = await opened(index);
    counted = hub.sending.send(null, { to: { client: index }, text: 'at once', ttl: 0 });
    await counted;
    return socket;
  };
  const before: unknown[] = [];
  const reader = await connect(() => before.push(...reader.texts));
  await reader.open;
  t.match(await counted, { reach: 1 });
  t.same(before, []);
  t.same(reader.texts, ['at once']);
});

void t.test('who has entered a room gets what reaches only those who are in it', async (t) => {
  const { hub, connect } = await serve(t);
  const { index, texts, open } = await connect(() => undefined);
  await open;
  await hub.enter(index, 'lobby');
  t.match(await hub.sending.send(null, { to: { room: 'lobby' }, text: 'here', ttl: 0 }), { reach: 1 });
  t.same(texts, ['here']);
});
