import type { Destination, Message } from '../../sdk/index.js';
import { targetOf } from '../target.js';
import { visible } from '../visible.js';

/** Where messages are exchanged; with `nobody` are those whose sender did not say who it is. */
export type Conversation = Destination | { readonly nobody: true };

/** Tells conversations apart. */
export function keyOf(conversation: Conversation): string {
  return 'nobody' in conversation ? 'nobody' : targetOf(conversation);
}

/** What to call it on the screen. @param name of the client, if it has one */
export function labelOf(conversation: Conversation, name: string | null = null): string {
  if (!('client' in conversation)) return visible(keyOf(conversation));
  return name === null ? `client ${conversation.client}` : visible(name);
}

/** To which conversation a message belongs, for the client it came to. */
export function conversationOf({ from, to }: Message): Conversation {
  if (!('client' in to)) return to;
  return from === null ? { nobody: true } : { client: from.index };
}
