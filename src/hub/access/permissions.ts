import type { Address } from '../topics.js';

/**
 * What one may do, as it is asked for: `send:` goes on with a target, `read:` with the name of a room.
 *
 * | | |
 * |---|---|
 * | `connect` | be a client: hold streams, read one's mailbox |
 * | `list` | see who there is, which rooms there are, who is in them |
 * | `send:client/INDEX`, `send:room/NAME`, `send:everyone` | send there |
 * | `read:NAME` | enter a room, and read its history |
 * | `admin` | everything, and keep order in the house |
 */
export type Permission = 'connect' | 'list' | 'admin' | `send:${string}` | `read:${string}`;

/** Permissions of one credential, and the length of one of them. */
export const MOST_PERMISSIONS = 100;
const LONGEST = 128;

const PLAIN = new Set(['connect', 'list', 'admin']);
const SEND = /^send:(?:\*|everyone|client\/(?:\*|[1-9]\d{0,14})|room\/[A-Za-z0-9_*-]{1,80})$/;
const READ = /^read:[A-Za-z0-9_*-]{1,80}$/;

/** What members may do unless something else is said: all but keep order. */
export const OF_MEMBERS: readonly string[] = ['connect', 'list', 'send:*', 'read:*'];

/** How a permission is written, in words for whoever wrote it wrong. */
export const PERMISSION_RULE =
  'must be connect, list, admin, send:TARGET or read:ROOM, where TARGET is client/INDEX, room/NAME, everyone or *, and a * in a NAME or ROOM stands for any characters';

/** Whether this is the text of a permission, which may be a pattern: in names of targets `*` stands for any characters. */
export function isPermission(text: string): boolean {
  return text.length <= LONGEST && (PLAIN.has(text) || SEND.test(text) || READ.test(text));
}

/** The permission to send there. */
export function toSend(to: Address): Permission {
  if ('client' in to) return `send:client/${to.client}`;
  return 'room' in to ? `send:room/${to.room}` : 'send:everyone';
}

/** What a credential lets one do. */
export class Permissions {
  readonly #exact = new Set<string>();
  readonly #patterns: (readonly string[])[] = [];
  readonly #all: boolean;

  /** @param texts those that are none are passed over: they come from others, and must never let anybody do more */
  constructor(readonly texts: readonly string[]) {
    for (const text of texts) {
      if (!isPermission(text)) continue;
      if (text.includes('*')) this.#patterns.push(text.split('*'));
      else this.#exact.add(text);
    }
    this.#all = this.#exact.has('admin');
  }

  allows(needed: Permission): boolean {
    if (this.#all || this.#exact.has(needed)) return true;
    return this.#patterns.some((parts) => matches(parts, needed));
  }
}

/** Whether a text consists of these parts with anything between them. Linear: a pattern cannot be made to take long. */
function matches(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
