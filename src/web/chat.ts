import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { askedFor, backoff, isPassing } from '../sdk/backoff.js';
import { ProblemError } from '../sdk/errors.js';
import type { ServerSentEvent } from '../sdk/event-parser.js';
import type {
  Bye,
  ClientInfo,
  Destination,
  Gap,
  Joined,
  Message,
  MessagePage,
  Presence,
  ReadState,
  Welcome,
} from '../sdk/resources.js';
import { Announcer } from './announcer.js';
import { Api, type Call, explain } from './api.js';
import { Conversation } from './conversation.js';
import {
  clientOf,
  type ConversationKey,
  destinationOf,
  isDirect,
  keyOf,
  keyTo,
  messagesPath,
  parseKey,
  roomOf,
} from './conversation-key.js';
import { AccountSession, ClientToken } from './credential.js';
import { type Invitation, Invitations } from './invitations.js';
import { keptOf } from './kept-sent.js';
import { Link, type LinkState } from './link.js';
import { END, Mailbox } from './mailbox.js';
import { Notifications } from './notifications.js';
import { Outbox } from './outbox.js';
import { isLastPage } from './page-end.js';
import { People, roomsAfter } from './people.js';
import { type Permission, Rights, toSend } from './permissions.js';
import { RawEvents } from './raw-events.js';
import { ReadMarker } from './read-marker.js';
import { type Room, Rooms } from './rooms.js';
import { Session } from './session.js';
import { SharedLink } from './shared-link.js';
import { nameOf, summary } from './wording.js';

/** What is loaded of a history at a time. */
const PAGE = 100;
/** As many are loaded at a time where it is to be seen which of many messages matter. */
const BIG_PAGE = 1000;

/** Something to be told to whoever looks at the page. */
export interface Notice {
  readonly number: number;
  readonly text: string;
}

/** Who one is to the server, in its own words (`GET /sessions/current`). */
export interface Who {
  readonly kind: 'none' | 'client' | 'account' | 'key' | 'jwt' | 'operator';
  readonly name: string | null;
  readonly client: ClientInfo | null;
  readonly may: readonly string[];
}

/** A view that is no conversation. */
export type Aside = 'you' | 'sign-in';

export interface ChatListener {
  /** Whoever this is has to show again who it is, if it is to be anybody. @param why for people; empty where nothing was lost */
  turnedAway(why: string): void;
}

/** Everything the page knows and does as one client. What it shows are the signals in here. */
export class Chat {
  readonly session: Session;
  readonly api: Api;
  /** The name of the account that is signed in; undefined for a client that needs none. */
  readonly account: string | undefined;
  readonly rights: Rights;
  readonly invitations: Invitations;
  readonly people: People;
  readonly rooms: Rooms;
  readonly outbox: Outbox;
  readonly raw = new RawEvents();
  readonly notifications = new Notifications();
  readonly announcer = new Announcer();

  /** This client; undefined until the first welcome. */
  readonly me = signal<ClientInfo | undefined>(undefined);
  readonly conversations = signal<ReadonlyMap<ConversationKey, Conversation>>(new Map());
  /** Which of them is looked at. */
  readonly active = signal<ConversationKey | undefined>(parseKey(location.hash));
  /** What is looked at instead of one. */
  readonly aside = signal<Aside | undefined>(parseAside(location.hash));
  readonly notices = signal<readonly Notice[]>([]);
  readonly unread = computed(() => {
    let sum = 0;
    for (const conversation of this.conversations.value.values()) sum += conversation.unread.value;
    return sum;
  });
  /** How the stream is, whichever tab of this client holds it. */
  readonly link = computed<LinkState>(() => this.#shared.othersState.value ?? this.#link.state.value);

  readonly #link: Link;
  readonly #shared: SharedLink;
  readonly #mailbox: Mailbox;
  readonly #marker: ReadMarker;
  /** The server's time at the last welcome: what was sent before is caught up with, and no news. */
  #welcomedAt = '';
  /** Up to which place the whole mailbox was read. */
  #mailboxRead = 0;
  /** Whether what was said and read before is known. */
  #inboxLoaded = false;
  /** How many have come into each conversation since the server counted what is unread. */
  readonly #sinceCounted = new Map<Conversation, number>();
  #noticeNumber = 0;
  #loadFailures = 0;
  #loadTimer: ReturnType<typeof setTimeout> | undefined;
  #atEnd = true;
  /** Ids of messages that were deleted: what is on its way of them is too late. */
  readonly #deleted = new Set<string>();
  #recountTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #closers: (() => void)[] = [];

  constructor(base: URL, who: Who, listener: ChatListener) {
    this.account = (who.kind === 'account' && who.name) || undefined;
    this.rights = new Rights(who.may);
    this.session = this.account === undefined ? Session.ofClient() : Session.ofAccount(this.account);
    this.api = new Api(
      base,
      this.account === undefined
        ? new ClientToken(this.session)
        : new AccountSession(this.account, (why) => listener.turnedAway(why)),
    );
    if (who.client) this.#beClient(who.client);
    this.invitations = new Invitations(this.api, () => this.session.get('index'));
    this.people = new People(this.api);
    this.rooms = new Rooms(this.api);
    this.outbox = new Outbox(this.api, this.session, {
      conversation: (key) => this.conversation(key),
      me: () => this.me.value?.index,
      sent: (message) => {
        this.#shared.passSent(message);
        this.#sent(message);
      },
    });
    this.#mailbox = new Mailbox(this.api, () => this.session.get('index'));
    this.#marker = new ReadMarker(this.api, this.session, this);
    this.#link = new Link(this.api, {
      identity: async () => {
        if (this.account !== undefined && this.session.get('cursor') === undefined) await this.#beginHere();
        return {
          token: this.session.get('token'),
          cursor: this.session.get('cursor'),
          name: this.session.get('name'),
          rooms: (this.session.get('rooms') ?? []).filter((room) => this.may(`read:${room}`)),
          account: this.account,
          presence: this.may('list'),
        };
      },
      turnedAway: (why) => listener.turnedAway(why),
      identityLost: (why) => {
        if (why === 'gone') return this.#forget();
        if (why === 'name') {
          this.notice(
            `The name ${this.session.get('name')} is that of an account now: you have none until you take another.`,
          );
          return this.session.set('name', undefined);
        }
        this.#shared.passAnew();
        this.#beginAnew();
      },
      events: (events, raw) => {
        this.#events(events, raw, true);
        this.#shared.pass(raw);
      },
    });
    this.#shared = new SharedLink(this.#link.state, {
      lead: () => this.#link.open(),
      events: (events, raw) => {
        this.#events(events, raw, false);
        const last = events.at(-1);
        // Whoever holds the stream hears it by itself.
        if (last?.event === 'bye' && (JSON.parse(last.data) as Bye | SignedOut).reason === 'signed-out') {
          listener.turnedAway('You were signed out.');
        }
      },
      sent: (message) => this.#sent(message),
      retry: () => {
        const { kind } = this.#link.state.value;
        if (kind === 'left') this.#startAnew();
        else if (kind === 'refused') this.#link.open();
        else this.#link.retry();
      },
      anew: () => this.#beginAnew(),
    });
    for (const [key, text] of Object.entries(this.session.get('drafts') ?? {})) {
      this.conversation(key as ConversationKey).draft.value = text ?? '';
    }
    this.#add(this.session.get('sent') ?? [], false);
  }

  start(): void {
    const index = this.session.get('index');
    const isKnown = this.account !== undefined || this.session.get('token') !== undefined;
    if (!isKnown || index === undefined) this.#link.open();
    else this.#shared.join(index, false);

    // A tab that does not hold the stream is not welcomed: it finds out by itself.
    this.#effect(() => {
      const isLive = this.#shared.othersState.value?.kind === 'live';
      untracked(() => {
        if (isLive && this.me.value === undefined) void this.#beWelcomed();
      });
    });
    let before: LinkState['kind'] = 'connecting';
    this.#effect(() => {
      const { kind } = this.link.value;
      if (kind === 'live' && before === 'waiting') this.announcer.say('Connected again.');
      if (kind === 'waiting' && before === 'live') this.announcer.say('Connection lost. Trying again.');
      if (kind !== 'connecting') before = kind;
    });
    this.#effect(() => {
      const unread = this.unread.value;
      document.title = unread === 0 ? 'InterChat' : `(${unread > 999 ? '999+' : unread}) InterChat`;
    });
    const onHash = () => {
      this.aside.value = parseAside(location.hash);
      this.#activate(parseKey(location.hash));
    };
    const onSeen = () => {
      if (document.visibilityState === 'visible') this.#look(true);
    };
    addEventListener('hashchange', onHash);
    document.addEventListener('visibilitychange', onSeen);
    this.#closers.push(
      () => removeEventListener('hashchange', onHash),
      () => document.removeEventListener('visibilitychange', onSeen),
    );
    this.#effect(() => {
      void this.rooms.all.value;
      void this.me.value;
      untracked(() => this.#rememberPrivate());
    });
    if (this.active.value) this.#activate(this.active.value);
  }

  /** Ends all that is under way. What it remembers stays for whoever is this client again. */
  close(): void {
    for (const close of this.#closers.splice(0)) close();
    clearTimeout(this.#loadTimer);
    clearTimeout(this.#recountTimer);
    this.outbox.close();
    this.session.close();
    this.#marker.close();
    this.rooms.close();
    this.notifications.close();
    this.api.close();
    this.#link.close();
    this.#shared.close();
    document.title = 'InterChat';
  }

  /** Takes leave as a client that is not to come back. */
  async leave(): Promise<void> {
    const index = this.session.get('index');
    if (index === undefined || this.account !== undefined) return;
    await this.api.call({ what: 'Leave', method: 'DELETE', path: `clients/${index}`, asMe: true });
  }

  may(permission: Permission): boolean {
    return this.rights.allows(permission);
  }

  /** Whether the messages of a conversation may be deleted: by who keeps order, and in a private room by whose it is. */
  mayDelete(key: ConversationKey): boolean {
    if (this.account !== undefined && this.may('admin')) return true;
    const room = roomOf(key);
    return room !== undefined && this.owns(room);
  }

  /** Whether a room is a private one of one's own. */
  owns(room: string): boolean {
    const info = this.rooms.all.value.get(room);
    return info?.private === true && info.owner === this.me.value?.index;
  }

  #effect(what: () => void): void {
    this.#closers.push(effect(what));
  }

  /** As whom an account comes back: if that is another client than before, nothing of what was said before means anything to it. */
  #beClient({ index, connectedAt, name, rooms }: ClientInfo): void {
    const { session } = this;
    if (
      session.get('index') !== undefined &&
      (session.get('index') !== index || session.get('since') !== connectedAt)
    ) {
      for (const one of ['cursor', 'sent', 'former', 'marks', 'rooms', 'privateRooms', 'gone'] as const)
        session.set(one, undefined);
      session.set(
        'outbox',
        session.get('outbox')?.map((one) => ({ ...one, sender: 0 })),
      );
    }
    session.set('index', index);
    session.set('since', connectedAt);
    session.set('name', name ?? undefined);
    session.set('rooms', rooms);
  }

  /** A stream of an account that has not been here before begins now: what was said before is loaded where somebody looks for it. */
  async #beginHere(): Promise<void> {
    const call = {
      what: 'Ask where the stream is now',
      method: 'POST',
      path: 'clients',
      json: {},
      asMe: true,
    } as const;
    const { cursor } = await this.api.call<Joined>(call);
    this.session.set('cursor', cursor);
  }

  /** The conversation of this key; there from the first time that somebody speaks of it. */
  conversation(key: ConversationKey): Conversation {
    const there = this.conversations.peek().get(key);
    if (there) return there;
    const conversation = new Conversation(key);
    if (isDirect(key)) {
      conversation.readUpTo(this.#mailboxRead);
      conversation.readUpTo(Number(this.session.get('marks')?.[key] ?? 0));
    }
    this.conversations.value = new Map(this.conversations.peek()).set(key, conversation);
    return conversation;
  }

  isMine(index: number): boolean {
    return index === this.session.get('index') || (this.session.get('former') ?? []).includes(index);
  }

  isIn(room: string): boolean {
    return this.me.value?.rooms.includes(room) ?? false;
  }

  /** Shows a conversation, or the list of them. The address of the page says which: back and forward work. */
  show(key: ConversationKey | undefined): void {
    if (key === this.active.value && this.aside.value === undefined) return;
    location.hash = key ?? '';
  }

  /** Whether one sees the newest message of the conversation that is shown. */
  set atEnd(atEnd: boolean) {
    this.#atEnd = atEnd;
    if (atEnd) this.#look(false);
  }

  #trim(conversation: Conversation): void {
    conversation.trim();
    // All that comes from nobody is in the mailbox, which is read backwards: from here again.
    const oldest = conversation.oldestId;
    if (conversation.key === 'nobody' && conversation.older.value === 'more' && oldest !== undefined) {
      this.#mailbox.rewind(Number(oldest));
    }
  }

  send(to: ConversationKey, text: string): void {
    const conversation = this.conversation(to);
    conversation.divider.value = undefined;
    this.setDraft(to, '');
    this.outbox.send(to, text);
  }

  setDraft(key: ConversationKey, text: string): void {
    this.conversation(key).draft.value = text;
    const drafts = { ...this.session.get('drafts') };
    if (text === '') delete drafts[key];
    else drafts[key] = text;
    this.session.set('drafts', drafts);
  }

  /** @throws what the server says against it */
  async rename(name: string): Promise<void> {
    const me = this.me.value;
    if (!me) return;
    const path = `clients/${me.index}`;
    const renamed = await this.api.call<ClientInfo>({
      what: 'Change my name',
      method: 'PATCH',
      path,
      json: { name },
      asMe: true,
    });
    this.#itsMe(renamed);
    this.announcer.say(`Your name is now ${name}.`);
  }

  /** Enters a room, which is made if it is not there. @throws what the server says against it */
  async enter(room: string): Promise<void> {
    if (!this.me.value) return;
    // Not left to the server: . and .. would not come to it as a name.
    if (!parseKey(`room/${room}`)) throw new Error('The name of a room is 1 to 64 of A-Z, a-z, 0-9, _ and -.');
    this.rooms.put(await this.api.call<Room>(this.membership(room, true)));
    this.#entered(room);
    await this.#goIn(room);
  }

  /** Makes a private room. @throws what the server says against it */
  async make(room: string): Promise<void> {
    if (!this.me.value) return;
    if (!parseKey(`room/${room}`)) throw new Error('The name of a room is 1 to 64 of A-Z, a-z, 0-9, _ and -.');
    this.rooms.put(await this.api.call<Room>(this.making(room)));
    this.#entered(room);
    await this.#goIn(room);
  }

  /** The request that making a private room is. */
  making(room: string): Call {
    const path = `rooms/${encodeURIComponent(room)}`;
    return { what: `Make the private room ${room}`, method: 'PUT', path, json: { private: true }, asMe: true };
  }

  async #goIn(room: string): Promise<void> {
    this.#inRooms((rooms) => [...new Set([...rooms, room])].sort());
    const key = `room/${room}` as const;
    const conversation = this.conversation(key);
    // What was said up to now was read, or is not for whoever was not there.
    if (conversation.older.value !== 'unknown') await this.#loadSince(conversation);
    if (this.active.value === key) this.#look(false);
    else this.show(key);
    this.announcer.say(`You are in the room ${room}.`);
  }

  /** @throws what the server says against it */
  async exit(room: string): Promise<void> {
    if (!this.me.value) return;
    await this.api.call(this.membership(room, false));
    this.#hasLeft(room);
    this.announcer.say(`You have left the room ${room}.`);
  }

  /** Takes up an invitation. @throws what the server says against it */
  async accept({ room }: Invitation): Promise<void> {
    // Whatever becomes of it, the server knows best which are left.
    try {
      await this.enter(room);
    } finally {
      await this.invitations.load().catch(() => undefined);
    }
  }

  /** Closes a private room of one's own. @throws what the server says against it */
  async closeRoom(room: string): Promise<void> {
    const path = `rooms/${encodeURIComponent(room)}`;
    await this.api.call({ what: `Close the room ${room}`, method: 'DELETE', path, asMe: true });
    this.#hasLeft(room);
    this.announcer.say(`The room ${room} is closed.`);
  }

  /** Deletes a message, for all. @throws what the server says against it */
  async delete({ id, to }: Message): Promise<void> {
    if (id === null) return;
    const path = `${messagesPath(keyTo(to))}/${id}`;
    await this.api.call({ what: `Delete message ${id}`, method: 'DELETE', path, asMe: true });
    // Who sent it to somebody else is not told by a stream.
    this.#deletedFrom(id, to);
  }

  /** The request that entering or leaving a room is. */
  membership(room: string, enter: boolean): Call {
    const path = `rooms/${encodeURIComponent(room)}/members/${this.me.value?.index ?? 0}`;
    return {
      what: enter ? `Enter the room ${room}` : `Leave the room ${room}`,
      method: enter ? 'PUT' : 'DELETE',
      path,
      asMe: true,
    };
  }

  /** Loads what was said before what is there. */
  async loadOlder(conversation: Conversation): Promise<void> {
    const { older } = conversation;
    const room = roomOf(conversation.key);
    if (room !== undefined && !this.may(`read:${room}`)) {
      older.value = 'refused';
      return;
    }
    if (['loading', 'none', 'lost', 'refused'].includes(older.value)) return;
    const first = older.value === 'unknown';
    older.value = 'loading';
    try {
      if (isDirect(conversation.key)) {
        const before = conversation.entries.value.length;
        let size = PAGE;
        do {
          this.#add(await this.#mailbox.older(size), false);
          // They may be far down, below those of others.
          size = BIG_PAGE;
        } while (!first && !this.#mailbox.ended && conversation.entries.value.length === before);
        older.value = this.#mailbox.rest;
      } else {
        older.value = await this.#loadPage(conversation);
      }
    } catch (error) {
      older.value = 'failed';
      if (!(error instanceof ProblemError)) return;
      this.notice(`Older messages cannot be loaded: ${explain(error)}`);
    }
  }

  /** Connects now: instead of after the pause, or again after one has left. */
  retryLink(): void {
    this.#shared.retry();
  }

  notice(text: string): void {
    const notice = { number: this.#noticeNumber++, text };
    this.notices.value = [...this.notices.value.filter((one) => one.text !== text), notice].slice(-3);
  }

  dismiss(notice: Notice): void {
    this.notices.value = this.notices.value.filter((one) => one !== notice);
  }

  #activate(key: ConversationKey | undefined): void {
    const before = this.active.peek();
    batch(() => {
      if (before !== undefined && before !== key) this.conversation(before).divider.value = undefined;
      this.active.value = key;
      this.#atEnd = true;
      if (key !== undefined) this.#look(true);
    });
    if (key === undefined) return;
    const conversation = this.conversation(key);
    if (!this.me.value) return;
    const room = roomOf(key);
    // Nobody is told to whom it is handed over.
    if (room !== undefined && this.rooms.isPrivate(room)) this.rooms.changed();
    if (conversation.older.value === 'unknown') void this.#loadFirst(conversation);
    // Nothing tells what is said in a room that one is not in.
    else if (room !== undefined && !this.isIn(room)) void this.#loadSince(conversation).catch(() => undefined);
  }

  /** Somebody looks at the conversation: what it has is read. @param anew whether they looked elsewhere before */
  #look(anew: boolean): void {
    const key = this.active.peek();
    if (key === undefined || document.visibilityState !== 'visible') return;
    const conversation = this.conversation(key);
    if (anew) conversation.placeDivider();
    // Until its history is there, nobody has seen what is unread in it.
    if (!this.#atEnd || (conversation.unreadBefore.value > 0 && conversation.older.value === 'unknown')) return;
    if (conversation.readToEnd()) this.#marker.read(conversation);
  }

  async #loadFirst(conversation: Conversation): Promise<void> {
    const unread = conversation.unread.value;
    await this.loadOlder(conversation);
    batch(() => {
      if (conversation.mark.value === 0) this.#markByCount(conversation, unread);
      conversation.unreadBefore.value = 0;
      if (conversation.key !== this.active.value) return;
      if (unread > 0) conversation.placeDivider();
      this.#look(false);
    });
  }

  /** Where nothing says how far it was read: the newest so many are what was not. */
  #markByCount(conversation: Conversation, unread: number): void {
    const others = conversation.entries.value.filter(({ mine }) => !mine);
    const last = unread === 0 ? conversation.newest : others.at(-1 - unread);
    if (last) conversation.readUpTo(last.place);
  }

  async #loadPage(conversation: Conversation): Promise<'more' | 'none' | 'lost'> {
    const room = roomOf(conversation.key);
    const before = conversation.oldestId ?? END;
    const call = {
      what: room === undefined ? 'Read what was sent to everyone' : `Read the history of ${room}`,
      path: `${messagesPath(conversation.key)}?before=${before}&limit=${PAGE}`,
      asMe: true,
    };
    try {
      const { messages, gap } = await this.api.call<MessagePage>(call);
      this.#add(messages, false);
      if (!isLastPage(messages, PAGE)) return 'more';
      return gap ? 'lost' : 'none';
    } catch (error) {
      // A room that nobody is in has no history.
      if (error instanceof ProblemError && error.code === 'no-such-room') return 'none';
      throw error;
    }
  }

  /** Loads what was said in a room since one last saw it. */
  async #loadSince(conversation: Conversation): Promise<void> {
    if (!this.may(`read:${roomOf(conversation.key)}`)) return;
    for (;;) {
      const path = `${messagesPath(conversation.key)}?after=${conversation.newestId ?? 0}&limit=${BIG_PAGE}`;
      const call = { what: `Read the history of ${roomOf(conversation.key)}`, path, asMe: true };
      const { messages } = await this.api.call<MessagePage>(call);
      this.#add(messages, false);
      if (isLastPage(messages, BIG_PAGE)) return;
    }
  }

  /** @param own whether this tab holds the stream they came by */
  #events(events: readonly ServerSentEvent[], raw: string, own: boolean): void {
    batch(() => {
      this.raw.add(raw);
      const messages: Message[] = [];
      const presence: Presence[] = [];
      const deleted: Deleted[] = [];
      for (const { event, data } of events) {
        const said: unknown = JSON.parse(data);
        if (event === 'welcome') this.#welcome(said as Welcome, own);
        else if (event === 'message') messages.push(said as Message);
        else if (event === 'presence') presence.push(said as Presence);
        else if (event === 'gap') this.#gap(said as Gap);
        else if (event === 'read') this.#read(said as ReadState);
        else if (event === 'invited')
          this.#invited(said as { readonly room: string; readonly by: Invitation['owner'] });
        else if (event === 'deleted') deleted.push(said as Deleted);
      }
      this.#add(messages, true);
      for (const { id, to } of deleted) this.#deletedFrom(id, to);
      this.#presence(presence);
      const cursor = events.at(-1)?.lastEventId;
      if (cursor !== undefined && cursor !== '') this.session.set('cursor', cursor);
    });
  }

  #welcome({ client, token, cursor }: Welcome, own: boolean): void {
    const before = this.session.get('index');
    const isNew = client.index !== before;
    if (isNew && before !== undefined) {
      this.#was(before);
      this.notice(
        `Client ${before} has left, or was away for too long. You are Client ${client.index} now, in the same rooms.`,
      );
    }
    // Who has signed in has no token: only the browser itself knows its secret.
    this.session.set('token', token ?? undefined);
    this.session.set('index', client.index);
    if (isNew) this.session.set('cursor', cursor);
    this.#welcomedAt = client.lastSeenAt;
    this.#begunIn(client);
    if (isNew) {
      this.#inboxLoaded = false;
      this.#shared.join(client.index, own);
    }
    void this.#refresh();
  }

  /** For a tab that shares the stream of another one: what a welcome would have said. */
  async #beWelcomed(): Promise<void> {
    const index = this.session.get('index');
    if (index === undefined) return;
    try {
      const client = await this.api.call<ClientInfo>({
        what: 'See who I am',
        path: `clients/${index}`,
        asMe: true,
      });
      this.#welcomedAt = client.lastSeenAt;
      this.#begunIn(client);
      await this.#refresh();
    } catch (error) {
      // If it is more than that, whoever holds the stream finds out what is the matter.
      this.#later(error, () => (this.me.value === undefined ? this.#beWelcomed() : undefined));
    }
  }

  /** Asks for what no stream tells: who there is, and, once, what was said and read before. */
  async #refresh(): Promise<void> {
    this.outbox.resume();
    await this.#load();
  }

  async #load(): Promise<void> {
    clearTimeout(this.#loadTimer);
    const parts = [this.invitations.load()];
    if (this.may('list')) parts.push(this.people.load(), this.rooms.load());
    if (!this.#inboxLoaded) parts.push(this.#loadInbox());
    const failed = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected');
    if (!failed) this.#loadFailures = 0;
    else if (isPassing(failed.reason)) this.#later(failed.reason, () => this.#load());
    else this.notice(`Not all could be loaded: ${explain(failed.reason)}`);
  }

  /** Tries again, unless the link is lost meanwhile: once it is back all is asked for anyway. */
  #later(error: unknown, what: () => Promise<void> | undefined): void {
    clearTimeout(this.#loadTimer);
    this.#loadTimer = setTimeout(
      () => {
        if (this.link.value.kind === 'live') void what();
      },
      backoff(this.#loadFailures++, askedFor(error)),
    );
  }

  async #loadInbox(): Promise<void> {
    const index = this.session.get('index');
    if (index === undefined) return;
    const call = { what: 'See how far I have read', path: `clients/${index}/read`, asMe: true };
    const state = await this.api.call<ReadState>(call);
    this.#sinceCounted.clear();
    const { unread } = state;
    const counts = new Map<Conversation, number>();
    this.#add(await this.#mailbox.first(Math.min(BIG_PAGE, Math.max(PAGE, unread.mailbox))), false);
    // Whose messages are unread, only they themselves say.
    while (this.#mailbox.size < unread.mailbox && !this.#mailbox.ended) {
      this.#add(await this.#mailbox.older(BIG_PAGE), false);
    }
    batch(() => {
      this.#mailboxReadUpTo(Number(state.mailbox ?? this.#mailbox.placeBefore(unread.mailbox)));
      for (const { key, older } of this.conversations.value.values()) {
        if (isDirect(key)) older.value = this.#mailbox.rest;
      }
      this.#read(state);
      counts.set(this.conversation('everyone'), unread.everyone);
      for (const [room, count] of Object.entries(unread.rooms)) counts.set(this.conversation(`room/${room}`), count);
      for (const [conversation, count] of counts) {
        conversation.unreadBefore.value = 0;
        conversation.unreadBefore.value = Math.max(0, count - conversation.unread.value);
      }
    });
    // A new client in the rooms of the one before has not been told what was said in between.
    for (const room of this.me.value?.rooms ?? []) {
      const conversation = this.conversation(`room/${room}`);
      if (conversation.older.value !== 'unknown') await this.#loadSince(conversation);
    }
    // What is held here is counted here: the server's count is for what is not.
    for (const [conversation, count] of counts) {
      if (conversation.unreadBefore.value > 0) await this.#loadUnread(conversation, count);
    }
    this.#inboxLoaded = true;
    const active = this.active.value;
    if (active) {
      const conversation = this.conversation(active);
      if (conversation.older.value === 'unknown') await this.#loadFirst(conversation);
      else this.#look(true);
    }
  }

  /** @param count how much was unread when the server counted it, held here or not */
  async #loadUnread(conversation: Conversation, count: number): Promise<void> {
    if (conversation.older.value === 'unknown') await this.loadOlder(conversation);
    batch(() => {
      const { mark, entries } = conversation;
      const all = count + (this.#sinceCounted.get(conversation) ?? 0);
      if (mark.value === 0) {
        const last = entries.value.at(-1 - all);
        if (last) conversation.readUpTo(last.place);
      }
      const held = entries.value.filter(({ place }) => place > mark.value).length;
      conversation.unreadBefore.value = Math.max(0, all - held);
    });
  }

  /** Puts messages where they belong. @param live whether they come from the stream, now */
  #add(messages: readonly Message[], live: boolean): void {
    const grouped = new Map<ConversationKey, { message: Message; mine: boolean }[]>();
    const gone = this.session.get('gone') ?? [];
    for (const message of messages) {
      if (message.id !== null && this.#deleted.has(message.id)) continue;
      if ('room' in message.to && gone.includes(message.to.room)) continue;
      const mine = message.from !== null && this.isMine(message.from.index);
      const key = keyOf(message, (index) => this.isMine(index));
      const group = grouped.get(key);
      if (group) group.push({ message, mine });
      else grouped.set(key, [{ message, mine }]);
      if (live && mine) this.outbox.seen(key, message.text);
    }
    for (const [key, group] of grouped) {
      const conversation = this.conversation(key);
      const added = conversation.add(group);
      // Who reads further up may be reading the oldest.
      if (live && (key !== this.active.value || this.#atEnd)) this.#trim(conversation);
      if (!live || added.length === 0) continue;
      this.#sinceCounted.set(conversation, (this.#sinceCounted.get(conversation) ?? 0) + added.length);
      this.#look(false);
      for (const { message, mine } of added) if (!mine) this.#news(key, message);
    }
  }

  #news(key: ConversationKey, message: Message): void {
    const who = message.from ? nameOf(message.from) : 'Somebody';
    const inView = key === this.active.value && document.visibilityState === 'visible';
    if (inView) this.announcer.say(`${who}: ${summary(message)}`);
    // What was sent before one was back is no news: a burst of it would be of no use.
    if (inView || message.sentAt < this.#welcomedAt) return;
    const room = roomOf(key);
    const where = room !== undefined ? ` in ${room}` : key === 'everyone' ? ' to everyone' : '';
    this.notifications.tell({
      about: key,
      id: message.id,
      title: `${who}${where}`,
      body: summary(message),
      open: () => this.show(key),
    });
  }

  #sent(message: Message): void {
    batch(() => {
      this.#add([message], false);
      this.#look(false);
    });
    if ('client' in message.to) this.session.set('sent', keptOf([...(this.session.get('sent') ?? []), message]));
  }

  #presence(changes: readonly Presence[]): void {
    if (changes.length === 0) return;
    this.people.changed(changes);
    for (const presence of changes) {
      const { change, client, room } = presence;
      if (client.index !== this.session.get('index') || change === 'left') continue;
      if (change === 'exited' && room !== undefined && this.#isPrivate(room)) this.#putOut(room);
      else {
        if (change === 'entered' && room !== undefined) this.#entered(room);
        this.#itsMe({ ...client, rooms: roomsAfter(this.me.value?.rooms ?? [], presence) });
      }
    }
    const matters = ({ change, client }: Presence) =>
      change === 'entered' ||
      change === 'exited' ||
      (change !== 'renamed' && (this.people.get(client.index) ?? client).rooms.length > 0);
    if (changes.some(matters)) this.rooms.changed();
  }

  #isPrivate(room: string): boolean {
    return this.rooms.isPrivate(room) || (this.session.get('privateRooms') ?? []).includes(room);
  }

  /** What the server says at the beginning: who one is, and in which rooms; one may have been put out of some meanwhile. */
  #begunIn(client: ClientInfo): void {
    this.#itsMe(client);
    for (const room of this.session.get('privateRooms') ?? []) if (!client.rooms.includes(room)) this.#putOut(room);
  }

  /** One is in a room again that one may have been put out of. */
  #entered(room: string): void {
    this.session.set(
      'gone',
      (this.session.get('gone') ?? []).filter((one) => one !== room),
    );
    this.invitations.drop(room);
  }

  /** One is not in a room any more, by one's own doing. */
  #hasLeft(room: string): void {
    if (this.#isPrivate(room)) this.#takeAway(room);
    this.#inRooms((rooms) => rooms.filter((one) => one !== room));
  }

  #putOut(room: string): void {
    if (!this.#takeAway(room)) return;
    this.notice(`You are not in the private room ${room} any more: you were put out, or it was closed.`);
  }

  /** A private room is there to its members alone: nothing of it stays. Returns whether there was something. */
  #takeAway(room: string): boolean {
    const key = `room/${room}` as const;
    const { session } = this;
    const there = (this.me.peek()?.rooms.includes(room) ?? false) || this.conversations.peek().has(key);
    batch(() => {
      session.set('gone', [...new Set([...(session.get('gone') ?? []), room])]);
      session.set(
        'privateRooms',
        (session.get('privateRooms') ?? []).filter((one) => one !== room),
      );
      session.set(
        'rooms',
        (session.get('rooms') ?? []).filter((one) => one !== room),
      );
      this.outbox.drop(key);
      this.setDraft(key, '');
      if (this.active.peek() === key) {
        history.replaceState(null, '', '#');
        this.active.value = undefined;
      }
      const conversations = new Map(this.conversations.peek());
      this.#sinceCounted.delete(this.conversation(key));
      conversations.delete(key);
      this.conversations.value = conversations;
      const me = this.me.peek();
      if (me) this.me.value = { ...me, rooms: me.rooms.filter((one) => one !== room) };
      this.rooms.drop(room);
      this.people.dropRoom(room);
      this.notifications.withdraw(key);
      this.announcer.forget();
      this.raw.forget(room);
      this.api.forget(`rooms/${room}`);
    });
    return there;
  }

  #invited({ room, by }: { readonly room: string; readonly by: Invitation['owner'] }): void {
    this.invitations.put({ room, owner: by });
    this.announcer.say(`${nameOf(by)} invites you to the private room ${room}.`);
  }

  /** A message is not there any more. */
  #deletedFrom(id: string, to: Destination): void {
    this.#deleted.add(id);
    const sent = this.session.get('sent') ?? [];
    if (sent.some((message) => message.id === id)) {
      this.session.set(
        'sent',
        sent.filter((message) => message.id !== id),
      );
    }
    const isIts = ({ key }: Conversation) => ('client' in to ? isDirect(key) : key === keyTo(to));
    batch(() => {
      for (const conversation of this.conversations.value.values()) {
        if (!isIts(conversation)) continue;
        const held = conversation.delete(id);
        if (held) this.notifications.withdraw(conversation.key, id);
        else if (conversation.unreadBefore.value > 0 && Number(id) > conversation.mark.value) this.#recountSoon();
      }
    });
  }

  /** Something was deleted that is held by the server alone, which knows whether it was unread. */
  #recountSoon(): void {
    clearTimeout(this.#recountTimer);
    this.#recountTimer = setTimeout(() => void this.#recount().catch(() => undefined), 500);
  }

  async #recount(): Promise<void> {
    const call = { what: 'See how much is unread', path: `clients/${this.session.get('index')}/read`, asMe: true };
    const { unread } = await this.api.call<ReadState>(call);
    batch(() => {
      for (const conversation of this.conversations.value.values()) {
        if (isDirect(conversation.key) || conversation.unreadBefore.value === 0) continue;
        const count = conversation.key === 'everyone' ? unread.everyone : unread.rooms[roomOf(conversation.key) ?? ''];
        const held = conversation.unread.value - conversation.unreadBefore.value;
        conversation.unreadBefore.value = Math.max(0, (count ?? 0) - held);
      }
    });
  }

  #gap({ to }: Gap): void {
    const where =
      to === undefined ? '' : 'room' in to ? ` in ${to.room}` : 'everyone' in to ? ' to everyone' : ' to you';
    this.notice(`Some messages${where} are no longer kept: they were sent too long ago, or were too many.`);
  }

  /** How far one has read, said here or on another device. */
  #read({ mailbox, everyone, rooms }: ReadState): void {
    if (everyone !== null) this.conversation('everyone').readUpTo(Number(everyone));
    for (const [room, id] of Object.entries(rooms)) this.conversation(`room/${room}`).readUpTo(Number(id));
    if (mailbox !== null) this.#mailboxReadUpTo(Number(mailbox));
  }

  #mailboxReadUpTo(place: number): void {
    this.#mailboxRead = Math.max(this.#mailboxRead, place);
    for (const conversation of this.conversations.value.values()) {
      if (isDirect(conversation.key)) conversation.readUpTo(place);
    }
  }

  #itsMe(client: ClientInfo): void {
    this.me.value = client;
    this.session.set('name', client.name ?? undefined);
    this.session.set('rooms', client.rooms);
    for (const room of client.rooms) this.conversation(`room/${room}`);
  }

  /** Which rooms are private is remembered: of those nothing stays once one is put out, also if that happens while the page is away. */
  #rememberPrivate(): void {
    const rooms = [...this.rooms.all.value.values()].filter((room) => room.private && this.isIn(room.name));
    const names = rooms.map(({ name }) => name);
    const before = this.session.get('privateRooms') ?? [];
    // One that is not there any more is taken away when it is said that one is not in it.
    const kept = before.filter((name) => this.rooms.all.value.get(name)?.private ?? true);
    const all = [...new Set([...kept, ...names])];
    if (all.join() !== before.join()) this.session.set('privateRooms', all);
  }

  /** The rooms one is in have changed, by one's own doing. */
  #inRooms(change: (rooms: readonly string[]) => readonly string[]): void {
    const me = this.me.value;
    if (me) this.#itsMe({ ...me, rooms: change(me.rooms) });
    this.rooms.changed();
  }

  /** Comes back after one has left. */
  #startAnew(): void {
    this.#forget();
    this.#link.open();
  }

  /** The client that one was is no more. */
  #forget(): void {
    this.session.set('token', undefined);
    this.session.set('cursor', undefined);
    this.#mailbox.reset();
  }

  /** The server has another log: nothing that was said means anything there, not even the ids. */
  #beginAnew(): void {
    this.#forget();
    batch(() => {
      for (const name of ['index', 'sent', 'former', 'marks', 'privateRooms', 'gone'] as const)
        this.session.set(name, undefined);
      this.#mailboxRead = 0;
      for (const conversation of this.conversations.value.values()) conversation.clear();
      this.outbox.disown();
      this.notice(
        'The server was set up anew, or its data were moved away: nothing of what was said here before is known to it.',
      );
    });
  }

  #was(index: number): void {
    this.session.set('former', [...new Set([...(this.session.get('former') ?? []), index])].slice(-50));
  }

  /** Who this is; if it is not here, as it was called when it was last heard of. */
  party(index: number): { readonly index: number; readonly name: string | null } {
    const here = this.people.get(index);
    if (here) return here;
    const entries = this.conversations.value.get(`client/${index}`)?.entries.value ?? [];
    const heard = entries.findLast(({ message }) => message.from?.index === index);
    return heard?.message.from ?? { index, name: null };
  }

  /** Which permission is missing to send there, if one is. */
  missingToSend(key: ConversationKey): Permission | undefined {
    const to = destinationOf(key);
    const needed = to && toSend(to);
    return needed !== undefined && !this.may(needed) ? needed : undefined;
  }

  /** Whether something can be sent there. */
  canSend(key: ConversationKey): boolean {
    if (this.missingToSend(key) !== undefined) return false;
    const index = clientOf(key);
    // Who may not see who is there finds out by sending.
    if (index !== undefined && !this.may('list')) return true;
    if (index !== undefined)
      return this.people.all.value.has(index) && !(this.me.value?.index !== index && this.isMine(index));
    const room = roomOf(key);
    return room === undefined ? destinationOf(key) !== undefined : this.isIn(room);
  }
}

interface Deleted {
  readonly id: string;
  readonly to: Destination;
}

/** Why a stream ends that an account has signed out of. */
interface SignedOut {
  readonly reason: 'signed-out' | 'removed';
}

function parseAside(fragment: string): Aside | undefined {
  return fragment === '#you' ? 'you' : fragment === '#sign-in' ? 'sign-in' : undefined;
}
