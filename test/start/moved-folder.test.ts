import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

void t.test('a data folder that is renamed under a running server, and named back', async (t) => {
  const root = await temporaryFolder(t);
  const [folder, elsewhere] = [join(root, 'data'), join(root, 'elsewhere')];
  const server = await spawnServer(t, { folder });
  t.match(server.output(), `began a new log in ${folder}`);
  const { json } = await ask(`${server.url}/clients`, { method: 'POST' });
  const send = (text: string) => ask(`${server.url}/clients/1/messages`, { json: { text } });
  const status = async () => (await ask(`${server.url}/readyz`)).status;
  t.equal((await send('before')).status, 201);
  await rename(folder, elsewhere);
  await waitFor(async () => (await status()) === 503);
  const refused = await send('refused');
  t.match([refused.status, refused.json.code], [503, 'unavailable']);
  t.notMatch(refused.text, root, 'clients are told no path');
  t.equal((await ask(`${server.url}/healthz`)).status, 200);
  t.equal((await ask(`${server.url}/clients`)).json.total, 1, 'LIST');
  const said = server.output().match(/log\.mdb of the data folder [^\n]+Put the same folder and files back/g);
  t.equal(said?.length, 1, 'one line says what to do');
  await rename(elsewhere, folder);
  await waitFor(async () => (await status()) === 200);
  t.equal((await send('after')).status, 201);
  t.equal(await server.end('SIGTERM'), 0);
  const next = await spawnServer(t, { folder });
  t.notMatch(next.output(), 'began a new log');
  const mailbox = await ask(`${next.url}/clients/1/messages`, { token: String(json.token) });
  t.same(
    (mailbox.json.messages as { text: string }[]).map(({ text }) => text),
    ['before', 'after'],
  );
  t.equal(await next.end('SIGTERM'), 0);
});
