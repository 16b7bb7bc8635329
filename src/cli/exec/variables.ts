import type { Message } from '../../sdk/index.js';
import { targetOf } from '../target.js';

/** What is larger is left out of the environment: Linux takes no more than 128 KiB in one variable, and no more than some MiB in all. */
const LARGEST = 100_000;

/** What a command is told about the message it is run for. A variable is empty where there is nothing to say. */
export function variablesOf({ id, from, to, data, sentAt }: Message): Record<string, string> {
  const json = data === undefined ? '' : JSON.stringify(data);
  const sender = from === null ? '' : String(from.index);
  return {
    INTERCHAT_ID: id ?? '',
    INTERCHAT_FROM: sender,
    INTERCHAT_FROM_NAME: from?.name ?? '',
    INTERCHAT_TO: targetOf(to),
    // Said in a room, it is answered there. Whoever speaks to everyone does not want all the answers to go to everyone, too.
    INTERCHAT_REPLY_TO: 'room' in to ? targetOf(to) : sender,
    INTERCHAT_DATA: Buffer.byteLength(json) > LARGEST ? '' : json,
    INTERCHAT_SENT_AT: sentAt,
  };
}
