import type { Seq } from '../../engine/engine.js';
import type { ClientIndex } from '../client-index.js';
import type { Clients } from '../clients.js';
import type { Credentials } from '../credentials.js';
import { ClientGone, Unauthorized } from '../errors.js';
import { type Accounts, accountId } from './accounts.js';
import type { Bans } from './bans.js';
import type { Caller } from './caller.js';
import type { Keys } from './keys.js';
import { OF_MEMBERS, Permissions } from './permissions.js';
import type { Sessions } from './sessions.js';
import { accountIn, keyIn, ofAccount, ofIdentity, ofKey, type Subject } from './subject.js';

/** Who somebody is by the word of an identity provider. */
export interface ForeignIdentity {
  /** Names this person for ever, among all providers. */
  readonly subject: string;
  readonly name: string | null;
  /** What the person may do; undefined where the provider says nothing of it. */
  readonly may: readonly string[] | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Checks the tokens of an identity provider. */
export interface IdentityProvider {
  /** @throws Unauthorized, or a HubError that is unavailable */
  verify(token: string): Promise<ForeignIdentity>;
}

/** Whether anyone may connect, or only who shows a credential that was given to it. */
export type Access = 'open' | 'members';

export interface AuthenticatorParts {
  readonly access: Access;
  readonly credentials: Credentials;
  readonly clients: Clients;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: Keys;
  readonly bans: Bans;
  readonly identities: IdentityProvider | undefined;
  /** The newest place in the log. */
  readonly last: () => Promise<Seq>;
}

/** What clients may do who need no credential but their own token: where the server is open. */
const OPEN = new Permissions(OF_MEMBERS);
const EVERYTHING = new Permissions(['admin']);

export const NOBODY: Caller = {
  kind: 'none',
  index: null,
  may: OPEN,
  subject: null,
  name: null,
  session: null,
  expiresAt: null,
};
const OPERATOR: Caller = { ...NOBODY, kind: 'operator', may: EVERYTHING };

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

export const MEMBERS_ONLY =
  'This server is for its members. Sign in with POST /sessions and send the token, Authorization: Bearer TOKEN; or send a key.';

/** Finds out who somebody is. */
export class Authenticator {
  constructor(private readonly parts: AuthenticatorParts) {}

  /** Who shows no credential. @throws Unauthorized where that is not enough */
  nobody(): Caller {
    if (this.parts.access === 'members') throw new Unauthorized(MEMBERS_ONLY);
    return NOBODY;
  }

  /**
   * Who this credential proves: a client's token, that of a session, a key, a JWT or the operator's token.
   * @throws Unauthorized, ClientGone, Banned
   */
  async authenticate(token: string): Promise<Caller> {
    switch (token.slice(0, 4)) {
      case 'ict_':
        return this.#byClientToken(token);
      case 'ics_':
        return this.#bySession(token);
      case 'ick_':
        return this.#byKey(token);
      case 'ico_':
        if (this.parts.credentials.isOperator(token)) return OPERATOR;
        break;
      default:
        if (this.parts.identities && JWT.test(token)) return this.#byJwt(token, this.parts.identities);
    }
    throw this.#notGenuine();
  }

  /** A client that needs no account, as its token or its cursor has proved. @throws Unauthorized, ClientGone */
  async client(index: ClientIndex): Promise<Caller> {
    if (!(await this.parts.clients.isStaying(index))) throw new ClientGone(index);
    if (this.parts.access === 'members') throw new Unauthorized(MEMBERS_ONLY);
    if (this.parts.clients.subjectOf(index) !== undefined) {
      throw new Unauthorized(
        'This client is that of an account, a key or an identity, and only such a credential proves who it is. Sign in.',
      );
    }
    return { ...NOBODY, kind: 'client', index };
  }

  /** Whether a caller of a while ago would still be let in. */
  isCurrent({ session, subject, expiresAt }: Caller, now: number): boolean {
    if (expiresAt !== null && expiresAt <= now) return false;
    if (session !== null && !this.parts.sessions.has(session)) return false;
    const key = keyIn(subject);
    return key === undefined || this.parts.keys.has(key);
  }

  /** Whether the account or the key of a lasting client is there, as far as this process knows; an identity always is. */
  isThere(subject: Subject): boolean {
    const { accounts, keys } = this.parts;
    const account = accountIn(subject);
    if (account !== undefined) return accounts.get(account) !== undefined;
    const key = keyIn(subject);
    return key === undefined || keys.has(key);
  }

  /** What a caller of a while ago may do now. */
  mayNow({ subject, may }: Caller): Permissions {
    const id = accountIn(subject);
    const account = id === undefined ? undefined : this.parts.accounts.get(id);
    return account ? permissionsOf(account.may) : may;
  }

  async #byClientToken(token: string): Promise<Caller> {
    const index = this.parts.credentials.verifyToken(token);
    if (index === undefined) throw this.#notGenuine();
    return this.client(index);
  }

  async #bySession(token: string): Promise<Caller> {
    const session = await this.parts.sessions.verify(token);
    const account = session && (await this.parts.accounts.find(session.account));
    if (!account) throw new Unauthorized('This session is over. Sign in again: POST /sessions.');
    const caller = { kind: 'account', name: account.name, session: session.id, expiresAt: null } as const;
    return this.#lasting(ofAccount(account.id), account.may, caller);
  }

  async #byKey(text: string): Promise<Caller> {
    const key = await this.parts.keys.verify(text);
    if (!key) throw new Unauthorized('This key is not genuine, was revoked, or no longer holds. Ask for another.');
    const caller = { kind: 'key', name: key.name, session: null, expiresAt: key.expiresAt } as const;
    return this.#lasting(ofKey(key.id), key.may, caller);
  }

  async #byJwt(token: string, identities: IdentityProvider): Promise<Caller> {
    const { subject, name, may, expiresAt } = await identities.verify(token);
    const free = name !== null && !this.isTaken(name) ? name : null;
    return this.#lasting(ofIdentity(subject), may ?? OF_MEMBERS, { kind: 'jwt', name: free, session: null, expiresAt });
  }

  /** Whether a name is somebody's own. */
  isTaken(name: string): boolean {
    const { accounts, keys } = this.parts;
    const id = accountId(name);
    return accounts.get(id) !== undefined || keys.owns(id);
  }

  async #lasting(
    subject: string,
    may: readonly string[],
    caller: Pick<Caller, 'kind' | 'name' | 'session' | 'expiresAt'>,
  ): Promise<Caller> {
    const { bans, clients, last } = this.parts;
    bans.assertSubject(subject);
    const here = clients.ofSubjectHere(subject);
    const index = here ?? (await clients.ofSubject(subject, caller.name, await last()));
    if (clients.nameOf(index) !== caller.name) await clients.rename(index, caller.name);
    return { ...caller, index, subject, may: permissionsOf(may) };
  }

  #notGenuine(): Unauthorized {
    return new Unauthorized(
      'This token is not genuine, or of another server. Connect without one to get a new client and its token.',
    );
  }
}

const compiled = new WeakMap<readonly string[], Permissions>();

/** Made once for each list that a record has. */
function permissionsOf(texts: readonly string[]): Permissions {
  let permissions = compiled.get(texts);
  if (!permissions) compiled.set(texts, (permissions = new Permissions(texts)));
  return permissions;
}
