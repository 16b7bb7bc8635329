import t from 'tap';
import type { Engine } from '../../src/engine/engine.js';
import { lastingPort } from '../support/port.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait.js';
import { natsPlace } from './nats-place.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);
  const name = placeName();
  const proxy = await TcpProxy.open(await lastingPort(), nats.servers[0]?.port ?? 0);
  const near = await natsPlace(nats.url(name), 1).open();
  const far = await natsPlace(`nats://127.0.0.1:${proxy.port}/${name}`, 1).open();
  t.teardown(async () => {
    proxy.heal();
    await Promise.all([near.close(), far.close()]);
    proxy.close();
  });
  const seen = new Map<string, unknown>();
  await near.leases.watch(({ key, value }) => seen.set(key, value));

  const catchesUp = ({ leases }: Engine) =>
    leases.catchUp().then(
      () => true,
      () => false,
    );

  await t.test('who catches up knows what another node held before', async (t) => {
    for (let round = 0; round < 50; round++) {
      void far.leases.hold('x', round);
      await near.leases.catchUp();
      t.equal(seen.get('x'), round);
    }
  });

  await t.test(
    'a node that is cut off may be alive until it is forgotten, and is asked again when it is back',
    async (t) => {
      proxy.cut();
      await t.rejects(near.leases.catchUp(), { name: 'EngineUnavailable', message: /does not say what it holds/ });
      t.notOk(await catchesUp(far));
      await waitFor(async () => catchesUp(near));
      t.equal(seen.get('x'), undefined, 'its lease is over');
      const revision = await near.directory.put('client/1', 'meanwhile', null);
      proxy.heal();
      await waitFor(async () => catchesUp(far));
      t.equal((await far.directory.get('client/1'))?.revision, revision);
      // It has been heard of again; that it is noted again shows when it is cut off once more.
      await waitFor(async () => (await near.leases.catchUp(), seen.get('x') === 49));
      proxy.cut();
      await t.rejects(near.leases.catchUp(), { name: 'EngineUnavailable' });
    },
  );
}
