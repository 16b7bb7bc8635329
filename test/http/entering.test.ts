import t from 'tap';
import { enterUnderLoad } from '../support/room-load.js';
import { startServer } from '../support/server.js';

void t.test('whoever enters rooms under load gets all that follows, once and in the order of the log', async (t) => {
  const { url } = await startServer(t, { rateLimit: 0 });
  const marked = await enterUnderLoad(t, { streams: [url, url], enters: [url], sends: [url] }, 20);
  t.equal(marked, 0, 'within one server none is late');
});
