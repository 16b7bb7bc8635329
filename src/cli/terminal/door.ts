import {
  type CallOptions,
  type Client,
  connect,
  type ConnectOptions,
  InterChat,
  ProblemError,
} from '../../sdk/index.js';
import { NEWEST } from '../place.js';
import { endSession, signIn } from '../signing-in.js';
import { StoredSessions } from '../stored-sessions.js';

/** Where one signs in and out while one is connected. What is kept is what `interchat login` keeps. */
export class Door {
  readonly #sessions = new StoredSessions(process.env);

  constructor(
    private readonly url: string,
    private readonly options: Pick<ConnectOptions, 'presence' | 'timeout'>,
  ) {}

  /** Signs in: the account's client, connected. @throws as the SDK does; CommandError as StoredSessions does */
  async signIn(name: string, password: string, options: CallOptions): Promise<Client> {
    const api = new InterChat(this.url, { timeout: this.options.timeout, retries: 0 });
    const { token } = await signIn(api, this.#sessions, { url: this.url, name, password }, options);
    return this.#connect({ token, cursor: NEWEST });
  }

  /**
   * Signs a client out: one without an account in its place; undefined where only members may come.
   * @throws as the SDK does; CommandError as StoredSessions does
   */
  async signOut(client: Client, options: CallOptions): Promise<Client | undefined> {
    await endSession(client.api, options);
    await this.#sessions.forget(this.url, client.token);
    try {
      return await this.#connect({});
    } catch (error) {
      if (error instanceof ProblemError && error.status === 401) return undefined;
      throw error;
    }
  }

  /** Where to go on the next time, if it is the client as whom one is signed in. */
  async keepPlace({ token, cursor }: Client): Promise<void> {
    const session = await this.#sessions.find(this.url);
    if (session?.token === token) await this.#sessions.keep(this.url, { ...session, cursor });
  }

  #connect(options: Pick<ConnectOptions, 'token' | 'cursor'>): Promise<Client> {
    return connect(this.url, { ...this.options, ...options });
  }
}
