import type { Message } from '../sdk/resources.js';

/** A page that is shorter, in characters, did not end for its length: the server puts 8 MiB into one at the most. */
const LONG = 1024 * 1024;

/** Whether there is nothing more in the direction of reading, by a page and by how many messages were asked for. */
export function isLastPage(messages: readonly Message[], limit: number): boolean {
  return messages.length === 0 || (messages.length < limit && JSON.stringify(messages).length < LONG);
}
