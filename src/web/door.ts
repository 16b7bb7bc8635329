import { signal } from '@preact/signals';
import { backoff, sleep } from '../sdk/backoff.js';
import { ProblemError } from '../sdk/errors.js';
import { Api, explain } from './api.js';
import { Chat, type Who } from './chat.js';
import { ANY_SESSION, noteSignedIn, NOBODY, signedInAs, whenSignedIn } from './credential.js';
import { Session } from './session.js';

/** In this tab: the account that it was last signed in with, so that it does not become somebody else unasked. */
const WAS = 'interchat@';

/** The server's word on who one is, and on who may come. */
interface WhoAmI extends Who {
  readonly access: 'open' | 'members';
  readonly registration: 'open' | 'closed';
}

/** Where one is: before the door, or in. */
export type Place =
  /** Asking the server who one is. @param until when it is tried again, in milliseconds since 1970; undefined while it is */
  | { readonly kind: 'asking'; readonly until?: number }
  /** @param why something is to be said of how it came to that */
  | { readonly kind: 'out'; readonly why: string }
  | { readonly kind: 'in'; readonly chat: Chat };

/** A device on which one is signed in. */
export interface Device {
  readonly id: string;
  readonly current: boolean;
  /** What it calls itself. */
  readonly device: string | null;
  readonly createdAt: string;
  readonly usedAt: string;
}

/** Who this tab is to the server, and how it comes to be that: a client that needs no account, or the one of an account. */
export class Door {
  readonly place = signal<Place>({ kind: 'asking' });
  /** Whether one may come in without an account. */
  readonly isOpen = signal(false);
  /** Whether one may make oneself an account. Where only members may come, nobody else is told: then whoever tries is. */
  readonly registers = signal(true);
  /** Who was signed in here last. */
  readonly was = signal(readWas());
  /** Asks as nobody, and as whoever the browser's cookie says. */
  readonly #nobody: Api;
  readonly #session: Api;
  #pause: AbortController | undefined;
  #leaving = false;

  constructor(private readonly base: URL) {
    this.#nobody = new Api(base, NOBODY);
    this.#session = new Api(base, ANY_SESSION);
  }

  start(): void {
    whenSignedIn((name) => {
      const place = this.place.value;
      // Back in another tab: here, too.
      if (place.kind === 'out' && name !== null && name === this.was.value) void this.enter();
      if (place.kind === 'in' && place.chat.account !== undefined && name !== null && name !== place.chat.account) {
        this.#turnedAway(place.chat, `${name} has signed in in this browser.`);
      }
    });
    addEventListener('online', () => this.retry());
    void this.enter();
  }

  /** Asks again now instead of after the pause. */
  retry(): void {
    this.#pause?.abort();
  }

  /** Comes in as whoever one is; shows the form where that is nobody who may. */
  async enter(why = ''): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        this.place.value = { kind: 'asking' };
        const { who, over } = await this.#ask();
        const was = this.was.value;
        if (who?.kind === 'account') return this.#come(who);
        // Who was signed in does not become somebody else unasked.
        const lost = over ?? (was === undefined ? undefined : 'Your session is over.');
        if (who === undefined || lost !== undefined) return this.#stay(why || kept(lost ?? '', was));
        return this.#come(who);
      } catch (error) {
        const until = Date.now() + backoff(failures, error instanceof ProblemError ? error.retryAfter : 0);
        this.place.value = { kind: 'asking', until };
        this.#pause = new AbortController();
        await sleep(until - Date.now(), this.#pause.signal).catch(() => undefined);
      }
    }
  }

  /** Comes in without an account, although one was signed in here. */
  async enterAsNobody(): Promise<void> {
    const who = await this.#nobody.call<WhoAmI>(WHO);
    this.#forgetWas();
    cleanAddress();
    this.#come(who);
  }

  /** Whoever the browser is signed in as already, by another tab. Returns whether there is somebody. */
  async enterAsSignedIn(): Promise<boolean> {
    const { who } = await this.#ask();
    if (who?.kind !== 'account') return false;
    await this.#leaveClient();
    cleanAddress();
    this.#come(who);
    return true;
  }

  /** @throws what the server says against it */
  async signIn(name: string, password: string): Promise<void> {
    // The answer has the token of the session as well: it is for those who have no cookies, and kept nowhere here.
    const call = { what: 'Sign in', method: 'POST', path: 'sessions', json: { name, password } } as const;
    const { client, may, name: account, access, registration } = await this.#session.call<WhoAmI>(call);
    await this.#leaveClient();
    if (this.was.value !== account && (this.was.value !== undefined || this.place.value.kind === 'in')) cleanAddress();
    this.#come({ kind: 'account', client, may, name: account, access, registration });
  }

  /** Makes an account, and signs in with it. @throws what the server says against it */
  async register(name: string, password: string): Promise<void> {
    const call = { what: 'Make an account', method: 'POST', path: 'accounts', json: { name, password } } as const;
    await this.#nobody.call(call).catch((error: unknown) => {
      if (error instanceof ProblemError && error.code === 'forbidden') this.registers.value = false;
      throw error;
    });
    await this.signIn(name, password);
  }

  /** @throws what the server says against it */
  async signOut(chat: Chat, everywhere = false): Promise<void> {
    this.#leaving = true;
    try {
      await chat.api.call({
        what: everywhere ? 'Sign out everywhere' : 'Sign out',
        method: 'DELETE',
        path: everywhere ? 'sessions' : 'sessions/current',
      });
    } catch (error) {
      // What is over already need not be ended.
      if (!(error instanceof ProblemError && error.status === 401)) throw error;
    } finally {
      this.#leaving = false;
    }
    chat.close();
    chat.session.clear();
    noteSignedIn(null);
    this.#forgetWas();
    cleanAddress();
    this.#stay(everywhere ? 'You have signed out on all your devices.' : 'You have signed out.');
  }

  #stay(why: string): void {
    this.place.value = { kind: 'out', why };
  }

  #come(who: WhoAmI): void {
    this.isOpen.value = who.access === 'open';
    this.registers.value = who.registration === 'open';
    if (this.place.value.kind === 'in') this.place.value.chat.close();
    if (who.kind === 'account' && who.name !== null) {
      this.was.value = who.name;
      writeWas(who.name);
      if (signedInAs() !== who.name) noteSignedIn(who.name);
    }
    const chat: Chat = new Chat(this.base, who, { turnedAway: (why) => this.#turnedAway(chat, why) });
    this.place.value = { kind: 'in', chat };
    chat.start();
  }

  #turnedAway(chat: Chat, why: string): void {
    const place = this.place.value;
    if (this.#leaving || place.kind !== 'in' || place.chat !== chat) return;
    if (chat.account === undefined) return void this.#mayStillCome(chat);
    chat.close();
    // For the other tabs to be told when there is somebody again.
    if (signedInAs() === chat.account) noteSignedIn(null);
    void this.#learn().catch(() => undefined);
    this.#stay(kept(why, chat.account));
  }

  /** A client without an account is refused: either by the server, which is for members now, or by something in between. */
  async #mayStillCome(chat: Chat): Promise<void> {
    try {
      await this.#nobody.call<WhoAmI>(WHO);
    } catch (error) {
      const place = this.place.value;
      if (!(error instanceof ProblemError && error.code === 'unauthorized')) return;
      if (place.kind !== 'in' || place.chat !== chat) return;
      chat.close();
      this.isOpen.value = false;
      this.#stay('');
    }
  }

  /** Who one is by the cookie; if that is nobody, whether one may come all the same. @param over why it is not who it was */
  async #ask(): Promise<{ readonly who?: WhoAmI; readonly over?: string }> {
    let over: string | undefined;
    try {
      const who = await this.#session.call<WhoAmI>(WHO);
      this.#knows(who);
      return { who };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      over = error.status === 401 ? 'Your session is over.' : explain(error);
    }
    const who = await this.#learn();
    // Where only members may come, nobody can tell whether there was a session.
    if (who === undefined && over === 'Your session is over.') return {};
    return { ...(who && { who }), over };
  }

  /** Whether one may come without an account. Undefined if not. */
  async #learn(): Promise<WhoAmI | undefined> {
    try {
      const who = await this.#nobody.call<WhoAmI>(WHO);
      this.#knows(who);
      return who;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.isOpen.value = false;
      return undefined;
    }
  }

  #knows({ access, registration }: WhoAmI): void {
    this.isOpen.value = access === 'open';
    this.registers.value = registration === 'open';
  }

  /** Who signs in is not the client any more that it was. */
  async #leaveClient(): Promise<void> {
    const place = this.place.value;
    if (place.kind === 'in' && place.chat.account === undefined) {
      // If it cannot be told, the client leaves when it has been away for long.
      await place.chat.leave().catch(() => undefined);
      place.chat.close();
    }
    Session.ofClient().clear();
  }

  #forgetWas(): void {
    this.was.value = undefined;
    writeWas(undefined);
  }
}

const WHO = { what: 'See who I am', path: 'sessions/current' };

function isRefusal(error: unknown): error is ProblemError {
  return error instanceof ProblemError && (error.code === 'unauthorized' || error.code === 'banned');
}

/** Why one is before the door, with a word for who was in. */
function kept(why: string, was: string | undefined): string {
  if (why === '' || was === undefined) return why;
  return `${why} What you were writing is kept: sign in as ${was} to go on.`;
}

/** What is looked at is nobody else's business. */
function cleanAddress(): void {
  history.replaceState(null, '', location.pathname + location.search);
}

function readWas(): string | undefined {
  try {
    return sessionStorage.getItem(WAS) ?? undefined;
  } catch {
    return undefined;
  }
}

function writeWas(name: string | undefined): void {
  try {
    if (name === undefined) sessionStorage.removeItem(WAS);
    else sessionStorage.setItem(WAS, name);
  } catch {
    // It is known as long as the page is open.
  }
}
