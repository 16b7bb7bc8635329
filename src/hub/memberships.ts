import type { Seq, Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { nameOf, type RoomId } from './room-id.js';
import { EVERYONE, mailboxOf, roomTopic } from './topics.js';

/** A part of a topic: what is behind `from`, up to and with `to`; without an end where that is null. */
export interface Window {
  readonly topic: Topic;
  readonly from: Seq;
  readonly to: Seq | null;
}

/** What a client may read: places in the log, which say exactly what was sent while it was there. Part of its record. */
export interface Memberships {
  /** The newest place when it became a client: what was sent to everyone before is not for it. */
  readonly since: Seq;
  /** The rooms it is in, and the newest place when it entered each. */
  readonly rooms: ReadonlyMap<string, Seq>;
  /** Where it has been: the oldest first. One that was away while it left a room still gets what it missed. */
  readonly past: readonly PastMembership[];
  /** Past memberships that ended at or before this place may have been forgotten. */
  readonly forgotten: Seq;
}

export type PastMembership = readonly [room: string, from: Seq, to: Seq];

/** Everything of the log that a client may read. */
export interface Scope {
  /** The newest place when it became a client: it misses nothing of what was before. */
  readonly since: Seq;
  readonly windows: readonly Window[];
  readonly forgotten: Seq;
}

/** Past memberships remembered of a client. */
const MOST_PAST = 100;

/** Shared, as most clients are in no room and have been in none. */
const NO_ROOMS: ReadonlyMap<string, Seq> = new Map();
const NO_PAST: readonly PastMembership[] = [];

export function membershipsSince(since: Seq): Memberships {
  return { since, rooms: NO_ROOMS, past: NO_PAST, forgotten: 0 as Seq };
}

export function entered(memberships: Memberships, rooms: readonly string[], at: Seq): Memberships {
  const all = new Map(memberships.rooms);
  for (const room of rooms) if (!all.has(room)) all.set(room, at);
  return { ...memberships, rooms: all };
}

export function exited(memberships: Memberships, room: string, at: Seq): Memberships {
  const rooms = new Map(memberships.rooms);
  const from = rooms.get(room);
  if (from === undefined) return memberships;
  rooms.delete(room);
  const past = [...memberships.past];
  const before = past.findIndex(([name, , to]) => name === room && to >= from);
  // It came back before anything was sent: one stay, so that going in and out does not add up.
  const began = before < 0 ? from : (past.splice(before, 1)[0]?.[1] ?? from);
  past.push([room, began, at]);
  const surplus = past.splice(0, Math.max(0, past.length - MOST_PAST));
  const forgotten = Math.max(memberships.forgotten, ...surplus.map(([, , to]) => to)) as Seq;
  return { ...memberships, rooms, past, forgotten };
}

/** Whether it has been in this room, or in a private one that was called as this public one is, and left it. */
export function hasLeft({ rooms, past }: Memberships, room: RoomId): boolean {
  return !rooms.has(room) && past.some(([id]) => id === room || nameOf(id) === room);
}

export function scopeOf(index: ClientIndex, { since, rooms, past, forgotten }: Memberships): Scope {
  return {
    since,
    windows: [
      { topic: mailboxOf(index), from: 0 as Seq, to: null },
      { topic: EVERYONE, from: since, to: null },
      ...[...rooms].map(([room, from]) => ({ topic: roomTopic(room), from, to: null })),
      ...past.map(([room, from, to]) => ({ topic: roomTopic(room), from, to })),
    ],
    forgotten,
  };
}
