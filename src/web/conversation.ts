import { computed, signal } from '@preact/signals';
import type { Message } from '../sdk/resources.js';
import type { ConversationKey } from './conversation-key.js';
import type { Outgoing } from './outgoing.js';

/** A message as it is shown. */
export interface Entry {
  /** What tells it from others, also where it has no id (ttl 0). */
  readonly key: string;
  /** Its place among the others: its id, or, where it has none, between two of them. */
  readonly place: number;
  readonly message: Message;
  readonly mine: boolean;
  /** Whether it was deleted: then it says nothing any more. */
  readonly deleted?: boolean;
}

/** A message that is not acknowledged yet. */
export interface Pending extends Outgoing {
  /** Why it did not get through; undefined while it is on its way. */
  readonly failed?: string | undefined;
  /** Whether the server said no: it will say so again. */
  readonly refused?: boolean | undefined;
}

/** Whether there are older messages: `lost` ones are no longer kept, `refused` ones one may not read. */
export type Older = 'unknown' | 'loading' | 'more' | 'none' | 'lost' | 'failed' | 'refused';

/** So many entries are held at most for each conversation; older ones are loaded again where somebody looks for them. */
const MOST = 5_000;

/** What is said between this client and another, in a room, or to everyone. */
export class Conversation {
  /** In the order of the log. */
  readonly entries = signal<readonly Entry[]>([]);
  readonly pending = signal<readonly Pending[]>([]);
  /** Up to which place it was read. */
  readonly mark = signal(0);
  /** What the server counts as unread beyond what is held here. */
  readonly unreadBefore = signal(0);
  /** The first entry that was unread when one looked; it stays while one looks. */
  readonly divider = signal<string | undefined>(undefined);
  readonly older = signal<Older>('unknown');
  readonly draft = signal('');
  readonly unread = computed(() => {
    const mark = this.mark.value;
    const entries = this.entries.value;
    let count = this.unreadBefore.value;
    for (let at = entries.length - 1; at >= 0; at--) {
      const entry = entries[at];
      if (!entry || entry.place <= mark) break;
      if (!entry.mine && !entry.deleted) count++;
    }
    return count;
  });

  readonly #known = new Set<string>();
  #unnumbered = 0;

  constructor(readonly key: ConversationKey) {}

  get newest(): Entry | undefined {
    return this.entries.value.at(-1);
  }

  get oldest(): Entry | undefined {
    return this.entries.value[0];
  }

  /** The id of the oldest that has one. */
  get oldestId(): string | undefined {
    return this.entries.value.find(({ message }) => message.id !== null)?.message.id ?? undefined;
  }

  /** The id of the newest that has one. */
  get newestId(): string | undefined {
    return this.entries.value.findLast(({ message }) => message.id !== null)?.message.id ?? undefined;
  }

  /** Puts in what is not there yet. Returns that. */
  add(messages: readonly { readonly message: Message; readonly mine: boolean }[]): Entry[] {
    const added: Entry[] = [];
    let newest = this.newest?.place ?? 0;
    let sorted = true;
    for (const { message, mine } of messages) {
      // What was never stored has no place of its own: it stands behind what was there when it came.
      const key = message.id ?? `unnumbered ${this.#unnumbered++}`;
      if (this.#known.has(key)) continue;
      this.#known.add(key);
      const place = message.id === null ? behind(newest) : Number(message.id);
      if (place < newest) sorted = false;
      newest = Math.max(newest, place);
      added.push({ key, place, message, mine });
    }
    if (added.length === 0) return added;
    const entries = [...this.entries.value, ...added];
    // Sorting is stable: what has the same place stays in the order in which it came.
    if (!sorted) entries.sort((one, other) => one.place - other.place);
    this.entries.value = this.#unnumbered > 0 ? inPlace(entries) : entries;
    return added;
  }

  /** Lets go of the oldest where there are too many. Not to be called while somebody reads them. */
  trim(): void {
    const entries = this.entries.value;
    const over = entries.length - MOST;
    // What was sent to a single client is held nowhere else.
    if (over <= 0 || this.key.startsWith('client/')) return;
    const mark = this.mark.value;
    for (const { key, place, mine, deleted } of entries.slice(0, over)) {
      this.#known.delete(key);
      if (place > mark && !mine && !deleted) this.unreadBefore.value++;
    }
    this.entries.value = entries.slice(over);
    this.older.value = 'more';
  }

  /** A message is not there any more: what it said goes. Returns whether it was held here. */
  delete(id: string): boolean {
    let held = false;
    this.entries.value = this.entries.value.map((entry) => {
      if (entry.message.id !== id || entry.deleted) return entry;
      held = true;
      const { from, to, sentAt } = entry.message;
      return { ...entry, deleted: true, message: { id, from, to, sentAt } };
    });
    return held;
  }

  /** Forgets all that was said, but not what is still to be sent. */
  clear(): void {
    this.#known.clear();
    this.entries.value = [];
    this.mark.value = 0;
    this.unreadBefore.value = 0;
    this.divider.value = undefined;
    this.older.value = 'unknown';
  }

  /** Notes that it was read up to its end. Returns whether that is new. */
  readToEnd(): boolean {
    const newest = this.newest?.place ?? 0;
    if (newest <= this.mark.value && this.unreadBefore.value === 0) return false;
    this.mark.value = Math.max(newest, this.mark.value);
    this.unreadBefore.value = 0;
    return true;
  }

  /** Notes that it was read so far, here or elsewhere. A mark never goes back. */
  readUpTo(place: number): void {
    if (place <= this.mark.value) return;
    this.mark.value = place;
    const oldest = this.oldest?.place;
    if (oldest !== undefined && oldest <= place) this.unreadBefore.value = 0;
  }

  /** Where the divider goes for somebody who looks now. */
  placeDivider(): void {
    const mark = this.mark.value;
    this.divider.value =
      this.unread.value === 0
        ? undefined
        : this.entries.value.find(({ place, mine, deleted }) => place > mark && !mine && !deleted)?.key;
  }
}

/** Between the places of two ids there is room for so many that have none; further ones share the last. */
const BETWEEN = 1024;

/** The place of what has no id and came after this: nothing that has one can take it, and whoever read what is before has not read it. */
function behind(place: number): number {
  return Math.min(place + 1 / BETWEEN, Math.floor(place) + (BETWEEN - 1) / BETWEEN);
}

/** Has what was never stored stand behind all that was sent before it, which may have been loaded only after it came. */
function inPlace(entries: readonly Entry[]): Entry[] {
  const numbered = entries.filter(({ message }) => message.id !== null);
  let at = 0;
  const placed = entries.map((entry) => {
    if (entry.message.id !== null) return entry;
    while ((numbered[at]?.message.sentAt ?? '~') < entry.message.sentAt) at++;
    const place = Math.max(entry.place, behind(numbered[at - 1]?.place ?? 0));
    return place === entry.place ? entry : { ...entry, place };
  });
  return placed.sort((one, other) => one.place - other.place);
}
