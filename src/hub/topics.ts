import type { Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';

/** To whom a message goes: one client, all members of a room, or all clients there are. */
export type Address = { readonly client: ClientIndex } | { readonly room: string } | { readonly everyone: true };

/** What is sent to all clients there are. */
export const EVERYONE = 'everyone' as Topic;

/** The topic of a client's mailbox. */
export function mailboxOf(index: ClientIndex): Topic {
  return `client.${index}` as Topic;
}

export function roomTopic(room: string): Topic {
  return `room.${room}` as Topic;
}

/** Where in the log the messages to this address are. */
export function topicOf(address: Address): Topic {
  if ('client' in address) return mailboxOf(address.client);
  return 'room' in address ? roomTopic(address.room) : EVERYONE;
}

/** The address whose messages are under this topic. */
export function addressOf(topic: Topic): Address {
  if (topic === EVERYONE) return { everyone: true };
  const name = topic.slice(topic.indexOf('.') + 1);
  return topic.startsWith('room.') ? { room: name } : { client: Number(name) as ClientIndex };
}
