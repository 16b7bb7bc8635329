import t from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { comeAndGo } from '../support/presence-load.js';
import { startServer } from '../support/server.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);

  void t.test('on two nodes, a list that is kept by what is told is LIST', async (t) => {
    const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
    const servers = await Promise.all([1, 2].map(() => startServer(t, { rateLimit: 0, engine })));
    await comeAndGo(
      t,
      servers.map(({ url }) => url),
      3,
      40,
    );
  });
}
