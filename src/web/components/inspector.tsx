import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import type { Action } from '../api.js';
import type { RawEvent } from '../raw-events.js';
import { exactTime } from '../wording.js';
import { tokenCommand } from '../curl.js';
import { CopyButton } from './copy-button.js';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** For those who want to know how it is done: what comes over the wire, and what one would type to do the same. */
export function Inspector({ chat, onClose }: { readonly chat: Chat; readonly onClose: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <aside
      class="inspector"
      aria-labelledby="inspector"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <header class="head">
        <h2 id="inspector" ref={heading} tabIndex={-1}>
          How it works
        </h2>
        <button type="button" onClick={onClose} aria-label="Close this panel">
          ×
        </button>
      </header>
      <p class="hint">
        What you do is one HTTP request; what you see comes down one stream.{' '}
        {chat.account === undefined
          ? 'The commands and events here hold your token: whoever has it is you.'
          : 'You are signed in by a cookie that no page can read: where a command says $TOKEN, the shell is to have the token of a session of yours, which the first command gives.'}{' '}
        Everything is described in <a href="docs/">the API</a>.
      </p>
      {chat.account !== undefined && <TokenCommand chat={chat} name={chat.account} />}
      <Trail title="What you did, as curl" items={chat.api.actions.value}>
        {chat.api.actions.value.map((action) => (
          <ActionItem key={action.number} action={action} />
        ))}
      </Trail>
      <Trail title="Your stream, as it comes" items={chat.raw.shown.value}>
        {chat.raw.shown.value.map((event) => (
          <EventItem key={event.number} event={event} />
        ))}
      </Trail>
    </aside>
  );
}

/** What gives a shell a token of its own, which is asked for and shown to nobody. */
function TokenCommand({ chat, name }: { readonly chat: Chat; readonly name: string }) {
  const command = tokenCommand(chat.api.url('sessions'), name);
  return (
    <p class="token-command">
      <code>{command}</code>
      <CopyButton what="the command that signs in" text={() => command} />
    </p>
  );
}

interface TrailProps {
  readonly title: string;
  readonly items: readonly unknown[];
  readonly children: preact.ComponentChildren;
}

/** A list that stays at its newest unless somebody looks further up. */
function Trail({ title, items, children }: TrailProps) {
  const box = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [items]);
  const onScroll = ({ currentTarget }: { readonly currentTarget: HTMLElement }) => {
    atEnd.current = currentTarget.scrollHeight - currentTarget.scrollTop - currentTarget.clientHeight < 20;
  };
  return (
    <section class="trail">
      <h3>{title}</h3>
      <ol ref={box} tabIndex={0} aria-label={title} onScroll={onScroll}>
        {children}
      </ol>
    </section>
  );
}

function ActionItem({ action }: { readonly action: Action }) {
  return (
    <li>
      <p>
        <time title={exactTime(action.at)}>{TIME.format(action.at)}</time> {action.what}{' '}
        <span class={`status ${typeof action.status === 'number' && action.status < 400 ? 'good' : ''}`}>
          {action.status === 'failed' ? 'no answer' : (action.status ?? '…')}
        </span>
      </p>
      <code>{action.curl}</code>
      <CopyButton what={`the command: ${action.what}`} text={() => action.curl} />
    </li>
  );
}

function EventItem({ event }: { readonly event: RawEvent }) {
  return (
    <li>
      <p>
        <time title={exactTime(event.at)}>{TIME.format(event.at)}</time>
        {event.text === ':' && ' a heartbeat: the link is alive'}
      </p>
      <code>{event.text}</code>
    </li>
  );
}
