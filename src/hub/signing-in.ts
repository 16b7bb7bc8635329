import type { Seq } from '../engine/engine.js';
import { type Authenticator, NOBODY } from './access/authenticator.js';
import { type Account, type Accounts, accountId, type Verified } from './access/accounts.js';
import type { Bans } from './access/bans.js';
import type { Caller } from './access/caller.js';
import type { Session, Sessions } from './access/sessions.js';
import { accountIn, ofAccount } from './access/subject.js';
import { networkOf } from './access/network.js';
import { SignInThrottle } from './access/throttle.js';
import type { Administration } from './administration.js';
import type { ClientInfo, Clients } from './clients.js';
import { Forbidden, NameTaken, NotFound, Unauthorized } from './errors.js';

export interface SigningInParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly bans: Bans;
  readonly clients: Clients;
  readonly authenticator: Authenticator;
  readonly administration: Administration;
  readonly registration: 'open' | 'closed';
  readonly last: () => Promise<Seq>;
  readonly settled: () => Promise<void>;
  readonly now: () => number;
}

/** Somebody who has signed in. */
export interface SignedIn {
  /** The secret of the session. Nobody is told it again. */
  readonly token: string;
  readonly session: Session;
  readonly account: Account;
  readonly client: ClientInfo;
}

/** Where nobody knows from where somebody comes, all share one place in the queue. */
const SOMEWHERE = 'unknown';

const WRONG = 'The name or the password is wrong.';

/** Accounts and sessions as their owners use them: signing up, in and out. */
export class SigningIn {
  readonly #throttle = new SignInThrottle();
  readonly #registering = new SignInThrottle();

  constructor(private readonly parts: SigningInParts) {}

  /** @throws Forbidden where accounts are made by administrators alone, NameTaken, InvalidRequest, TooManyAttempts */
  async register(name: string, password: string, address = SOMEWHERE): Promise<Account> {
    const { registration, administration, authenticator } = this.parts;
    if (registration === 'closed') {
      throw new Forbidden('Accounts are made by those who run this server: interchat account add NAME.');
    }
    const id = accountId(name);
    // It costs as much as signing in, and one address is slowed like there: each account counts.
    this.#registering.admit(id, address);
    try {
      if (authenticator.isTaken(name)) throw new NameTaken(name);
      return await administration.addAccount(
        { ...NOBODY, kind: 'account', name },
        name,
        password,
        undefined,
        networkOf(address),
      );
    } finally {
      this.#registering.failed(id, address);
    }
  }

  /**
   * Begins a session. The same is said, after the same time, where the name is wrong and where the password is.
   * @param device what the device calls itself
   * @throws Unauthorized, TooManyAttempts, Banned
   */
  async signIn(name: string, password: string, device: string | null, address = SOMEWHERE): Promise<SignedIn> {
    const { sessions, bans, clients, last } = this.parts;
    const id = accountId(name);
    const account = await this.#verify(id, password, address);
    if (!account) throw new Unauthorized(WRONG);
    bans.assertSubject(ofAccount(id));
    const { session, token } = await sessions.begin(id, device);
    // It may be used at once, and wherever.
    await this.parts.settled();
    // Whoever has removed the account or set its password meanwhile may not have seen that there is this session.
    if (!account.holds()) {
      await sessions.end(session.id);
      throw new Unauthorized(WRONG);
    }
    const index = await clients.ofSubject(ofAccount(id), account.name, await last());
    return { token, session, account, client: await clients.get(index, index) };
  }

  /** Of the caller's account: the one used last is the first. @throws Forbidden for who has none */
  sessionsOf(caller: Caller): Session[] {
    return this.parts.sessions.of(this.#accountOf(caller));
  }

  /** @throws Forbidden, NotFound */
  async endSession(caller: Caller, id: string | null): Promise<void> {
    const mine = this.parts.sessions.of(this.#accountOf(caller)).find((session) => session.id === id);
    if (!mine) throw new NotFound('There is no such session of yours. GET /sessions shows those there are.');
    await this.parts.sessions.end(mine.id);
    await this.parts.settled();
  }

  /** @throws Forbidden for who has no account */
  async endSessions(caller: Caller): Promise<void> {
    await this.parts.sessions.endAll(this.#accountOf(caller));
    await this.parts.settled();
  }

  /** @throws Unauthorized where the password of today is wrong, Forbidden, InvalidRequest, TooManyAttempts */
  async changePassword(caller: Caller, current: string, password: string, address = SOMEWHERE): Promise<void> {
    const id = this.#accountOf(caller);
    if (!(await this.#verify(id, current, address))) throw new Unauthorized('The current password is wrong.');
    const { administration } = this.parts;
    await administration.setPassword(caller, caller.name ?? '', password, networkOf(address), caller.session);
  }

  /** Whether an account is the caller's own. */
  isOwn(caller: Caller, name: string): boolean {
    return caller.subject === ofAccount(accountId(name));
  }

  /** @returns the account; undefined where it is not, or the password is wrong. @throws TooManyAttempts */
  async #verify(id: string, password: string, address: string): Promise<Verified | undefined> {
    this.#throttle.admit(id, address);
    let account: Verified | undefined;
    try {
      account = await this.parts.accounts.verify(id, password, networkOf(address));
    } catch (error) {
      this.#throttle.abandoned(id, address);
      throw error;
    }
    if (account) this.#throttle.succeeded(id, address);
    else this.#throttle.failed(id, address);
    return account;
  }

  #accountOf({ subject }: Caller): string {
    const account = accountIn(subject);
    if (account !== undefined) return account;
    throw new Forbidden('Only who has signed in with an account has sessions: POST /sessions.');
  }
}
