import type { CallOptions } from './interchat.js';
import type { Session, SignedIn, WhoAmI } from './resources.js';
import type { Transport } from './transport.js';

/** Who one is, and signing in and out. Errors as {@link InterChat} has them. */
export class Sessions {
  constructor(
    private readonly transport: Transport,
    private readonly token: string | undefined,
  ) {}

  /**
   * Begins a session of an account. Its `token` is the credential from then on: `connect(url, { token })`.
   * @throws ProblemError `unauthorized` (401) for a wrong name or password; 429 when too many were wrong
   */
  signIn(name: string, password: string, { signal }: CallOptions = {}): Promise<SignedIn> {
    const body = { name, password };
    return this.transport.call({ method: 'POST', path: 'sessions', body, repeatable: false, signal });
  }

  /** Who the credential proves one to be, and what one may do; without one, what anybody may do. */
  current({ signal }: CallOptions = {}): Promise<WhoAmI> {
    const { token } = this;
    return this.transport.call({ method: 'GET', path: 'sessions/current', token, repeatable: true, signal });
  }

  /** Where one's account is signed in, the session used last first. */
  async list({ signal }: CallOptions = {}): Promise<readonly Session[]> {
    const { token } = this;
    const call = { method: 'GET', path: 'sessions', token, repeatable: true, signal } as const;
    return (await this.transport.call<{ readonly sessions: readonly Session[] }>(call)).sessions;
  }

  /** Ends a session: this one, or that of another device. Its streams end with `bye`. */
  signOut(id = 'current', { signal }: CallOptions = {}): Promise<void> {
    const path = `sessions/${encodeURIComponent(id)}`;
    return this.transport.call({ method: 'DELETE', path, token: this.token, repeatable: true, signal });
  }

  /** Ends all sessions of one's account. */
  signOutEverywhere({ signal }: CallOptions = {}): Promise<void> {
    const { token } = this;
    return this.transport.call({ method: 'DELETE', path: 'sessions', token, repeatable: true, signal });
  }
}
