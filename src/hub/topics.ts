import type { Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { nameOf, type RoomId } from './room-id.js';

/** To whom a message goes: one client, all members of a room, or all clients there are. */
export type Address = { readonly client: ClientIndex } | { readonly room: string } | { readonly everyone: true };

/** What is sent to all clients there are. */
export const EVERYONE = 'everyone' as Topic;

/** What says which messages were deleted, to all who may have read them. */
export const DELETIONS = 'deletions' as Topic;

/** Who did what to keep order. */
export const AUDIT = 'audit' as Topic;

/** What the hubs of several processes tell each other. It is relayed and never stored. */
export const HUBS = 'hubs' as Topic;

/** The topic of a client's mailbox. */
export function mailboxOf(index: ClientIndex): Topic {
  return `client.${index}` as Topic;
}

export function roomTopic(room: RoomId): Topic {
  return `room.${room}` as Topic;
}

/** Which room this is the topic of; undefined for that of anything else. */
export function roomOf(topic: Topic): RoomId | undefined {
  return topic.startsWith('room.') ? topic.slice('room.'.length) : undefined;
}

/** The address whose messages are under this topic. */
export function addressOf(topic: Topic): Address {
  if (topic === EVERYONE) return { everyone: true };
  const room = roomOf(topic);
  return room === undefined ? { client: Number(topic.slice('client.'.length)) as ClientIndex } : { room: nameOf(room) };
}
