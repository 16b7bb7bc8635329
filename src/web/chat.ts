import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { askedFor, backoff, isPassing } from '../sdk/backoff.js';
import { ProblemError } from '../sdk/errors.js';
import type { ServerSentEvent } from '../sdk/event-parser.js';
import type { ClientInfo, Gap, Message, MessagePage, Presence, ReadState, Welcome } from '../sdk/resources.js';
import { Announcer } from './announcer.js';
import { Api, type Call, explain } from './api.js';
import { Conversation } from './conversation.js';
import {
  clientOf,
  type ConversationKey,
  destinationOf,
  isDirect,
  keyOf,
  messagesPath,
  parseKey,
  roomOf,
} from './conversation-key.js';
import { keptOf } from './kept-sent.js';
import { Link, type LinkState } from './link.js';
import { END, Mailbox } from './mailbox.js';
import { Notifications } from './notifications.js';
import { Outbox } from './outbox.js';
import { People } from './people.js';
import { RawEvents } from './raw-events.js';
import { ReadMarker } from './read-marker.js';
import { Rooms } from './rooms.js';
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

/** Everything the page knows and does. What it shows are the signals in here. */
export class Chat {
  readonly session = new Session();
  readonly api: Api;
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

  constructor(base: URL) {
    this.api = new Api(base, () => this.session.get('token'));
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
      identity: () => ({
        token: this.session.get('token'),
        cursor: this.session.get('cursor'),
        name: this.session.get('name'),
        rooms: this.session.get('rooms') ?? [],
      }),
      identityLost: (why) => {
        if (why === 'gone') return this.#forget();
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
      events: (events, raw) => this.#events(events, raw, false),
      sent: (message) => this.#sent(message),
      retry: () => (this.#link.state.value.kind === 'left' ? this.#startAnew() : this.#link.retry()),
      anew: () => this.#beginAnew(),
    });
    for (const [key, text] of Object.entries(this.session.get('drafts') ?? {})) {
      this.conversation(key as ConversationKey).draft.value = text ?? '';
    }
    this.#add(this.session.get('sent') ?? [], false);
  }

  start(): void {
    const index = this.session.get('index');
    if (this.session.get('token') === undefined || index === undefined) this.#link.open();
    else this.#shared.join(index, false);

    // A tab that does not hold the stream is not welcomed: it finds out by itself.
    effect(() => {
      const isLive = this.#shared.othersState.value?.kind === 'live';
      untracked(() => {
        if (isLive && this.me.value === undefined) void this.#beWelcomed();
      });
    });
    let before: LinkState['kind'] = 'connecting';
    effect(() => {
      const { kind } = this.link.value;
      if (kind === 'live' && before === 'waiting') this.announcer.say('Connected again.');
      if (kind === 'waiting' && before === 'live') this.announcer.say('Connection lost. Trying again.');
      if (kind !== 'connecting') before = kind;
    });
    effect(() => {
      const unread = this.unread.value;
      document.title = unread === 0 ? 'InterChat' : `(${unread > 999 ? '999+' : unread}) InterChat`;
    });
    addEventListener('hashchange', () => this.#activate(parseKey(location.hash)));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#look(true);
    });
    if (this.active.value) this.#activate(this.active.value);
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
    if (key === this.active.value) return;
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
    await this.api.call(this.membership(room, true));
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
    this.#inRooms((rooms) => rooms.filter((one) => one !== room));
    this.announcer.say(`You have left the room ${room}.`);
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
    if (older.value === 'loading' || older.value === 'none' || older.value === 'lost') return;
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
      asMe: room === undefined,
    };
    try {
      const { messages, gap } = await this.api.call<MessagePage>(call);
      this.#add(messages, false);
      return messages.length === PAGE ? 'more' : gap ? 'lost' : 'none';
    } catch (error) {
      // A room that nobody is in has no history.
      if (error instanceof ProblemError && error.code === 'no-such-room') return 'none';
      throw error;
    }
  }

  /** Loads what was said in a room since one last saw it. */
  async #loadSince(conversation: Conversation): Promise<void> {
    for (;;) {
      const path = `${messagesPath(conversation.key)}?after=${conversation.newestId ?? 0}&limit=${BIG_PAGE}`;
      const call = { what: `Read the history of ${roomOf(conversation.key)}`, path };
      const { messages } = await this.api.call<MessagePage>(call);
      this.#add(messages, false);
      if (messages.length < BIG_PAGE) return;
    }
  }

  /** @param own whether this tab holds the stream they came by */
  #events(events: readonly ServerSentEvent[], raw: string, own: boolean): void {
    batch(() => {
      this.raw.add(raw);
      const messages: Message[] = [];
      const presence: Presence[] = [];
      for (const { event, data } of events) {
        const said: unknown = JSON.parse(data);
        if (event === 'welcome') this.#welcome(said as Welcome, own);
        else if (event === 'message') messages.push(said as Message);
        else if (event === 'presence') presence.push(said as Presence);
        else if (event === 'gap') this.#gap(said as Gap);
        else if (event === 'read') this.#read(said as ReadState);
      }
      this.#add(messages, true);
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
    this.session.set('token', token);
    this.session.set('index', client.index);
    if (isNew) this.session.set('cursor', cursor);
    this.#welcomedAt = client.lastSeenAt;
    this.#itsMe(client);
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
      const client = await this.api.call<ClientInfo>({ what: 'See who I am', path: `clients/${index}` });
      this.#welcomedAt = client.lastSeenAt;
      this.#itsMe(client);
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
    const parts = [this.people.load(), this.rooms.load(), this.#inboxLoaded ? Promise.resolve() : this.#loadInbox()];
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
    for (const message of messages) {
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
    const own = changes.filter(({ client }) => client.index === this.session.get('index')).at(-1);
    if (own && own.change !== 'left') this.#itsMe(own.client);
    const matters = ({ change, client }: Presence) =>
      change === 'entered' || change === 'exited' || (change !== 'renamed' && client.rooms.length > 0);
    if (changes.some(matters)) this.rooms.changed();
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
      for (const name of ['index', 'sent', 'former', 'marks'] as const) this.session.set(name, undefined);
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

  /** Whether something can be sent there. */
  canSend(key: ConversationKey): boolean {
    const index = clientOf(key);
    if (index !== undefined)
      return this.people.all.value.has(index) && !(this.me.value?.index !== index && this.isMine(index));
    const room = roomOf(key);
    return room === undefined ? destinationOf(key) !== undefined : this.isIn(room);
  }
}
