import t from 'tap';
import { comeAndGo } from '../support/presence-load.js';
import { startServer } from '../support/server.js';

t.jobs = 2;

for (const seed of [1, 2]) {
  void t.test(`a list that is kept by what is told is LIST, whenever it was asked for (${seed})`, async (t) => {
    const { url } = await startServer(t, { rateLimit: 0 });
    await comeAndGo(t, [url], seed, 60);
  });
}
