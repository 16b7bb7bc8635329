import type { ConversationKey } from './conversation-key.js';

/** A message on its way out, as it outlives a reload. */
export interface Outgoing {
  /** The Idempotency-Key under which it is sent, however often. */
  readonly key: string;
  readonly to: ConversationKey;
  readonly text: string;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  /** Who sent it: the key means something for that client alone. */
  readonly sender: number;
}
