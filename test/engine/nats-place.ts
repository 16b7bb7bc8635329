import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import t from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { openNatsEngine } from '../../src/engine/nats/index.js';
import { Names } from '../../src/engine/nats/names.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { engineContract, type Place, RETENTION } from './contract.js';

/** Where an engine on NATS keeps its things. */
export function natsPlace(url: string, replicas: number): Place {
  const address = parseNatsAddress(url) as NatsAddress;
  return {
    open: (retention, now) =>
      openNatsEngine({ address, replicas, allowUnsafe: true, retention: { ...RETENTION, ...retention }, now }),
  };
}

/** Runs the contract of all engines against NATS on so many servers, with as many replicas. */
export async function natsContract(servers: 1 | 3): Promise<void> {
  if (natsMissing) return t.plan(0, natsMissing);
  const nats = await startNats(t, servers);
  const connection = await connect({ servers: nats.servers.map(({ url }) => url) });
  t.teardown(() => connection.close());
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  engineContract(`nats on ${servers}`, async () => {
    const name = placeName();
    const { log, keys, bucketStream, marks, reserve } = new Names(name);
    // Three NATS servers would go on agreeing on each of some two hundred streams for as long as the tests run.
    const remove = async () => {
      // One that was not made, or cannot be removed in time, is no fault of the engine.
      for (const stream of [log, keys, bucketStream, marks, reserve]) await streams.delete(stream).catch(() => false);
    };
    return { ...natsPlace(nats.url(name), servers), remove };
  });
}
