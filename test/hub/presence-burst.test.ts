import t from 'tap';
import type { ClientIndex } from '../../src/hub/client-index.js';
import type { ClientInfo } from '../../src/hub/clients.js';
import { Presence } from '../../src/hub/presence.js';
import { waitFor } from '../support/wait.js';

void t.test('of many clients that leave at once a watcher is told in small deliveries, of each once', async (t) => {
  const COUNT = 5_000;
  const clients = new Map<ClientIndex, ClientInfo>();
  for (let index = 1; index <= COUNT; index++) {
    clients.set(index as ClientIndex, {
      index: index as ClientIndex,
      name: null,
      status: 'away',
      socket: null,
      streams: 0,
      connectedAt: 0,
      lastSeenAt: 0,
      rooms: [],
    });
  }
  const presence = new Presence({
    all: () => clients.values(),
    peek: (index) => clients.get(index),
    roomsFor: () => undefined,
    isInPrivateRoom: () => false,
  });
  const sizes: number[] = [];
  const left: ClientIndex[] = [];
  const watcher = {
    presence: ({
      events,
    }: {
      readonly events: readonly { readonly change: string; readonly client: ClientInfo }[];
    }) => {
      sizes.push(events.length);
      for (const { change, client } of events) if (change === 'left') left.push(client.index);
    },
  };
  t.teardown(presence.watch(watcher, 0 as ClientIndex));
  const all = [...clients.keys()];
  clients.clear();
  for (const index of all) presence.changed(index);
  await waitFor(async () => left.length >= COUNT);
  t.same(left, all);
  t.ok(Math.max(...sizes) <= 600, `${Math.max(...sizes)} at most`);
});
