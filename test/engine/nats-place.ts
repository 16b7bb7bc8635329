import t from 'tap';
import { type NatsAddress, parseNatsAddress } from '../../src/engine/nats/address.js';
import { openNatsEngine } from '../../src/engine/nats/index.js';
import { natsMissing, placeName, startNats } from '../support/nats.js';
import { engineContract, type Place, RETENTION } from './contract.js';

/** Where an engine on NATS keeps its things. */
export function natsPlace(url: string, replicas: number): Place {
  const address = parseNatsAddress(url) as NatsAddress;
  return {
    open: (retention, now) => openNatsEngine({ address, replicas, retention: { ...RETENTION, ...retention }, now }),
  };
}

/** Runs the contract of all engines against NATS on so many servers, with as many replicas. */
export async function natsContract(servers: 1 | 3): Promise<void> {
  if (natsMissing) return t.plan(0, natsMissing);
  const nats = await startNats(t, servers);
  engineContract(`nats on ${servers}`, async () => natsPlace(nats.url(placeName()), servers));
}
