import type { Log, Seq } from '../engine/engine.js';
import { type Account, type Accounts, accountId } from './access/accounts.js';
import { assertRange, type Ban, type Bans, type BanTarget } from './access/bans.js';
import { type Caller, labelOf } from './access/caller.js';
import type { Key, Keys } from './access/keys.js';
import { checkPassword } from './access/passwords.js';
import type { Sessions } from './access/sessions.js';
import { identityIn, ofAccount, ofKey } from './access/subject.js';
import type { Audit, AuditPage } from './audit.js';
import type { ClientIndex } from './client-index.js';
import type { Clients } from './clients.js';
import { ClientGone, InvalidRequest, NameTaken } from './errors.js';

export interface AdministrationParts {
  readonly accounts: Accounts;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly bans: Bans;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly log: Log;
  /** Resolves when all processes know what was changed. */
  readonly settled: () => Promise<void>;
  readonly now: () => number;
}

export type NewBan = (
  { readonly account: string } | { readonly address: string } | { readonly client: ClientIndex }
) & {
  /** In milliseconds. */
  readonly duration: number;
  readonly reason: string | null;
};

/** What those do who keep order: each deed is recorded before it is done. Whether they may is asked by {@link Acting}. */
export class Administration {
  constructor(private readonly parts: AdministrationParts) {}

  /* Accounts. */

  /** @throws NameTaken, InvalidRequest, TooManyAttempts */
  async addAccount(
    by: Caller,
    name: string,
    password: string,
    may: readonly string[] | undefined,
    lane: string,
  ): Promise<Account> {
    const { accounts, keys, sessions, clients, audit, now } = this.parts;
    if (keys.owns(accountId(name))) throw new NameTaken(name);
    const before = () => audit.record(labelOf(by), 'account.add', `account ${name}`);
    const account = await accounts.add(name, password, { may, now: now(), lane, before });
    // Nothing of an earlier account of this name, whose removal may have broken off, is to be this one's.
    await sessions.endAll(account.id);
    await clients.endSubject(ofAccount(account.id));
    await this.#free(name);
    await this.parts.settled();
    return account;
  }

  /** From now on the name is somebody's own: others lose it. */
  async #free(name: string): Promise<void> {
    const { clients } = this.parts;
    const id = accountId(name);
    for (const { index, name: other } of [...clients.all()]) {
      if (other === null || accountId(other) !== id) continue;
      // An account's client, or a key's, is called so by right.
      const subject = clients.subjectOf(index);
      if (subject !== undefined && identityIn(subject) === undefined) continue;
      await clients.rename(index, null).catch((error: unknown) => {
        // Who has left meanwhile has no name either.
        if (!(error instanceof ClientGone)) throw error;
      });
    }
  }

  listAccounts(): Account[] {
    return this.parts.accounts.list();
  }

  /** @throws NotFound */
  async setPermissions(by: Caller, name: string, may: readonly string[]): Promise<Account> {
    const { accounts, audit, settled } = this.parts;
    const { id } = await accounts.require(name);
    await audit.record(labelOf(by), 'account.permit', `account ${name}, may ${may.join(' ')}`);
    const account = await accounts.setPermissions(id, may);
    await settled();
    return account;
  }

  /** Its sessions end, and its client goes with its mailbox. @throws NotFound */
  async removeAccount(by: Caller, name: string): Promise<void> {
    const { accounts, sessions, audit, clients, settled } = this.parts;
    const { id } = await accounts.require(name);
    await audit.record(labelOf(by), 'account.remove', `account ${name}`);
    await accounts.remove(id);
    // Whoever is signing in elsewhere knows that now, or has a session that is seen here.
    await settled();
    await sessions.endAll(id);
    await clients.endSubject(ofAccount(id));
    await settled();
  }

  /** All sessions of the account end, but the one given. @throws NotFound, InvalidRequest, TooManyAttempts */
  async setPassword(
    by: Caller,
    name: string,
    password: string,
    lane: string,
    but: string | null = null,
  ): Promise<void> {
    const { accounts, sessions, audit, settled } = this.parts;
    const { id } = await accounts.require(name);
    checkPassword(password);
    await audit.record(labelOf(by), 'account.password', `account ${name}`);
    await accounts.setPassword(id, password, lane);
    // As above.
    await settled();
    await sessions.endAll(id, but);
    await settled();
  }

  /* Keys. */

  /** @param expiresAt milliseconds since 1970; null for a key that holds until it is revoked. @throws NameTaken */
  async addKey(
    by: Caller,
    name: string,
    may: readonly string[],
    expiresAt: number | null,
  ): Promise<{ readonly key: Key; readonly text: string }> {
    const { accounts, keys, audit, settled } = this.parts;
    if (accounts.get(accountId(name))) throw new NameTaken(name);
    await audit.record(labelOf(by), 'key.add', `key ${name}, may ${may.join(' ')}`);
    const made = await keys.add(name, may, expiresAt);
    await this.#free(name);
    await settled();
    return made;
  }

  listKeys(): Key[] {
    return this.parts.keys.list();
  }

  /** @param which its id or its name. @throws NotFound */
  async revokeKey(by: Caller, which: string): Promise<void> {
    const { keys, audit, clients, settled } = this.parts;
    const key = keys.require(which);
    await audit.record(labelOf(by), 'key.revoke', `key ${key.name} (${key.id})`);
    await keys.revoke(key.id);
    await clients.endSubject(ofKey(key.id));
    await settled();
  }

  /* Order. */

  /** Its streams end with `bye`, and its mailbox goes. @throws NoSuchClient, ClientGone */
  async removeClient(by: Caller, index: ClientIndex): Promise<void> {
    const { clients, audit } = this.parts;
    const { name } = await clients.get(index, null);
    await audit.record(labelOf(by), 'client.remove', `client ${index}${name === null ? '' : ` (${name})`}`);
    await clients.leave(index, 'removed');
  }

  /** @throws InvalidRequest, NotFound, NoSuchClient, ClientGone */
  async ban(by: Caller, { duration, reason, ...whom }: NewBan): Promise<Ban> {
    const { bans, audit, settled, now } = this.parts;
    const target = await this.#targetOf(whom);
    const until = now() + duration;
    const named = 'address' in target ? `address ${target.address}` : target.name;
    await audit.record(labelOf(by), 'ban.add', `${named} until ${new Date(until).toISOString()}`);
    const ban = await bans.add({ target, until, reason, by: labelOf(by), createdAt: now() });
    await settled();
    return ban;
  }

  listBans(): Ban[] {
    return this.parts.bans.list();
  }

  /** @throws NotFound */
  async liftBan(by: Caller, id: string): Promise<void> {
    const { bans, audit, settled } = this.parts;
    const { target } = bans.require(id);
    await audit.record(labelOf(by), 'ban.lift', 'address' in target ? `address ${target.address}` : target.name);
    await bans.lift(id);
    await settled();
  }

  readAudit(after: Seq, limit: number): Promise<AuditPage> {
    return this.parts.audit.read(after, limit);
  }

  /** To be called before a message is deleted. */
  async recordDeletion(by: Caller, what: string): Promise<void> {
    await this.parts.audit.record(labelOf(by), 'message.delete', what);
  }

  async #targetOf(
    whom: { readonly account: string } | { readonly address: string } | { readonly client: ClientIndex },
  ): Promise<BanTarget> {
    const { accounts, clients } = this.parts;
    if ('address' in whom) {
      assertRange(whom.address);
      return { address: whom.address };
    }
    if ('account' in whom) {
      const { id, name } = await accounts.require(whom.account);
      return { subject: ofAccount(id), name: `account ${name}` };
    }
    await clients.assertThere(whom.client);
    const subject = clients.subjectOf(whom.client);
    if (subject === undefined) {
      throw new InvalidRequest(
        'client',
        'is one that anybody can be: remove it, and ban the address that it comes from',
      );
    }
    return { subject, name: `client ${whom.client} (${clients.nameOf(whom.client) ?? ''})` };
  }
}
