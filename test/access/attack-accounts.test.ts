import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { SignJWT } from 'jose';
import t from 'tap';
import { Passwords } from '../../src/hub/access/passwords.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { isEmbedded } from '../support/engine.js';
import { temporaryFolder } from '../support/folder.js';
import { House, PASSWORD } from './house.js';

void t.test(
  'a sign-in that is under way while the account is removed or its password set gives no session',
  async (t) => {
    const house = await House.open(t, {}, new Passwords());
    await house.account('alice');
    const [removed, gone] = await Promise.all([
      house.ask('/sessions', { json: { name: 'alice', password: PASSWORD } }),
      house.order('/accounts/alice', { method: 'DELETE' }),
    ]);
    t.equal(gone.status, 204);
    await house.account('alice');
    if (removed.status === 201) {
      const token = removed.json.token as string;
      t.equal((await house.ask('/sessions/current', { token })).status, 401, 'somebody else has the name now');
    }
    const setting = house.order('/accounts/alice/password', {
      method: 'PUT',
      json: { password: 'another good password' },
    });
    const [late, set] = await Promise.all([
      house.ask('/sessions', { json: { name: 'alice', password: PASSWORD } }),
      setting,
    ]);
    t.equal(set.status, 204);
    if (late.status === 201) {
      const token = late.json.token as string;
      t.equal((await house.ask('/sessions/current', { token })).status, 401, 'the old password is good for nothing');
    }
  },
);

/** Sends one line, then waits for `meanwhile`, then another. */
async function bulk(
  house: House,
  token: string,
  meanwhile: () => Promise<unknown>,
): Promise<Record<string, unknown>[]> {
  const outgoing = request(`${house.url}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
  });
  const line = `${JSON.stringify({ to: { room: 'lobby' }, text: 'spam' })}\n`;
  outgoing.write(line);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let answer = '';
  response.setEncoding('utf8').on('data', (part: string) => (answer += part));
  const ended = once(response, 'end');
  while (!answer.includes('\n')) await once(response, 'data');
  await meanwhile();
  outgoing.end(line);
  await ended;
  return answer
    .trimEnd()
    .split('\n')
    .map((one) => JSON.parse(one) as Record<string, unknown>);
}

void t.test('a bulk ends with the client, and with the permission', async (t) => {
  const house = await House.open(t);
  const listener = await house.stranger();
  await house.stream(listener.token, 'rooms=lobby');
  const spammer = await house.stranger();
  const lines = await bulk(house, spammer.token, () => house.order(`/clients/${spammer.index}`, { method: 'DELETE' }));
  t.match(lines, [{ reach: 1 }, { status: 410 }]);
  const alice = await house.member('alice');
  const permitted = await bulk(house, alice.token, () =>
    house.order('/accounts/alice', { method: 'PATCH', json: { may: ['connect'] } }),
  );
  t.match(permitted, [{ reach: 1 }, { status: 403 }]);
});

void t.test('a stream ends when its account may hold it no more', async (t) => {
  const house = await House.open(t);
  const alice = await house.member('alice');
  const plain = await house.stream(alice.token);
  const watching = await house.stream(alice.token, 'presence=true');
  const permit = (may: string[]) => house.order('/accounts/alice', { method: 'PATCH', json: { may } });
  t.equal((await permit(['connect', 'send:*'])).status, 200);
  t.match((await watching.take('bye')).data, { reason: 'removed' });
  await house.order(`/clients/${alice.index}/messages`, { json: { text: 'still there' } });
  t.match((await plain.take('message')).data, { text: 'still there' });
  await permit(['list']);
  t.match((await plain.take('bye')).data, { reason: 'removed' });
});

void t.test(
  'what a removal that broke off has left is not that of the next account of this name',
  { skip: !isEmbedded },
  async (t) => {
    const folder = await temporaryFolder(t);
    const before = await House.open(t, { data: folder });
    const alice = await before.member('alice');
    const bob = await before.member('bob');
    await before.ask('/rooms/team', { method: 'PUT', json: { private: true }, token: alice.token });
    await before.ask(`/clients/${alice.index}/messages`, { json: { text: 'for alice alone' } });
    const key = await before.key('sensor', ['connect']);
    const { client } = (await before.ask('/sessions/current', { token: key })).json as { client: { index: number } };
    await before.server.stop();
    const engine = await openLmdbEngine({ folder, retention: { maxEntries: 1e6, maxAge: 1e12, dedupWindow: 600_000 } });
    for (const prefix of ['account/', 'key/']) {
      const keys: string[] = [];
      (
        await engine.directory.watch(prefix, ({ key, record }) => {
          if ((record?.value as { name?: string } | undefined)?.name !== 'bob') keys.push(key);
        })
      )();
      for (const one of keys) await engine.directory.remove(one);
    }
    await engine.close();
    const house = await House.open(t, { data: folder });
    for (const index of [alice.index, client.index]) {
      t.equal((await house.ask(`/clients/${index}`)).status, 410, 'its client has left');
    }
    t.equal((await house.ask('/sessions/current', { token: bob.token })).status, 200, 'others are as they were');
    await house.account('alice');
    t.equal((await house.ask('/sessions/current', { token: alice.token })).status, 401, 'its sessions are over');
    const next = await house.signIn('alice');
    t.not(next.index, alice.index);
  },
);

void t.test('the name of an account is that of no identity, present or away', async (t) => {
  const secret = 'a secret of the identity provider, which is long enough';
  const house = await House.open(t, { jwtSecret: secret, jwtIssuer: 'https://id.example/', jwtAudience: 'interchat' });
  const token = await new SignJWT({ name: 'alice' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('https://id.example/')
    .setAudience('interchat')
    .setSubject('someone')
    .setExpirationTime('1h')
    .sign(Buffer.from(secret));
  await house.ask('/sessions/current', { token });
  t.match((await house.ask('/clients')).json, { clients: [{ name: 'alice' }] });
  await house.account('alice');
  t.match((await house.ask('/clients')).json, { clients: [{ name: null }] });
});
