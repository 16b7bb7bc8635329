/**
 * A client of InterChat for Node: `connect` for whoever receives, `InterChat` for whoever only lists and sends.
 * @module interchat/client
 */
export type { Accounts } from './accounts.js';
export { Client, type ClientEvents, connect, type ConnectOptions, type Disconnection } from './client.js';
export {
  ClientGone,
  CredentialOver,
  type InputError,
  InterChatError,
  type Problem,
  ProblemError,
  UnexpectedAnswer,
  Unreachable,
} from './errors.js';
export { type CallOptions, InterChat, type InterChatOptions, type SendOptions } from './interchat.js';
export type { Keys } from './keys.js';
export type { Moderation } from './moderation.js';
export type { PrivateRooms } from './private-rooms.js';
export type {
  Account,
  AuditEntry,
  AuditPage,
  AuditQuery,
  Ban,
  Bye,
  ClientInfo,
  Content,
  CredentialKind,
  Deleted,
  Destination,
  Gap,
  Invitation,
  Invited,
  Joined,
  Key,
  ListQuery,
  MadeKey,
  Message,
  MessagePage,
  NewBan,
  Page,
  Presence,
  ReadMarks,
  ReadQuery,
  ReadState,
  RoomInfo,
  RoomPage,
  RoomQuery,
  Sent,
  Session,
  SignedIn,
  Status,
  Welcome,
  WhoAmI,
} from './resources.js';
export type { Sessions } from './sessions.js';
export type { TransportOptions } from './transport.js';
