import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import type { Conversation } from '../conversation.js';
import { roomOf } from '../conversation-key.js';
import { refusalFor } from '../permissions.js';
import { CopyButton } from './copy-button.js';

interface Props {
  readonly chat: Chat;
  readonly conversation: Conversation;
  readonly title: string;
}

/** Where one writes: Enter sends, Shift-Enter breaks the line. */
export function Composer({ chat, conversation, title }: Props) {
  const { key, draft } = conversation;
  const area = useRef<HTMLTextAreaElement>(null);
  const canSend = chat.canSend(key) && chat.me.value !== undefined;
  const text = draft.value;

  // It grows with what is written, where the browser does not see to that by itself.
  useLayoutEffect(() => {
    if (!area.current || CSS.supports('field-sizing', 'content')) return;
    area.current.rows = Math.min(8, text.split('\n').length);
  }, [text]);

  const send = () => {
    if (!canSend || text.trim() === '') return;
    chat.send(key, text);
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While characters are being composed, Enter takes the one that is offered.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label>
        <span class="unseen">Message to {title}</span>
        <textarea
          ref={area}
          rows={1}
          dir="auto"
          title={canSend ? undefined : whyNot(chat, conversation)}
          placeholder={canSend ? `Message to ${title}` : whyNot(chat, conversation)}
          disabled={!canSend}
          value={text}
          onInput={(event) => chat.setDraft(key, event.currentTarget.value)}
          onKeyDown={onKeyDown}
          aria-describedby="keys"
        />
      </label>
      <span id="keys" class="unseen">
        Enter sends, Shift and Enter breaks the line.
      </span>
      <div class="actions">
        <CopyButton
          what="the curl command that sends this"
          text={() => chat.api.curl(chat.outbox.call(key, text.trim() === '' ? 'Hello!' : text))}
        />
        <button type="submit" class="primary" disabled={!canSend || text.trim() === ''}>
          Send
        </button>
      </div>
    </form>
  );
}

function whyNot(chat: Chat, { key }: Conversation): string {
  if (!chat.me.value) return 'Not connected yet';
  const missing = chat.missingToSend(key);
  if (missing !== undefined) return refusalFor(missing);
  if (roomOf(key) !== undefined) return 'Enter the room to talk in it';
  return key === 'nobody' ? 'There is nobody to answer' : 'This client is not here';
}
