import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ClientInfo, Page } from '../../sdk/resources.js';
import { explain } from '../api.js';
import type { Chat } from '../chat.js';
import type { Call } from '../api.js';
import { nameOf } from '../wording.js';
import { ClientName } from './client-name.js';
import { ConfirmButton } from './confirm-button.js';
import { useAttempt } from './use-attempt.js';

interface Props {
  readonly chat: Chat;
  readonly room: string;
}

/** Who is in a private room and who is invited, and what its owner can do about that. */
export function RoomPanel({ chat, room }: Props) {
  const members = useSignal<readonly ClientInfo[]>([]);
  const guests = useSignal<readonly ClientInfo[]>([]);
  const failed = useSignal('');
  const { refusal, attempt } = useAttempt();
  const info = chat.rooms.all.value.get(room);
  const owns = chat.owns(room);
  const path = `rooms/${encodeURIComponent(room)}`;

  const load = async () => {
    try {
      const call: Call = { what: `See who is in ${room}`, path: `${path}/members?limit=1000`, asMe: true };
      members.value = (await chat.api.call<Page>(call)).clients;
      failed.value = '';
      guests.value = owns ? await chat.invitations.guests(room) : [];
    } catch (error) {
      // One that is not there any more is taken away with all of this.
      if (chat.isIn(room)) failed.value = explain(error);
    }
  };
  // Whenever something about its members has changed, the room is asked for again.
  useEffect(() => void load(), [info, owns]);

  const act = (call: Call) =>
    attempt(async () => {
      await chat.api.call({ ...call, asMe: true });
      chat.rooms.changed();
      await load();
    });
  const putOut = ({ index }: ClientInfo) =>
    act({ what: `Put client ${index} out of ${room}`, method: 'DELETE', path: `${path}/members/${index}` });
  const handOver = ({ index }: ClientInfo) =>
    act({ what: `Hand ${room} over to client ${index}`, method: 'PATCH', path, json: { owner: index } });
  const withdraw = ({ index }: ClientInfo) =>
    attempt(async () => {
      await chat.invitations.withdraw(room, index);
      await load();
    });

  return (
    <section class="room-panel" id="room-panel" aria-label={`Members of ${room}`}>
      <h2>In this room</h2>
      <ul class="rows">
        {members.value.map((member) => (
          <li key={member.index}>
            <span class={`dot ${member.status}`} aria-hidden="true" />
            <span class="grow">
              <ClientName client={member} />
              <span class="unseen">, {member.status}</span>
              {member.index === info?.owner && <span class="detail"> owner</span>}
              {member.index === chat.me.value?.index && <span class="detail"> you</span>}
            </span>
            {owns && member.index !== chat.me.value?.index && (
              <>
                <ConfirmButton what="Make owner" whom={nameOf(member)} onConfirm={() => void handOver(member)} />
                <ConfirmButton what="Put out" whom={nameOf(member)} onConfirm={() => void putOut(member)} />
              </>
            )}
          </li>
        ))}
      </ul>
      {guests.value.length > 0 && (
        <>
          <h2>Invited</h2>
          <ul class="rows">
            {guests.value.map((guest) => (
              <li key={guest.index}>
                <span class="grow">
                  <ClientName client={guest} />
                </span>
                <button type="button" onClick={() => void withdraw(guest)}>
                  Take back<span class="unseen"> the invitation of {nameOf(guest)}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
      {owns && (
        <div class="actions">
          <Invite chat={chat} room={room} onInvited={load} />
          <ConfirmButton what="Close the room" whom={room} onConfirm={() => void attempt(() => chat.closeRoom(room))} />
        </div>
      )}
      <p class="refusal" role="alert">
        {refusal.value || failed.value}
      </p>
    </section>
  );
}

/** Asks somebody into a room, by name or by number. */
function Invite({ chat, room, onInvited }: Props & { readonly onInvited: () => Promise<void> }) {
  const whom = useSignal('');
  const { refusal, attempt } = useAttempt();
  const invite = async (event: Event) => {
    event.preventDefault();
    const done = await attempt(async () => {
      const index = indexOf(chat, whom.value.trim());
      await chat.invitations.invite(room, index);
      chat.announcer.say(`${nameOf(chat.party(index))} is invited to ${room}.`);
    });
    if (!done) return;
    whom.value = '';
    await onInvited();
  };
  return (
    <form class="enter" onSubmit={(event) => void invite(event)}>
      <label>
        <span class="unseen">Name or number of whom to invite</span>
        <input
          required
          maxLength={128}
          placeholder="Name or number"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={whom.value}
          aria-invalid={refusal.value !== ''}
          aria-describedby="invite-refusal"
          onInput={(event) => (whom.value = event.currentTarget.value)}
        />
      </label>
      <button type="submit">Invite</button>
      <p id="invite-refusal" class="refusal" role="alert">
        {refusal.value}
      </p>
    </form>
  );
}

/** @throws Error where nobody is meant, or several are */
function indexOf(chat: Chat, whom: string): number {
  const called = [...chat.people.all.value.values()].filter(({ name }) => name?.toLowerCase() === whom.toLowerCase());
  if (called.length > 1) throw new Error(`Several are called ${whom}: say the number of the one you mean.`);
  if (called[0]) return called[0].index;
  if (/^[1-9]\d{0,14}$/.test(whom)) return Number(whom);
  throw new Error(`Nobody here is called ${whom}.`);
}

/** Asks whom one talks to into one of one's own rooms. */
export function InviteTo({ chat, index }: { readonly chat: Chat; readonly index: number }) {
  const { refusal, attempt } = useAttempt();
  const chosen = useSignal('');
  const said = useSignal('');
  const member = chat.people.get(index);
  const rooms = [...chat.rooms.all.value.keys()].filter((room) => chat.owns(room) && !member?.rooms.includes(room));
  if (rooms.length === 0 || !member || index === chat.me.value?.index) return null;
  const room = rooms.includes(chosen.value) ? chosen.value : (rooms[0] ?? '');
  const invite = async (event: Event) => {
    event.preventDefault();
    said.value = '';
    if (await attempt(() => chat.invitations.invite(room, index))) said.value = 'Invited.';
  };
  return (
    <form class="membership" onSubmit={(event) => void invite(event)}>
      <label>
        <span class="unseen">Private room of yours</span>
        <select
          value={room}
          onChange={(event) => {
            chosen.value = event.currentTarget.value;
            said.value = '';
          }}
        >
          {rooms.map((name) => (
            <option key={name} value={name}>
              #{name}
            </option>
          ))}
        </select>
      </label>
      <button type="submit">
        Invite<span class="unseen"> {nameOf(member)}</span>
      </button>
      <span class="detail" role="status">
        {said.value}
      </span>
      <p class="refusal" role="alert">
        {refusal.value}
      </p>
    </form>
  );
}
