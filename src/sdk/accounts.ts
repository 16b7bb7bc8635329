import type { CallOptions } from './interchat.js';
import type { Account } from './resources.js';
import type { Transport } from './transport.js';

/** Accounts: for administrators, and for those whose own they are. Errors as {@link InterChat} has them. */
export class Accounts {
  constructor(
    private readonly transport: Transport,
    private readonly token: string | undefined,
  ) {}

  /**
   * Makes an account: as an administrator, or as anyone where registration is open.
   * @param may what it may do, which only administrators say; unless set, all that members do
   * @throws ProblemError `name-taken` (409), `forbidden` (403)
   */
  add(
    name: string,
    password: string,
    { may, signal }: CallOptions & { readonly may?: readonly string[] | undefined } = {},
  ): Promise<Account> {
    const body = { name, password, may };
    return this.transport.call({
      method: 'POST',
      path: 'accounts',
      token: this.token,
      body,
      repeatable: false,
      signal,
    });
  }

  /** All accounts, by name. */
  async list({ signal }: CallOptions = {}): Promise<readonly Account[]> {
    const { token } = this;
    const call = { method: 'GET', path: 'accounts', token, repeatable: true, signal } as const;
    return (await this.transport.call<{ readonly accounts: readonly Account[] }>(call)).accounts;
  }

  /** Removes an account: its sessions end, and its client goes with its mailbox. */
  remove(name: string, { signal }: CallOptions = {}): Promise<void> {
    return this.transport.call({
      method: 'DELETE',
      path: accountPath(name),
      token: this.token,
      repeatable: false,
      signal,
    });
  }

  /**
   * Sets another password. All sessions of the account end but the one that asks.
   * @param options `current`, the one of today, for one's own account
   */
  setPassword(
    name: string,
    password: string,
    { current, signal }: CallOptions & { readonly current?: string | undefined } = {},
  ): Promise<void> {
    const path = `${accountPath(name)}/password`;
    const body = { password, current };
    return this.transport.call({ method: 'PUT', path, token: this.token, body, repeatable: false, signal });
  }
}

function accountPath(name: string): string {
  return `accounts/${encodeURIComponent(name)}`;
}
