import type { Topic } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';

/** The topic of a client's mailbox. */
export function mailboxOf(index: ClientIndex): Topic {
  return `client.${index}` as Topic;
}
