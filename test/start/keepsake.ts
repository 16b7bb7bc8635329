import type { Test } from 'tap';
import { ask } from '../support/http.js';
import { spawnServer } from '../support/server.js';

/** Something that was acknowledged, to be found again. */
export interface Keepsake {
  readonly token: string;
  readonly id: string;
  readonly text: string;
}

/** Has a server on this data folder acknowledge a message to client 1, and stops it. */
export async function leaveKeepsake(t: Test, folder: string): Promise<Keepsake> {
  const server = await spawnServer(t, { folder });
  const { token } = (await ask(`${server.url}/clients`, { method: 'POST' })).json as { token: string };
  const text = 'not to be lost';
  const sent = await ask(`${server.url}/clients/1/messages`, { json: { text } });
  t.equal(sent.status, 201);
  await server.end('SIGTERM');
  return { token, text, id: (sent.json as { id: string }).id };
}

/** Holds that a server on this data folder starts, and still has it. */
export async function findKeepsake(t: Test, folder: string, { token, id, text }: Keepsake): Promise<void> {
  const server = await spawnServer(t, { folder });
  const mailbox = await ask(`${server.url}/clients/1/messages`, { token });
  t.match([mailbox.status, mailbox.json], [200, { messages: [{ id, text }] }], 'what was acknowledged is still there');
  await server.end('SIGTERM');
}
