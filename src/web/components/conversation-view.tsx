import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat.js';
import type { Conversation } from '../conversation.js';
import { clientOf, roomOf } from '../conversation-key.js';
import { count, lastSeen, nameOf } from '../wording.js';
import { Composer } from './composer.js';
import { CopyButton } from './copy-button.js';
import { refusalFor } from '../permissions.js';
import { LinkStatus } from './link-status.js';
import { Lock } from './lock.js';
import { MessageLog } from './message-log.js';
import { InviteTo, RoomPanel } from './room-panel.js';
import { useAttempt } from './use-attempt.js';

interface Props {
  readonly chat: Chat;
  readonly conversation: Conversation;
}

/** What is said with a client, in a room, or to everyone. */
export function ConversationView({ chat, conversation }: Props) {
  const title = titleOf(chat, conversation);
  const heading = useRef<HTMLHeadingElement>(null);
  const showsMembers = useSignal(false);
  const room = roomOf(conversation.key);
  const index = clientOf(conversation.key);
  const isPrivate = room !== undefined && chat.rooms.isPrivate(room) && chat.isIn(room);
  useEffect(() => {
    // On a phone the keyboard would cover what one came to read.
    const composer = document.querySelector<HTMLElement>('.composer textarea:enabled');
    if (composer && matchMedia('(pointer: fine)').matches) composer.focus();
    else heading.current?.focus();
  }, []);
  return (
    <section class="conversation" aria-labelledby="title">
      <header class="head">
        <a class="back" href="#" aria-label="Back to all conversations">
          ‹
        </a>
        <div class="about">
          <h1 id="title" ref={heading} tabIndex={-1}>
            {isPrivate && <Lock />}
            <bdi>{title}</bdi>
          </h1>
          <Detail chat={chat} conversation={conversation} />
          <div class="narrow">
            <LinkStatus chat={chat} />
          </div>
        </div>
        {isPrivate && (
          <button
            type="button"
            aria-expanded={showsMembers.value}
            onClick={() => (showsMembers.value = !showsMembers.value)}
          >
            Members
          </button>
        )}
        <Membership chat={chat} conversation={conversation} />
        {index !== undefined && <InviteTo chat={chat} index={index} />}
      </header>
      {isPrivate && showsMembers.value && <RoomPanel chat={chat} room={room} />}
      <MessageLog chat={chat} conversation={conversation} title={title} />
      <Composer chat={chat} conversation={conversation} title={title} />
    </section>
  );
}

function titleOf(chat: Chat, { key }: Conversation): string {
  const room = roomOf(key);
  if (room !== undefined) return `#${room}`;
  const index = clientOf(key);
  if (index === undefined) return key === 'everyone' ? 'Everyone' : 'From nobody in particular';
  return nameOf(chat.party(index));
}

/** A line about whom one talks to. */
function Detail({ chat, conversation }: Props) {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  const { key } = conversation;
  const room = roomOf(key);
  const index = clientOf(key);
  if (room !== undefined) {
    const info = chat.rooms.all.value.get(room);
    if (!info) return <p class="detail">{chat.may('list') ? 'Nobody is in this room.' : refusalFor('list')}</p>;
    return (
      <p class="detail">
        {info.private &&
          `Private, ${info.owner === chat.me.value?.index ? 'your own' : `of ${nameOf(chat.party(info.owner ?? 0))}`}. `}
        {count(info.members, 'member', 'members')}, {info.online.toLocaleString()} online
      </p>
    );
  }
  if (index === undefined) {
    return (
      <p class="detail">
        {key === 'everyone' ? 'Reaches all clients there are.' : 'Sent to you without a token: nobody says who it was.'}
      </p>
    );
  }
  const client = chat.people.get(index);
  if (index === chat.me.value?.index) return <p class="detail">Client {index}: that is you.</p>;
  if (!client) {
    return (
      <p class="detail">
        {chat.may('list') ? `Client ${index} is not here.` : `Client ${index}. ${refusalFor('list')}`}
      </p>
    );
  }
  return (
    <p class="detail">
      Client {index}, {client.status === 'online' ? 'online' : `away, ${lastSeen(client, now.value)}`}
    </p>
  );
}

function Membership({ chat, conversation }: Props) {
  const { refusal, attempt } = useAttempt();
  const room = roomOf(conversation.key);
  if (room === undefined || !chat.me.value) return null;
  const isIn = chat.isIn(room);
  const mayRead = chat.may(`read:${room}`);
  return (
    <div class="membership">
      <button
        type="button"
        class={isIn ? '' : 'primary'}
        disabled={!isIn && !mayRead}
        onClick={() => void attempt(() => (isIn ? chat.exit(room) : chat.enter(room)))}
      >
        {isIn ? 'Leave' : 'Enter'}
        <span class="unseen"> the room {room}</span>
      </button>
      <CopyButton
        what={`the curl command to ${isIn ? 'leave' : 'enter'} ${room}`}
        text={() => chat.api.curl(chat.membership(room, !isIn))}
      />
      <p class="refusal" role="alert">
        {isIn || mayRead ? refusal.value : refusalFor(`read:${room}`)}
      </p>
    </div>
  );
}
