import type { Client, Message } from '../../src/sdk/index.js';

/** The next message that comes to a client. */
export async function receive(client: Client): Promise<Message> {
  for await (const message of client.messages()) return message;
  throw new Error('no message came');
}

/** The text of it. */
export async function receiveText(client: Client): Promise<string | undefined> {
  return (await receive(client)).text;
}
