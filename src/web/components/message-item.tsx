import { memo } from 'preact/compat';
import type { Chat } from '../chat.js';
import type { Entry, Pending } from '../conversation.js';
import { clock, exactTime, nameOf } from '../wording.js';
import { ClientName } from './client-name.js';
import { ConfirmButton } from './confirm-button.js';
import { MessageText } from './message-text.js';

interface Props {
  readonly entry: Entry;
  /** The day it begins, where it is the first of one. */
  readonly day: string | undefined;
  /** Whether it goes on with what the one before it says. */
  readonly follows: boolean;
  /** Whether it is the first that is new. */
  readonly isNew: boolean;
  /** Deletes it, for who may. */
  readonly onDelete: ((entry: Entry) => void) | undefined;
}

export const MessageItem = memo(function MessageItem({ entry, day, follows, isNew, onDelete }: Props) {
  const { message, mine } = entry;
  const time = new Date(message.sentAt);
  const repeats = follows && day === undefined;
  return (
    <li class={`message ${mine ? 'mine' : ''} ${repeats ? 'follows' : ''}`}>
      {day !== undefined && <p class="day">{day}</p>}
      {isNew && <p class="new">New since you looked</p>}
      <p class={repeats ? 'unseen' : 'said'}>
        {message.from ? <ClientName client={message.from} /> : <span class="client nobody">nobody</span>}
        {mine && <span class="unseen">, you</span>}{' '}
        <time dateTime={message.sentAt} title={exactTime(time)}>
          {clock(time)}
        </time>
        {message.expiresAt !== undefined && <span class="detail"> until {clock(new Date(message.expiresAt))}</span>}
        {message.id === null && <span class="detail"> not stored</span>}
      </p>
      {entry.deleted && <p class="deleted">deleted</p>}
      {onDelete && !entry.deleted && message.id !== null && (
        <ConfirmButton
          what="Delete"
          whom={`what ${message.from ? nameOf(message.from) : 'nobody'} said at ${clock(time)}`}
          onConfirm={() => onDelete(entry)}
        />
      )}
      {message.text !== undefined && <MessageText text={message.text} />}
      {message.data !== undefined && <pre class="data">{JSON.stringify(message.data, null, 2)}</pre>}
    </li>
  );
}, isSame);

function isSame(before: Props, now: Props): boolean {
  return (
    Boolean(before.onDelete) === Boolean(now.onDelete) &&
    before.entry === now.entry &&
    before.day === now.day &&
    before.follows === now.follows &&
    before.isNew === now.isNew
  );
}

/** What one has sent, before it is acknowledged. */
export function PendingItem({ chat, pending }: { readonly chat: Chat; readonly pending: Pending }) {
  return (
    <li class={`message mine pending ${pending.failed === undefined ? '' : 'failed'}`}>
      <MessageText text={pending.text} />
      {pending.failed === undefined ? (
        <p class="state">Sending…</p>
      ) : (
        <p class="state">
          Not sent. {pending.failed}{' '}
          <button type="button" onClick={() => chat.outbox.retry(pending)}>
            {chat.outbox.mayArriveTwice(pending) ? 'Send again (it may arrive twice)' : 'Try again'}
          </button>{' '}
          <button type="button" onClick={() => chat.outbox.discard(pending)}>
            Discard
          </button>
        </p>
      )}
    </li>
  );
}
