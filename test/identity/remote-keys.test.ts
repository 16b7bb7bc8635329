import t from 'tap';
import { COOLDOWN, RemoteKeys } from '../../src/identity/remote-keys.js';
import { newKey, Provider } from './provider.js';

void t.test('who still has the keys before gets those that others have fetched meanwhile', async (t) => {
  const provider = await Provider.start(t);
  provider.keys = [await newKey('ES256', 'one')];
  let time = 1_000_000;
  const remote = new RemoteKeys(provider.url, () => time, 5_000);
  const [before, same] = await Promise.all([remote.current(), remote.current()]);
  t.equal(before, same, 'one fetch for all who ask at once');
  t.equal(await remote.newerThan(before), undefined);
  time += COOLDOWN;
  const newer = await remote.newerThan(before);
  t.not(newer, before);
  t.equal(await remote.newerThan(before), newer);
  t.equal(provider.asked, 2);
});
