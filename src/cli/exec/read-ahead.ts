import { Backlog } from '../../sdk/backlog.js';
import type { Client, Message } from '../../sdk/index.js';

/** A message, and the cursor behind it. */
export interface Received {
  readonly message: Message;
  readonly cursor: string;
}

/** The messages of a client, each taken from it when the one before is dealt with. */
export async function* received(client: Client): AsyncGenerator<Received, void, undefined> {
  for await (const message of client.messages()) yield { message, cursor: client.cursor };
}

/**
 * The same, but up to so many are taken from the client beforehand: whoever takes minutes for a message would else be cut off
 * as one who does not read, and in the end be taken for away.
 */
export async function* readAhead(client: Client, capacity: number): AsyncGenerator<Received, void, undefined> {
  const waiting = new Backlog<Received>(capacity);
  const fill = async () => {
    for await (const next of received(client)) await waiting.put(next);
  };
  void fill().then(
    () => waiting.end(),
    (error: Error) => waiting.end(error),
  );
  for (let next = await waiting.take(); next; next = await waiting.take()) yield next;
}
