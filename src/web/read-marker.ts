import type { ReadMarks } from '../sdk/resources.js';
import type { Api } from './api.js';
import type { Conversation } from './conversation.js';
import { type ConversationKey, isDirect, roomOf } from './conversation-key.js';
import type { Session } from './session.js';

/** What is read within so many milliseconds is told at once. */
const COLLECT = 500;

export interface Read {
  readonly conversations: { peek(): ReadonlyMap<ConversationKey, Conversation> };
  isIn(room: string): boolean;
}

/** Tells the server how far one has read, for one's other devices. */
export class ReadMarker {
  readonly #changed = new Set<Conversation>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Api,
    private readonly session: Session,
    private readonly chat: Read,
  ) {}

  close(): void {
    clearTimeout(this.#timer);
  }

  read(conversation: Conversation): void {
    const { key } = conversation;
    if (isDirect(key)) {
      this.session.set('marks', { ...this.session.get('marks'), [key]: String(conversation.mark.value) });
    }
    this.#changed.add(conversation);
    if (this.#timer === undefined) this.#timer = setTimeout(() => void this.#tell(), COLLECT);
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    const changed = [...this.#changed];
    this.#changed.clear();
    const rooms: Record<string, string> = {};
    let everyone: string | undefined;
    for (const { key, mark } of changed) {
      if (mark.value < 1) continue;
      const room = roomOf(key);
      if (room !== undefined && this.chat.isIn(room)) rooms[room] = idOf(mark.value);
      if (key === 'everyone') everyone = idOf(mark.value);
    }
    const mailbox = changed.some(({ key }) => isDirect(key)) ? this.#mailboxMark() : undefined;
    const marks: ReadMarks = {
      ...(mailbox === undefined ? {} : { mailbox }),
      ...(everyone === undefined ? {} : { everyone }),
      ...(Object.keys(rooms).length === 0 ? {} : { rooms }),
    };
    if (Object.keys(marks).length === 0) return;
    const path = `clients/${this.session.get('index')}/read`;
    try {
      await this.api.call({ what: 'Say how far I have read', method: 'PUT', path, json: marks, asMe: true });
    } catch {
      // The next one says it too; until then this tab remembers for itself.
    }
  }

  /** The mailbox has one mark for all who write to it: it stays before the oldest message that is unread. */
  #mailboxMark(): string | undefined {
    const received = [...this.chat.conversations.peek().values()]
      .filter(({ key }) => isDirect(key))
      .flatMap(({ entries, mark }) =>
        entries
          .peek()
          .filter(({ mine }) => !mine)
          .map(({ place }) => ({ place, unread: place > mark.peek() })),
      );
    let oldestUnread = Infinity;
    for (const { place, unread } of received) if (unread) oldestUnread = Math.min(oldestUnread, place);
    let newestRead = 0;
    for (const { place } of received) if (place < oldestUnread) newestRead = Math.max(newestRead, place);
    return newestRead < 1 ? undefined : idOf(newestRead);
  }
}

/** The id up to which it was read: what was never stored has a place behind one. */
function idOf(place: number): string {
  return String(Math.floor(place));
}
