import t, { type Test } from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { enterUnderLoad } from '../support/room-load.js';
import { startServer } from '../support/server.js';

if (natsMissing) t.plan(0, natsMissing);
else await tests();

async function tests(): Promise<void> {
  const nats = await startNats(t);
  const serve = async (t: Test, count: number) => {
    const engine = parseNatsAddress(nats.url(placeName())) as NatsAddress;
    const servers = Array.from({ length: count }, () => startServer(t, { rateLimit: 0, engine }));
    return (await Promise.all(servers)).map(({ url }) => url) as [string, string];
  };

  void t.test('on two nodes, whoever enters rooms under load gets all that follows, once and in order', async (t) => {
    const [one, other] = await serve(t, 2);
    const marked = await enterUnderLoad(t, { streams: [one, other], enters: [one, other], sends: [one, other] }, 12);
    t.equal(marked, 0, 'while both nodes answer none is late');
  });
}
