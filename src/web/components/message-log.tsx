import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Chat } from '../chat.js';
import type { Conversation, Entry, Older, Pending } from '../conversation.js';
import { explain } from '../api.js';
import { roomOf } from '../conversation-key.js';
import { refusalFor } from '../permissions.js';
import { dayOf } from '../wording.js';
import { MessageItem, PendingItem } from './message-item.js';

/** So many entries are drawn to begin with, and more as one scrolls up. */
const DRAWN = 200;
/** Nearer to an end than this is at that end. CSS pixels. */
const NEAR_NEWEST = 40;
const NEAR_OLDEST = 400;
/** What one person says within so many milliseconds stands together. */
const TOGETHER = 5 * 60_000;

interface Props {
  readonly chat: Chat;
  readonly conversation: Conversation;
  readonly title: string;
}

/**
 * The messages, newest last. What one reads does not move when something comes in or older messages are loaded above it; who
 * is at the newest stays there.
 */
export function MessageLog({ chat, conversation, title }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const anchor = useRef<Anchor | undefined>(undefined);
  const drawn = useRef(DRAWN);
  const length = useRef(0);
  const height = useRef(0);
  const lastWritten = useRef(newestOf(conversation.pending.peek()));
  const showsJump = useSignal(false);
  const redraw = useSignal(0);
  void redraw.value;

  const entries = conversation.entries.value;
  const pending = conversation.pending.value;
  const older = conversation.older.value;
  const onDelete = chat.mayDelete(conversation.key)
    ? ({ message }: Entry) => {
        chat.delete(message).catch((error: unknown) => chat.notice(`It is not deleted. ${explain(error)}`));
      }
    : undefined;
  const keepInPlace = (element: HTMLElement) => {
    height.current = element.clientHeight;
    if (atEnd.current) element.scrollTop = element.scrollHeight;
    else if (anchor.current?.element.isConnected) {
      const top = anchor.current.element.offsetTop - anchor.current.below;
      if (top !== element.scrollTop) element.scrollTop = top;
    }
  };

  // What is new above or below adds to what is drawn, except for whoever is at the newest, to whom it pushes the oldest out.
  if (atEnd.current) drawn.current = Math.min(Math.max(drawn.current, DRAWN), 2 * DRAWN);
  else drawn.current += entries.length - length.current;
  length.current = entries.length;
  const shown = entries.slice(-drawn.current);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const written = newestOf(pending);
    if (written > lastWritten.current) {
      // Who writes wants to see it there.
      lastWritten.current = written;
      if (!atEnd.current) toNewest();
    }
    keepInPlace(element);
  });

  // A log that does not fill its box cannot be scrolled for more.
  useEffect(() => {
    const element = box.current;
    if (element && older === 'more' && element.scrollHeight <= element.clientHeight + NEAR_OLDEST) {
      void chat.loadOlder(conversation);
    }
  }, [older, entries.length]);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    // In another width the lines above break elsewhere.
    const observer = new ResizeObserver(() => keepInPlace(element));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const toNewest = () => {
    atEnd.current = true;
    showsJump.value = false;
    redraw.value++;
    chat.atEnd = true;
  };

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    // Nobody has scrolled where there is another height: it is what is around that has grown, such as the text one writes.
    if (element.clientHeight !== height.current) return keepInPlace(element);
    const wasAtEnd = atEnd.current;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_NEWEST;
    showsJump.value = !atEnd.current;
    if (wasAtEnd !== atEnd.current) chat.atEnd = atEnd.current;
    anchor.current = atEnd.current ? undefined : firstInView(element);
    if (element.scrollTop > NEAR_OLDEST || atEnd.current) return;
    if (drawn.current < entries.length) {
      drawn.current += DRAWN;
      redraw.value++;
    } else if (older === 'more') void chat.loadOlder(conversation);
  };

  return (
    <div class="log-frame">
      <div
        class="log"
        ref={box}
        role="log"
        aria-live="off"
        aria-label={`Messages: ${title}`}
        tabIndex={0}
        onScroll={onScroll}
      >
        <Beginning chat={chat} conversation={conversation} older={drawn.current < entries.length ? 'more' : older} />
        <ol>
          {shown.map((entry, at) => (
            <MessageItem
              key={entry.key}
              entry={entry}
              day={dayBefore(shown[at - 1], entry)}
              follows={belongTogether(shown[at - 1], entry) && conversation.divider.value !== entry.key}
              isNew={conversation.divider.value === entry.key}
              onDelete={onDelete}
            />
          ))}
          {pending.map((one) => (
            <PendingItem key={one.key} chat={chat} pending={one} />
          ))}
        </ol>
      </div>
      {showsJump.value && (
        <button type="button" class="jump" onClick={toNewest}>
          Jump to newest{conversation.unread.value > 0 && ` (${conversation.unread.value})`} ↓
        </button>
      )}
    </div>
  );
}

function Beginning({
  chat,
  conversation,
  older,
}: {
  readonly chat: Chat;
  readonly conversation: Conversation;
  readonly older: Older;
}) {
  return (
    <p class="beginning">
      {older === 'none' &&
        (conversation.entries.value.length + conversation.pending.value.length === 0
          ? 'Nothing was said here yet.'
          : 'This is where it begins.')}
      {older === 'refused' && refusalFor(`read:${roomOf(conversation.key)}`)}
      {older === 'lost' && 'Older messages are no longer kept.'}
      {(older === 'loading' || older === 'unknown') && 'Loading…'}
      {(older === 'more' || older === 'failed') && (
        <button type="button" onClick={() => void chat.loadOlder(conversation)}>
          Load older messages
        </button>
      )}
    </p>
  );
}

/** When the newest of these was written. */
function newestOf(pending: readonly Pending[]): number {
  return Math.max(0, ...pending.map(({ at }) => at));
}

/** What one reads. */
interface Anchor {
  readonly element: HTMLElement;
  /** How far it is below the top of what is seen. CSS pixels. */
  readonly below: number;
}

function firstInView(box: HTMLElement): Anchor | undefined {
  for (const element of box.querySelectorAll<HTMLElement>('li')) {
    if (element.offsetTop + element.offsetHeight > box.scrollTop) {
      return { element, below: element.offsetTop - box.scrollTop };
    }
  }
  return undefined;
}

function dayBefore(before: Entry | undefined, { message }: Entry): string | undefined {
  const time = new Date(message.sentAt);
  // Asked of each entry each time something comes in: putting a day into words takes far longer than telling it from another.
  if (before && new Date(before.message.sentAt).toDateString() === time.toDateString()) return undefined;
  return dayOf(time);
}

function belongTogether(before: Entry | undefined, { message }: Entry): boolean {
  if (
    !before ||
    before.message.from?.index !== message.from?.index ||
    before.message.from?.name !== message.from?.name
  ) {
    return false;
  }
  return Date.parse(message.sentAt) - Date.parse(before.message.sentAt) < TOGETHER;
}
