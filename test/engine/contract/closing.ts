import type { Test } from 'tap';
import { EngineUnavailable, type Seq } from '../../../src/engine/engine.js';
import { entryOf, type NewPlace, openIn, topicOf } from './place.js';

const A = topicOf('client.1');

/** How an engine ends. */
export async function closingContract(t: Test, newPlace: NewPlace): Promise<void> {
  await t.test('afterwards nothing works, and says so', async (t) => {
    const engine = await openIn(t, await newPlace(t));
    await engine.directory.put('k', 1, null);
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    t.type(engine.health(), 'string');
    const { log, directory, leases } = engine;
    const calls: Record<string, () => Promise<unknown>> = {
      append: () => log.append([entryOf(A, 'x')]),
      relay: () => log.relay(A, Buffer.from('x')),
      read: () => log.read(A, { limit: 1 }),
      follow: () => log.follow(A, () => undefined),
      bounds: () => log.bounds(A),
      last: () => log.last(),
      drop: () => log.drop(A),
      erase: () => log.erase(A, 1 as Seq),
      allocate: () => directory.allocate('client'),
      allocated: () => directory.allocated('client'),
      get: () => directory.get('k'),
      put: () => directory.put('k', 1, null),
      remove: () => directory.remove('k'),
      settled: () => directory.settled(),
      'watch records': () => directory.watch('', () => undefined),
      hold: () => leases.hold('k', 1),
      release: () => leases.release('k'),
      'watch holdings': () => leases.watch(() => undefined),
    };
    for (const [name, call] of Object.entries(calls)) await t.rejects(call(), EngineUnavailable, name);
  });
}
