import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t from 'tap';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { smallDisk } from '../start/small-disk.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { RETENTION } from './contract.js';
import { fullContract } from './contract/full.js';
import { natsPlace } from './nats-place.js';

void t.test('lmdb', (t) =>
  fullContract(t, async (t) => {
    const disk = await smallDisk(t, '12m');
    if (!disk) return undefined;
    const folder = join(disk.folder, 'data');
    return {
      open: (retention) => openLmdbEngine({ folder, retention: { ...RETENTION, ...retention } }),
      fill: () => disk.fill(),
      free: () => disk.free(),
    };
  }),
);

void t.test('nats', { skip: natsMissing }, async (t) => {
  const nats = await startNats(t, 1, { maxFileStore: 12_000_000 });
  const connection = await connect({ servers: nats.servers.map(({ url }) => url) });
  t.teardown(() => connection.close());
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  await fullContract(t, async (t) => {
    const name = placeName();
    const ballast = `${name}-of-others`;
    t.teardown(async () => {
      for await (const stream of streams.names()) await streams.delete(stream);
    });
    return {
      open: natsPlace(nats.url(name), 1).open,
      async fill() {
        await streams.add({ name: ballast, subjects: [ballast] });
        for (let n = 0; n < 8; n++) await connection.request(ballast, Buffer.alloc(1_000_000));
      },
      async free() {
        await streams.delete(ballast);
      },
    };
  });
});
