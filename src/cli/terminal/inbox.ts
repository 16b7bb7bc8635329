import stringWidth from 'string-width';
import type { Message } from '../../sdk/index.js';
import { count } from '../wording.js';
import { type Conversation, conversationOf, keyOf, labelOf } from './conversation.js';

/** So many unread messages are kept in all; of the others, only how many there are. */
const KEPT = 1_000;

/** So many conversations are named in the prompt, each in so many columns: half a row of 80 is for what is typed. */
const NAMED = 2;
const NAME_WIDTH = 12;

/** What has come in a conversation that is not open. */
export interface Unread {
  readonly label: string;
  count: number;
  /** The newest of them. */
  readonly messages: Message[];
}

/**
 * Which conversation is open, and what has come in others meanwhile. While none is open, whatever comes is shown at once; so
 * there is nothing unread then.
 */
export class Inbox {
  #open: { readonly conversation: Conversation; readonly label: string } | undefined;
  readonly #unread = new Map<string, Unread>();
  #kept = 0;

  get conversation(): Conversation | undefined {
    return this.#open?.conversation;
  }

  /** What stands in front of what is typed. */
  get prompt(): string {
    if (!this.#open) return 'Enter command: ';
    const unread = [...this.#unread.values()].map(({ label, count }) => `${short(label)} ${count}`);
    const more = unread.splice(NAMED).length;
    if (more > 0) unread.push(`${more} more`);
    return `${short(this.#open.label)}${unread.length > 0 ? ` (${unread.join(', ')})` : ''}> `;
  }

  /** What comes in. @returns whether it is to be shown now; if not, it counts as unread */
  take(message: Message): boolean {
    const conversation = conversationOf(message);
    const key = keyOf(conversation);
    if (!this.#open || keyOf(this.#open.conversation) === key) return true;
    const unread = this.#unread.get(key) ?? {
      label: labelOf(conversation, message.from?.name),
      count: 0,
      messages: [],
    };
    this.#unread.set(key, unread);
    unread.count++;
    unread.messages.push(message);
    if (this.#kept < KEPT) this.#kept++;
    else this.#longest()?.messages.shift();
    return false;
  }

  /** Whoever sends much is not to push out what others have sent. */
  #longest(): Unread | undefined {
    let longest: Unread | undefined;
    for (const unread of this.#unread.values()) {
      if (unread.messages.length > (longest?.messages.length ?? 0)) longest = unread;
    }
    return longest;
  }

  /** A message is no longer there. @returns whether it was unread, so that nobody has seen it */
  forget(id: string): boolean {
    for (const [key, unread] of this.#unread) {
      const at = unread.messages.findIndex((message) => message.id === id);
      if (at < 0) continue;
      unread.messages.splice(at, 1);
      this.#kept--;
      if (--unread.count === 0) this.#unread.delete(key);
      return true;
    }
    return false;
  }

  open(conversation: Conversation, label: string): void {
    this.#open = { conversation, label };
  }

  close(): void {
    this.#open = undefined;
  }

  /** Takes out what is unread: in a conversation, or in all. */
  read(conversation?: Conversation): Unread[] {
    const keys = conversation === undefined ? [...this.#unread.keys()] : [keyOf(conversation)];
    return keys.flatMap((key) => {
      const unread = this.#unread.get(key);
      if (!unread) return [];
      this.#unread.delete(key);
      this.#kept -= unread.messages.length;
      return [unread];
    });
  }
}

/** What to say in front of unread messages. */
export function unreadTitle({ label, count: all, messages }: Unread): string {
  const lost = all - messages.length;
  return `${count(all, 'unread message')}, ${label}${lost > 0 ? ` (HISTORY shows the first ${lost})` : ''}:`;
}

function short(label: string): string {
  if (stringWidth(label) <= NAME_WIDTH) return label;
  const characters = [...label];
  while (stringWidth(characters.join('')) >= NAME_WIDTH) characters.pop();
  return `${characters.join('')}…`;
}
