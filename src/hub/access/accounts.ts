import { createHash } from 'node:crypto';
import type { Directory } from '../../engine/engine.js';
import { NameTaken, NotFound } from '../errors.js';
import { Records } from '../records.js';
import { OF_MEMBERS } from './permissions.js';
import { checkPassword, type Passwords } from './passwords.js';

/** An account, as those may see it who run the server. Times are milliseconds since 1970. */
export interface Account {
  /** What stands for it elsewhere: the same for all ways to write its name. */
  readonly id: string;
  readonly name: string;
  readonly may: readonly string[];
  readonly createdAt: number;
}

/** An account whose password was given. */
export interface Verified extends Account {
  /** Whether it is there still, and the password is that of today, as far as this process knows. */
  readonly holds: () => boolean;
}

interface Kept extends Omit<Account, 'id'> {
  readonly password: string;
}

interface NewAccount {
  readonly may?: readonly string[];
  readonly now: number;
  /** See {@link Passwords}. */
  readonly lane: string;
  /** Called when nothing stands in its way any more. */
  readonly before: () => Promise<void>;
}

/** Who may sign in by a name and a password. */
export class Accounts {
  readonly #records: Records<Kept>;

  private constructor(
    directory: Directory,
    private readonly passwords: Passwords,
  ) {
    this.#records = new Records(directory, 'account/');
  }

  /** @param changed told of each account that is there, and of each change: undefined when it is gone */
  static async open(
    directory: Directory,
    passwords: Passwords,
    changed: (id: string, account: Account | undefined) => void,
  ): Promise<Accounts> {
    const accounts = new Accounts(directory, passwords);
    await accounts.#records.open((id, kept) => changed(id, kept && accountOf(id, kept)));
    return accounts;
  }

  get(id: string): Account | undefined {
    const kept = this.#records.get(id);
    return kept && accountOf(id, kept);
  }

  /** The same; one that was made elsewhere just now is found, too. */
  async find(id: string): Promise<Account | undefined> {
    const kept = await this.#records.find(id);
    return kept && accountOf(id, kept);
  }

  /** By name. */
  list(): Account[] {
    return this.#records
      .entries()
      .map(([id, kept]) => accountOf(id, kept))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes an account; durable when it resolves.
   * @throws InvalidRequest for a password that is none, NameTaken, TooManyAttempts
   */
  async add(name: string, password: string, { may = OF_MEMBERS, now, lane, before }: NewAccount): Promise<Account> {
    checkPassword(password);
    const id = accountId(name);
    if (await this.#records.find(id)) throw new NameTaken(name);
    const kept: Kept = { name, may, createdAt: now, password: await this.passwords.hash(password, lane) };
    await before();
    if (!(await this.#records.create(id, kept))) throw new NameTaken(name);
    return accountOf(id, kept);
  }

  /** @throws NotFound */
  async require(name: string): Promise<Account> {
    const account = await this.find(accountId(name));
    if (!account) throw new NotFound(`There is no account ${name}.`);
    return account;
  }

  /** Durable when it resolves. */
  async remove(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  /**
   * Durable when it resolves.
   * @throws InvalidRequest for a password that is none, NotFound when it was removed meanwhile, TooManyAttempts
   */
  async setPassword(id: string, password: string, lane: string): Promise<void> {
    const hash = await this.passwords.hash(password, lane);
    if (!(await this.#records.update(id, (kept) => ({ ...kept, password: hash })))) {
      throw new NotFound('There is no such account any more.');
    }
  }

  /** Durable when it resolves. @throws NotFound when it was removed meanwhile */
  async setPermissions(id: string, may: readonly string[]): Promise<Account> {
    const kept = await this.#records.update(id, (before) => ({ ...before, may }));
    if (!kept) throw new NotFound('There is no such account any more.');
    return accountOf(id, kept);
  }

  /**
   * Whether this is the password of the account. It takes as long where there is no such account.
   * @returns the account; undefined where either is wrong
   */
  async verify(id: string, password: string, lane: string): Promise<Verified | undefined> {
    const kept = await this.#records.find(id);
    const right = await this.passwords.verify(password, kept?.password, lane);
    if (!right || !kept) return undefined;
    let today = kept;
    if (this.passwords.needsRehash(kept.password)) {
      const hash = await this.passwords.hash(password, lane);
      // One that was set meanwhile is not to be undone.
      const rehashed = await this.#records.update(id, (now) =>
        // eslint-disable-next-line no-restricted-syntax -- Both were kept: nobody's guess is in them.
        now.password === kept.password ? { ...now, password: hash } : undefined,
      );
      today = rehashed ?? kept;
    }
    // No two hashes are the same: that of an account that was made anew is another, too.
    // eslint-disable-next-line no-restricted-syntax -- Both were kept.
    return { ...accountOf(id, today), holds: () => this.#records.get(id)?.password === today.password };
  }

  close(): void {
    this.#records.close();
  }
}

/**
 * The id of the account of this name. Names that look the same to most people are the same: whatever the case, the width or the
 * composition of their characters (Unicode NFKC), and without those that nobody sees (Default_Ignorable_Code_Point).
 */
export function accountId(name: string): string {
  const folded = name
    .normalize('NFKC')
    .replace(/\p{DI}/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC');
  return createHash('sha256').update(folded).digest('base64url').slice(0, 32);
}

function accountOf(id: string, { name, may, createdAt }: Kept): Account {
  return { id, name, may, createdAt };
}
