import t from 'tap';
import type { Entry, Relayed } from '../../src/engine/engine.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { waitFor } from '../support/wait.js';
import { entry, textsOf, topic } from './contract.js';
import { natsPlace } from './nats-place.js';

void t.test('a server that is cut off from the others is not believed', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t, 3);
  const name = placeName();
  const apart = await natsPlace(nats.url(name, 0), 3).open();
  const others = await natsPlace(nats.url(name, 1), 3).open();
  t.teardown(async () => {
    nats.heal(0);
    await Promise.all([apart.close(), others.close()]);
  });
  const told: (Entry | Relayed)[] = [];
  await apart.log.follow(topic('room.a'), (one) => told.push(one));
  await apart.log.append([entry('room.a', 'before')]);

  nats.cut(0);
  // It answers, for some time even as if it led.
  await waitFor(async () => apart.health() !== null);
  for (let asked = 0; asked < 20; asked++) {
    await t.rejects(apart.log.last(), { name: 'EngineUnavailable' });
    await t.rejects(apart.log.append([entry('room.a', 'to nobody')]), { name: 'EngineUnavailable' });
    await t.rejects(apart.directory.put('client/1', 1, null), { name: 'EngineUnavailable' });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // They elect one who leads, where that was the third, and again when it is back.
  const append = (text: string) =>
    waitFor(() =>
      others.log.append([entry('room.a', text)]).then(
        () => true,
        () => false,
      ),
    );
  await append('meanwhile');
  t.same(textsOf(told), ['before']);

  nats.heal(0);
  await waitFor(async () => apart.health() === null);
  await append('after');
  await waitFor(async () => textsOf(told).includes('after'));
  const read = textsOf(await others.log.read(topic('room.a'), { limit: 100 }));
  t.same(textsOf(told), read);
  t.notOk(read.includes('to nobody'));
});
