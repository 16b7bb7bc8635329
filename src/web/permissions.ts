import type { Destination } from '../sdk/resources.js';

/** What one may do, as the server asks for it: `send:` goes on with a target, `read:` with the name of a room. */
export type Permission = 'connect' | 'list' | 'admin' | `send:${string}` | `read:${string}`;

/** The permission to send there. */
export function toSend(to: Destination): Permission {
  if ('client' in to) return `send:client/${to.client}`;
  return 'room' in to ? `send:room/${to.room}` : 'send:everyone';
}

/** What the server says that one may do. It decides itself; this is for not offering what it would refuse. */
export class Rights {
  /** @param texts as the server has them: in names a `*` stands for any characters */
  constructor(readonly texts: readonly string[]) {}

  allows(needed: Permission): boolean {
    return this.texts.some((text) => text === 'admin' || matches(text.split('*'), needed));
  }

  /** A sentence for each. */
  inWords(): readonly string[] {
    return this.texts.map((text) => `You may ${deedOf(text)}.`);
  }
}

/** What a permission lets one do, to go on with after `You may`. */
export function deedOf(permission: string): string {
  const [, kind, target = ''] = /^(send|read):(.*)$/.exec(permission) ?? [];
  switch (permission) {
    case 'connect':
      return 'be a client: connect, and read what is sent to you';
    case 'list':
      return 'see who and what there is';
    case 'admin':
      return 'do everything, and keep order: delete messages, remove clients';
    case 'send:*':
      return 'send to all clients and rooms, and to everyone';
    case 'send:everyone':
      return 'send to everyone';
    case 'send:client/*':
      return 'send to any client';
    case 'read:*':
      return 'enter all rooms, and read what is said in them';
  }
  if (kind === 'read') return `enter ${roomsOf(target)}, and read what is said there`;
  if (target.startsWith('room/')) return `send to ${roomsOf(target.slice('room/'.length))}`;
  if (target.startsWith('client/')) return `send to client ${target.slice('client/'.length)}`;
  return `do what takes the permission ${permission}`;
}

/** Why something is not offered, as it takes a permission that one has not. */
export function refusalFor(permission: string): string {
  return `You may not ${deedOf(permission)}: you do not have the permission ${permission}.`;
}

function roomsOf(pattern: string): string {
  if (pattern === '*') return 'all rooms';
  return pattern.includes('*') ? `the rooms whose names look like ${pattern}` : `the room ${pattern}`;
}

/** Whether a text consists of these parts with anything between them. */
function matches(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return first === text;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
