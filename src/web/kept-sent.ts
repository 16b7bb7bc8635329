import type { Message } from '../sdk/resources.js';

/** As many of one's own messages to single clients are remembered, and of so many characters. A browser keeps 5 million for a tab. */
const MOST = 300;
const LONGEST = 1_000_000;
/** What a message takes besides what it says. */
const AROUND = 250;

/** The newest of what was sent that can be remembered, with room left for what matters more: what is still to be sent. */
export function keptOf(sent: readonly Message[]): readonly Message[] {
  let from = sent.length;
  let length = 0;
  while (from > 0 && sent.length - from < MOST) {
    const message = sent[from - 1];
    length += AROUND + JSON.stringify([message?.text, message?.data]).length;
    if (length > LONGEST) break;
    from--;
  }
  return sent.slice(from);
}
