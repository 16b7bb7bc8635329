/**
 * What the API sends and takes, as its contract (openapi/openapi.yaml) has it. Times are RFC 3339 in UTC, durations are
 * in seconds.
 */

/** A client as others see it. */
export interface ClientInfo {
  /** A positive integer, never handed out twice. */
  readonly index: number;
  readonly name: string | null;
  readonly status: Status;
  /** The number of its newest open stream; null while it is away. */
  readonly socket: number | null;
  /** How many streams it has open. */
  readonly streams: number;
  readonly connectedAt: string;
  readonly lastSeenAt: string;
  readonly rooms: readonly string[];
}

export type Status = 'online' | 'away';

/** One page of `GET /clients`, by index. */
export interface Page {
  readonly clients: readonly ClientInfo[];
  /** How many there are on all pages. */
  readonly total: number;
  /** The path of the next page; null on the last. */
  readonly next: string | null;
}

export interface ListQuery {
  readonly status?: Status;
  /** Only those with exactly this name. */
  readonly name?: string;
  /** How many on a page: 100 unless set, 1000 at most. */
  readonly limit?: number;
  /** Only those with a higher index. */
  readonly after?: number;
}

/** Who a message is for. */
export type Destination = { readonly client: number } | { readonly room: string } | { readonly everyone: true };

/** What a sender hands over: `text`, `data`, or both. */
export interface Content {
  /** Not empty. */
  readonly text?: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** For how many seconds it is kept; 0 = only for those connected right now. */
  readonly ttl?: number;
}

export interface Message {
  /** Its place in the log, a decimal number; null for a message that was never stored (`ttl: 0`). */
  readonly id: string | null;
  /**
   * Set on a stream where the id is lower than one that came before: on NATS a message can be late while a node stood still or servers
   * changed their leader. It was not given out before. All other ids ascend.
   */
  readonly late?: true;
  /** Null when the sender did not say who it is. */
  readonly from: { readonly index: number; readonly name: string | null } | null;
  readonly to: Destination;
  readonly text?: string;
  readonly data?: unknown;
  readonly sentAt: string;
  readonly expiresAt?: string;
}

/** A message as its sender gets it back. */
export interface Sent extends Message {
  /** How many of those addressed are online now; the others get it when they return. */
  readonly reach: number;
}

/** A room: it is there as long as it has members. */
export interface RoomInfo {
  readonly name: string;
  readonly members: number;
  /** How many of them have a stream open. */
  readonly online: number;
  /** It is there to its members alone, and to those who are invited. */
  readonly private?: true;
  /** Whose private room it is: an index. */
  readonly owner?: number;
}

/** A private room that one may enter. */
export interface Invitation {
  readonly room: string;
  /** Whose room it is: an index. */
  readonly owner: number;
}

/** One page of `GET /rooms`, by name. */
export interface RoomPage {
  readonly rooms: readonly RoomInfo[];
  /** How many there are on all pages. */
  readonly total: number;
  /** The path of the next page; null on the last. */
  readonly next: string | null;
}

export interface RoomQuery {
  /** How many on a page: 100 unless set, 1000 at most. */
  readonly limit?: number;
  /** Only those whose name comes behind this one. */
  readonly after?: string;
}

/**
 * Something about a client has changed, maybe only for a moment: the event may repeat what is known. One that `left` may have come and
 * gone within a second, so that nothing was told of it before.
 */
export interface Presence {
  readonly change: 'joined' | 'away' | 'back' | 'left' | 'renamed' | 'entered' | 'exited';
  /** As it is now; as it was last, when it left. */
  readonly client: ClientInfo;
  /** The room that was entered or exited. */
  readonly room?: string;
}

/** How far one has read: ids. What is left out stays as it is. */
export interface ReadMarks {
  readonly mailbox?: string;
  readonly everyone?: string;
  readonly rooms?: Readonly<Record<string, string>>;
}

/** How far a client has read, on whatever device, and how much is unread. */
export interface ReadState {
  /** Null where nothing is read yet. */
  readonly mailbox: string | null;
  readonly everyone: string | null;
  readonly rooms: Readonly<Record<string, string>>;
  readonly unread: {
    readonly mailbox: number;
    readonly everyone: number;
    readonly rooms: Readonly<Record<string, number>>;
  };
}

/** A client that was just made, with the secret that proves who it is. */
export interface Joined {
  readonly client: ClientInfo;
  /**
   * What proves it. The server says null to whoever came by a session, a key or a JWT, which prove that already: this client then
   * puts that credential in its place.
   */
  readonly token: string;
  readonly cursor: string;
}

/** What a stream begins with. */
export interface Welcome extends Joined {
  /** False where a cursor was given that the server does not know: this is a new client. */
  readonly resumed: boolean;
  /** The time between two heartbeats, in seconds. */
  readonly heartbeat: number;
  /** Query parameters the server knows nothing of. */
  readonly ignored?: readonly string[];
}

/** Messages between these ids are no longer kept. */
export interface Gap {
  readonly after: string;
  /** The oldest that is still there; null when none is. */
  readonly oldest: string | null;
  /** What they were sent to. */
  readonly to?: Destination;
}

/** A message is no longer there. */
export interface Deleted {
  readonly id: string;
  /** What it was sent to. */
  readonly to: Destination;
}

/** One may enter a private room now. */
export interface Invited {
  readonly room: string;
  readonly by: { readonly index: number; readonly name: string | null };
}

/**
 * Why the server ends a stream: `expired` and `signed-out` say that the credential is over, `removed` that the client, its account
 * or its key is gone, or kept out.
 */
export interface Bye {
  readonly reason: 'shutdown' | 'left' | 'slow-consumer' | 'expired' | 'removed' | 'signed-out';
}

/** Which messages to read of a mailbox, a room, or of what was sent to everyone. */
export interface ReadQuery {
  /** An id or a cursor: those behind it. */
  readonly after?: string;
  /** An id: those in front of it. */
  readonly before?: string;
  readonly limit?: number;
  /** For how many seconds to wait for a message if there is none yet: 60 at most. */
  readonly wait?: number;
  /** Only messages whose text contains this, whatever the case. */
  readonly q?: string;
}

export interface MessagePage {
  readonly messages: readonly Message[];
  /** The `after` of the next reading. */
  readonly cursor: string;
  /** Whether messages behind `after` are no longer kept. */
  readonly gap: boolean;
}

/** By what one has shown who one is. */
export type CredentialKind = 'none' | 'client' | 'account' | 'key' | 'jwt' | 'operator';

/** Who one is, and what one may do. */
export interface WhoAmI {
  readonly kind: CredentialKind;
  /** Of the account, the key or the identity. */
  readonly name: string | null;
  /** The client that one is; null for nobody and for the operator. */
  readonly client: ClientInfo | null;
  /** Such as `send:client/2`; `*` in a name stands for any characters. */
  readonly may: readonly string[];
  /** When the credential ends by itself. */
  readonly expiresAt: string | null;
  /** Whether anyone may come, or only who has a credential. */
  readonly access: 'open' | 'members';
  /** Whether anyone may make an account. */
  readonly registration: 'open' | 'closed';
}

/** A session that has begun. */
export interface SignedIn extends WhoAmI {
  readonly client: ClientInfo;
  /** The secret of the session. Nobody is told it again. */
  readonly token: string;
}

/** One device that is signed in. */
export interface Session {
  readonly id: string;
  /** Whether it is the one that asks. */
  readonly current: boolean;
  /** What the device called itself. */
  readonly device: string | null;
  readonly createdAt: string;
  /** To the hour. */
  readonly usedAt: string;
}

/** Somebody who signs in with a name and a password. */
export interface Account {
  readonly name: string;
  readonly may: readonly string[];
  readonly createdAt: string;
}

/** A credential for a machine, without its secret. */
export interface Key {
  readonly id: string;
  readonly name: string;
  readonly may: readonly string[];
  readonly createdAt: string;
  /** Null: it holds until it is revoked. */
  readonly expiresAt: string | null;
  /** To the minute; null when it was never used. */
  readonly usedAt: string | null;
}

/** A key that was just made. */
export interface MadeKey extends Key {
  /** The key itself. Nobody is told it again. */
  readonly key: string;
}

/** Whom to keep out, and for how long. */
export type NewBan = (
  | { readonly account: string }
  /** An address, or a range such as `192.0.2.0/24`. */
  | { readonly address: string }
  /** The account, the key or the identity of this client. */
  | { readonly client: number }
) & { readonly seconds: number; readonly reason?: string };

/** Somebody who is kept out for a time. */
export interface Ban {
  readonly id: string;
  /** Such as `address 192.0.2.0/24`, or `account bob`. */
  readonly whom: string;
  readonly until: string;
  readonly reason: string | null;
  readonly by: string;
  readonly createdAt: string;
}

/** What was done to keep order. */
export interface AuditEntry {
  /** Its place in the log. */
  readonly id: string;
  readonly at: string;
  readonly by: string;
  /** Such as `ban.add`. */
  readonly action: string;
  readonly target: string;
}

/** One page of `GET /audit`, the oldest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** The path of the next page; null on the last. */
  readonly next: string | null;
}

export interface AuditQuery {
  /** How many on a page: 100 unless set, 1000 at most. */
  readonly limit?: number;
  /** Only those behind the entry of this id. */
  readonly after?: string;
}
