import type { CallOptions } from './interchat.js';
import type { Key, MadeKey } from './resources.js';
import type { Transport } from './transport.js';

/** Keys for machines: for administrators. Errors as {@link InterChat} has them. */
export class Keys {
  constructor(
    private readonly transport: Transport,
    private readonly token: string | undefined,
  ) {}

  /**
   * Makes a key, which is a client of its own by this name.
   * @param may what it may do, and nothing else: `send:client/2`, `send:room/alerts`, `read:lobby`, `connect`, `list`, `admin`
   * @param options `expiresAt`: from then on it is not taken any more
   * @throws ProblemError `name-taken` (409)
   */
  add(
    name: string,
    may: readonly string[],
    { expiresAt, signal }: CallOptions & { readonly expiresAt?: Date | undefined } = {},
  ): Promise<MadeKey> {
    const body = { name, may, expiresAt: expiresAt?.toISOString() };
    return this.transport.call({ method: 'POST', path: 'keys', token: this.token, body, repeatable: false, signal });
  }

  /** All keys, by name. */
  async list({ signal }: CallOptions = {}): Promise<readonly Key[]> {
    const { token } = this;
    const call = { method: 'GET', path: 'keys', token, repeatable: true, signal } as const;
    return (await this.transport.call<{ readonly keys: readonly Key[] }>(call)).keys;
  }

  /** @param which its id, or its name */
  revoke(which: string, { signal }: CallOptions = {}): Promise<void> {
    const path = `keys/${encodeURIComponent(which)}`;
    return this.transport.call({ method: 'DELETE', path, token: this.token, repeatable: false, signal });
  }
}
