import { useSignal } from '@preact/signals';
import type { ClientInfo } from '../../sdk/resources.js';
import type { Chat } from '../chat.js';
import { clientOf, type ConversationKey, roomOf } from '../conversation-key.js';
import type { Invitation } from '../invitations.js';
import { refusalFor } from '../permissions.js';
import type { Room } from '../rooms.js';
import { count, nameOf } from '../wording.js';
import { ClientName } from './client-name.js';
import { LinkStatus } from './link-status.js';
import { Lock } from './lock.js';
import { Self } from './self.js';
import { useAttempt } from './use-attempt.js';

/** More than this nobody scrolls through: whoever is sought is found by name. */
const MOST = 300;

interface Props {
  readonly chat: Chat;
  readonly inspects: boolean;
  readonly onInspect: () => void;
}

/** Who one is, who and what there is, and how the link is. */
export function Sidebar({ chat, inspects, onInspect }: Props) {
  const sought = useSignal('');
  return (
    <div class="sidebar">
      <header class="brand">
        <h1>
          <a href="#">InterChat</a>
        </h1>
        <LinkStatus chat={chat} />
      </header>
      <Self chat={chat} />
      <div class="find" role="search">
        <input
          type="search"
          aria-label="Find a client or a room"
          placeholder="Find a client or a room"
          value={sought.value}
          onInput={(event) => (sought.value = event.currentTarget.value)}
        />
      </div>
      <nav class="list" aria-label="Conversations">
        <ul>
          <Item chat={chat} to="everyone">
            Everyone
          </Item>
          {chat.conversations.value.has('nobody') && (
            <Item chat={chat} to="nobody">
              From nobody in particular
            </Item>
          )}
        </ul>
        <InvitationList chat={chat} />
        <RoomList chat={chat} sought={sought.value} />
        {chat.may('list') ? <ClientList chat={chat} sought={sought.value} /> : <p class="more">{refusalFor('list')}</p>}
      </nav>
      <footer class="tools">
        <NotificationButton chat={chat} />
        <button type="button" id="how-it-works" aria-pressed={inspects} onClick={onInspect}>
          How it works
        </button>
        <a href="docs/">API</a>
      </footer>
    </div>
  );
}

/** All conversations one can go to, as the list has them. */
export function conversationsInOrder(chat: Chat): ConversationKey[] {
  const keys: ConversationKey[] = ['everyone'];
  if (chat.conversations.value.has('nobody')) keys.push('nobody');
  for (const { name } of roomsShown(chat, '')) keys.push(`room/${name}`);
  for (const { index } of clientsShown(chat, '').shown) keys.push(`client/${index}`);
  return keys;
}

function RoomList({ chat, sought }: { readonly chat: Chat; readonly sought: string }) {
  const rooms = roomsShown(chat, sought);
  const name = useSignal('');
  const isPrivate = useSignal(false);
  const { refusal, attempt } = useAttempt();
  const enter = async (event: Event) => {
    event.preventDefault();
    const room = name.value.trim().replace(/^#/, '');
    if (!(await attempt(() => (isPrivate.value ? chat.make(room) : chat.enter(room))))) return;
    name.value = '';
    isPrivate.value = false;
  };
  return (
    <section aria-labelledby="rooms">
      <h2 id="rooms">Rooms</h2>
      <ul>
        {rooms.map((room) => (
          <Item key={room.name} chat={chat} to={`room/${room.name}`} dim={!chat.isIn(room.name)}>
            {room.private ? (
              <Lock />
            ) : (
              <span class="hash" aria-hidden="true">
                #
              </span>
            )}
            <span class="label">{room.name}</span>
            {room.private && (
              <span class="unseen">
                , private, {room.owner === chat.me.value?.index ? 'your own' : `of ${ownerOf(chat, room)}`},{' '}
              </span>
            )}
            <span class="detail">
              {room.members}
              <span class="unseen">
                {room.members === 1 ? ' member' : ' members'}
                {chat.isIn(room.name) ? ', you among them' : ''}
              </span>
            </span>
          </Item>
        ))}
      </ul>
      <form class="enter" onSubmit={(event) => void enter(event)}>
        <label>
          <span class="unseen">Name of a room to enter, or to make</span>
          <input
            required
            maxLength={65}
            placeholder="Enter or make a room"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={name.value}
            aria-invalid={refusal.value !== ''}
            aria-describedby="enter-refusal"
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </label>
        <button type="submit">{isPrivate.value ? 'Make' : 'Enter'}</button>
        <label class="choice" title="There only for those whom you invite">
          <input
            type="checkbox"
            checked={isPrivate.value}
            onChange={(event) => (isPrivate.value = event.currentTarget.checked)}
          />
          Make it private: for those I invite
        </label>
        <p id="enter-refusal" class="refusal" role="alert">
          {refusal.value}
        </p>
      </form>
    </section>
  );
}

function InvitationList({ chat }: { readonly chat: Chat }) {
  const invitations = chat.invitations.all.value;
  if (invitations.length === 0) return null;
  return (
    <section aria-labelledby="invitations">
      <h2 id="invitations">Invitations</h2>
      <ul>
        {invitations.map((invitation) => (
          <InvitationItem key={invitation.room} chat={chat} invitation={invitation} />
        ))}
      </ul>
    </section>
  );
}

function InvitationItem({ chat, invitation }: { readonly chat: Chat; readonly invitation: Invitation }) {
  const { refusal, attempt } = useAttempt();
  const { room, owner } = invitation;
  const mayRead = chat.may(`read:${room}`);
  return (
    <li class="invitation">
      <p>
        <Lock /> <span class="label">{room}</span>{' '}
        <span class="detail">
          by <bdi>{nameOf(owner.name === null ? chat.party(owner.index) : owner)}</bdi>
        </span>
      </p>
      <p class="actions">
        <button
          type="button"
          class="primary"
          disabled={!mayRead}
          title={mayRead ? undefined : refusalFor(`read:${room}`)}
          onClick={() => void attempt(() => chat.accept(invitation))}
        >
          Accept<span class="unseen"> and enter {room}</span>
        </button>
        <button type="button" onClick={() => void attempt(() => chat.invitations.decline(invitation))}>
          Decline<span class="unseen"> to enter {room}</span>
        </button>
      </p>
      <p class="refusal" role="alert">
        {refusal.value}
      </p>
    </li>
  );
}

function ownerOf(chat: Chat, { owner }: Room): string {
  return owner === undefined ? 'somebody' : nameOf(chat.party(owner));
}

function ClientList({ chat, sought }: { readonly chat: Chat; readonly sought: string }) {
  const { shown, more } = clientsShown(chat, sought);
  const total = chat.people.total.value;
  return (
    <section aria-labelledby="clients">
      <h2 id="clients">
        Clients <span class="detail">{total > 0 ? total.toLocaleString() : ''}</span>
      </h2>
      <ul>
        {shown.map((client) => (
          <Item key={client.index} chat={chat} to={`client/${client.index}`}>
            <span class={`dot ${client.status}`} aria-hidden="true" />
            <ClientName client={client} />
            {client.index === chat.me.value?.index && <span class="detail">you</span>}
            <span class="unseen">, {client.status}</span>
          </Item>
        ))}
      </ul>
      {more > 0 && <p class="more">and {count(more, 'other', 'others')}: find them by name</p>}
      {sought !== '' && shown.length === 0 && <p class="more">Nobody of that name or number.</p>}
    </section>
  );
}

function Item({
  chat,
  to,
  dim = false,
  children,
}: {
  readonly chat: Chat;
  readonly to: ConversationKey;
  readonly dim?: boolean;
  readonly children: preact.ComponentChildren;
}) {
  const unread = chat.conversations.value.get(to)?.unread.value ?? 0;
  return (
    <li>
      <a
        href={`#${to}`}
        class={`item ${dim ? 'dim' : ''} ${unread > 0 ? 'unread' : ''}`}
        aria-current={chat.active.value === to ? 'page' : undefined}
      >
        {children}
        {unread > 0 && (
          <span class="badge">
            {unread > 999 ? '999+' : unread}
            <span class="unseen"> unread</span>
          </span>
        )}
      </a>
    </li>
  );
}

function NotificationButton({ chat }: { readonly chat: Chat }) {
  const state = chat.notifications.state.value;
  if (state === 'impossible') return null;
  return (
    <button
      type="button"
      aria-pressed={state === 'on'}
      disabled={state === 'denied'}
      title={
        state === 'denied' ? 'This browser was told not to allow it' : 'Tell me on the desktop while I look elsewhere'
      }
      onClick={() => void chat.notifications.toggle()}
    >
      Notify me
    </button>
  );
}

/** One's own first, then the others, by name. */
function roomsShown(chat: Chat, sought: string): readonly Room[] {
  const rooms = new Map(chat.rooms.all.value);
  for (const name of chat.me.value?.rooms ?? []) if (!rooms.has(name)) rooms.set(name, { name, members: 1, online: 1 });
  // A room that is gone stays in the list while one looks at it, or has not read what it said.
  for (const { key, unread } of chat.conversations.value.values()) {
    const name = roomOf(key);
    if (name === undefined || rooms.has(name)) continue;
    if (key === chat.active.value || unread.value > 0) rooms.set(name, { name, members: 0, online: 0 });
  }
  const matching = [...rooms.values()].filter(({ name }) => matches(name, sought));
  const rank = ({ name }: Room) => (chat.isIn(name) ? 0 : 1);
  return matching.sort((one, other) => rank(one) - rank(other) || (one.name < other.name ? -1 : 1)).slice(0, MOST);
}

/** A client as the list shows it: it may have left, or not be known where there are too many to hold. */
interface Shown {
  readonly index: number;
  readonly name: string | null;
  readonly status: ClientInfo['status'] | 'left' | 'unknown';
}

/** By index, as LIST has them; behind them who is not there while one looks at what they said, or has not read it. */
function clientsShown(chat: Chat, sought: string): { shown: readonly Shown[]; more: number } {
  const all = chat.people.all.value;
  const total = chat.people.total.value;
  const isSought = (client: Pick<Shown, 'index' | 'name'>) =>
    matches(nameOf(client), sought) || String(client.index) === sought;
  const shown: Shown[] = [];
  const always = new Set<number>();
  for (const { key, unread } of chat.conversations.value.values()) {
    const index = clientOf(key);
    if (index !== undefined && (key === chat.active.value || unread.value > 0)) always.add(index);
  }
  let matching = 0;
  for (const client of all.values()) {
    if (!isSought(client)) continue;
    matching++;
    if (shown.length < MOST || always.has(client.index)) shown.push(client);
  }
  const more = Math.max(0, (sought === '' ? total : matching) - shown.length);
  // Before LIST has come nobody can be said to be missing.
  if (all.size === 0) return { shown, more };
  const status = all.size < total ? 'unknown' : 'left';
  const missing = [...always]
    .filter((index) => !all.has(index))
    .map((index) => ({ ...chat.party(index), status }) as const);
  return { shown: [...shown, ...missing.filter(isSought)], more };
}

function matches(name: string, sought: string): boolean {
  return sought === '' || name.toLowerCase().includes(sought.trim().toLowerCase().replace(/^#/, ''));
}
