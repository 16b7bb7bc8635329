import t from 'tap';
import { connect, InterChat } from '../../src/sdk/index.js';
import { temporaryFolder } from '../support/folder.js';
import { openHouse, PASSWORD, SECRET } from './house.js';
import { ran } from './interchat.js';

void t.test('order is kept', async (t) => {
  const { url, env, operator } = await openHouse(t, ['mallory']);
  const own = { ...env, INTERCHAT_SECRET: SECRET, INTERCHAT_DATA: await temporaryFolder(t) };
  const { token } = await new InterChat(url).sessions.signIn('mallory', PASSWORD);
  const bob = await connect(url, { name: 'bob', rooms: ['lobby'] });
  t.teardown(() => bob.close());
  const added = await ran(t, ['ban', 'add', 'mallory', '--for', '12h', '--reason', 'flooding'], own);
  t.match(added, { code: 0, stdout: /^\w{18}: account mallory is kept out until .*, by operator \(flooding\)\.\n$/ });
  await t.rejects(connect(url, { token }), { code: 'banned' });
  t.match(await ran(t, ['ban', 'list', '--json'], own), { stdout: /^\{"id":"\w{18}","whom":"account mallory",/ });
  t.match(await ran(t, ['ban', 'lift', added.stdout.slice(0, 18)], own), { code: 0 });
  t.match(await ran(t, ['ban', 'list'], own), { code: 0, stdout: '' });
  t.match(await ran(t, ['ban', 'add', '192.0.2.0/24', '--for', '1m'], own), { stdout: /address 192\.0\.2\.0\/24/ });
  t.match(await ran(t, ['ban', 'add', String(bob.index), '--for', '1m'], own), {
    code: 1,
    stderr: /remove it, and ban/,
  });
  t.match(await ran(t, ['ban', 'add', '99', '--for', '1m'], own), { code: 4 });

  const { id } = await bob.say('lobby', 'oh');
  t.match(await ran(t, ['delete', '#lobby', id ?? ''], own), {
    code: 0,
    stdout: `Message ${id} in #lobby was deleted.\n`,
  });
  t.same((await bob.readRoom('lobby')).messages, []);
  t.match(await ran(t, ['delete', '#lobby', id ?? ''], own), { code: 1, stderr: /No such message/ });
  t.match(await ran(t, ['remove', 'bob'], own), { code: 0, stdout: 'Client 2 was removed.\n' });
  await t.rejects(operator.get(2), { code: 'client-gone' });
  t.match(await ran(t, ['remove', '2'], own), { code: 4 });
});
