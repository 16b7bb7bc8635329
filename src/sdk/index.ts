/**
 * A client of InterChat for Node: `connect` for whoever receives, `InterChat` for whoever only lists and sends.
 * @module interchat/client
 */
export { Client, type ClientEvents, connect, type ConnectOptions, type Disconnection } from './client.js';
export {
  ClientGone,
  type InputError,
  InterChatError,
  type Problem,
  ProblemError,
  UnexpectedAnswer,
  Unreachable,
} from './errors.js';
export { type CallOptions, InterChat, type InterChatOptions, type SendOptions } from './interchat.js';
export type {
  Bye,
  ClientInfo,
  Content,
  Destination,
  Gap,
  Joined,
  ListQuery,
  Message,
  MessagePage,
  Page,
  Presence,
  ReadMarks,
  ReadQuery,
  ReadState,
  RoomInfo,
  RoomPage,
  RoomQuery,
  Sent,
  Status,
  Welcome,
} from './resources.js';
export type { TransportOptions } from './transport.js';
