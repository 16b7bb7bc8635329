import type { Destination, Message } from '../sdk/resources.js';

/** Names a conversation: with one client, in a room, with everyone, or what came from nobody in particular. It is the page's fragment, too. */
export type ConversationKey = `client/${number}` | `room/${string}` | 'everyone' | 'nobody';

/** The conversation with whom this names. */
export function keyTo(to: Destination): ConversationKey {
  if ('room' in to) return `room/${to.room}`;
  return 'client' in to ? `client/${to.client}` : 'everyone';
}

/** Which conversation a message belongs to, for whoever this says is oneself. */
export function keyOf(message: Message, isMine: (index: number) => boolean): ConversationKey {
  const { to, from } = message;
  if (!('client' in to)) return keyTo(to);
  if (from === null) return 'nobody';
  return `client/${isMine(from.index) ? to.client : from.index}`;
}

/** Where messages of this conversation are sent; undefined where there is nobody to send to. */
export function destinationOf(key: ConversationKey): Destination | undefined {
  if (key === 'everyone') return { everyone: true };
  if (key === 'nobody') return undefined;
  const name = key.slice(key.indexOf('/') + 1);
  return key.startsWith('room/') ? { room: name } : { client: Number(name) };
}

/** The path at which messages of this conversation are sent; those of a room and to everyone are read there, too. */
export function messagesPath(key: ConversationKey): string {
  const destination = destinationOf(key);
  if (destination && 'client' in destination) return `clients/${destination.client}/messages`;
  return destination && 'room' in destination ? `rooms/${destination.room}/messages` : 'messages';
}

/** The room of this conversation, where it is one. */
export function roomOf(key: ConversationKey): string | undefined {
  return key.startsWith('room/') ? key.slice('room/'.length) : undefined;
}

/** The client of this conversation, where it is one with one. */
export function clientOf(key: ConversationKey): number | undefined {
  return key.startsWith('client/') ? Number(key.slice('client/'.length)) : undefined;
}

/** Whether its messages come through the mailbox of this client, and go into that of another. */
export function isDirect(key: ConversationKey): boolean {
  return key === 'nobody' || key.startsWith('client/');
}

/** The conversation that a fragment such as `#room/lobby` names; undefined for anything else. */
export function parseKey(fragment: string): ConversationKey | undefined {
  const key = fragment.replace(/^#/, '');
  const known = /^(?:everyone|nobody|client\/[1-9]\d{0,14}|room\/[A-Za-z0-9_-]{1,64})$/.test(key);
  return known ? (key as ConversationKey) : undefined;
}
