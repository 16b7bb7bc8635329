import t from 'tap';
import { RecentIds } from '../../src/sdk/recent-ids.js';

void t.test('an id is new once, whatever its order, and only so many are kept', async (t) => {
  const ids = new RecentIds(2);
  t.same(
    ['2', '1', '2', '3', '1', '2'].map((id) => ids.add(id)),
    [true, true, false, true, false, true],
  );
});
