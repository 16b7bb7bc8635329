import type { Permission } from './access/permissions.js';
import type { ClientIndex } from './client-index.js';

/** Names a refusal for programs; part of the API. */
export type HubErrorCode =
  | 'invalid-request'
  | 'unauthorized'
  | 'forbidden'
  | 'banned'
  | 'name-taken'
  | 'room-exists'
  | 'no-such-client'
  | 'no-such-room'
  | 'too-many-rooms'
  | 'not-found'
  | 'client-gone'
  | 'idempotency-key-reused'
  | 'too-many-requests'
  | 'unavailable';

/** What the hub refuses to do, and why. The message says what to do. */
export abstract class HubError extends Error {
  abstract readonly code: HubErrorCode;
}

/** Nobody was ever given this index. */
export class NoSuchClient extends HubError {
  readonly code = 'no-such-client';
  constructor(readonly index: ClientIndex) {
    super(`There has never been a client ${index}. GET /clients lists those there are.`);
  }
}

/** The client of this index has left; nobody else will ever have it. */
export class ClientGone extends HubError {
  readonly code = 'client-gone';
  constructor(readonly index: ClientIndex) {
    super(`Client ${index} has left, and its index is not handed out again. GET /clients lists those there are.`);
  }
}

/** A room is there as long as it has members, and this one has none. */
export class NoSuchRoom extends HubError {
  readonly code = 'no-such-room';
  constructor(readonly room: string) {
    super(`There is no room ${room}: a room is there as long as it has members. GET /rooms lists those there are.`);
  }
}

/** The client is in as many rooms as one may be in. */
export class TooManyRooms extends HubError {
  readonly code = 'too-many-rooms';
  constructor(readonly most: number) {
    super(`A client may be in ${most} rooms at once, and this one would be in more. Leave one first.`);
  }
}

/** No such message is kept: it never was, it expired, or it was trimmed. */
export class NoSuchMessage extends HubError {
  readonly code = 'not-found';
  constructor() {
    super('No such message is kept here: it may have expired, or been trimmed as one of the oldest.');
  }
}

/** Nothing of this name or id is kept. */
export class NotFound extends HubError {
  readonly code = 'not-found';
}

/** What was presented as a token proves nothing. */
export class Unauthorized extends HubError {
  readonly code = 'unauthorized';
}

/** The token is genuine but belongs to somebody who may not do this. */
export class Forbidden extends HubError {
  readonly code = 'forbidden';
}

/** The credential is genuine, but does not carry the permission that this takes. */
export class PermissionMissing extends Forbidden {
  constructor(readonly permission: Permission) {
    super(
      `This takes the permission ${permission}, which the credential that came with it does not carry. Whoever gave it can give one that does.`,
    );
  }
}

/** Kept out for a time. */
export class Banned extends HubError {
  readonly code = 'banned';
  constructor(
    what: string,
    readonly until: number,
  ) {
    super(`${what} is kept out by an administrator until ${new Date(until).toISOString()}.`);
  }
}

/** Somebody else has this name, for ever. */
export class NameTaken extends HubError {
  readonly code = 'name-taken';
  constructor(taken: string) {
    super(`The name ${taken} belongs to somebody who signs in with it. Choose another, or sign in.`);
  }
}

/** There is a room of this name already, to whoever asks. */
export class RoomExists extends HubError {
  readonly code = 'room-exists';
  constructor(readonly room: string) {
    super(`There is a room ${room} already. Choose another name for a private one.`);
  }
}

/** The client has as many streams open as one may have. */
export class TooManyStreams extends HubError {
  readonly code = 'too-many-requests';
  constructor(readonly most: number) {
    super(
      `This client has ${most} streams open, which is the most there may be. Close one, or connect without a token.`,
    );
  }
}

/** Asked for something that can be understood but not done as it is. */
export class InvalidRequest extends HubError {
  readonly code = 'invalid-request';
  constructor(
    readonly path: string,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/** The key of a retry came with another request than the first time. */
export class IdempotencyKeyReused extends HubError {
  readonly code = 'idempotency-key-reused';
  constructor() {
    super(
      'This Idempotency-Key was used for another message within the last 10 minutes. Use a key of its own for each.',
    );
  }
}

/** The server is about to stop. */
export class Draining extends HubError {
  readonly code = 'unavailable';
  constructor() {
    super('The server is stopping. Try again in a moment: it, or the one that takes its place, will know you.');
  }
}
