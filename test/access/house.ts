import type { Test } from 'tap';
import type { Config } from '../../src/config.js';
import type { Passwords } from '../../src/hub/access/passwords.js';
import { operatorToken } from '../../src/hub/credentials.js';
import { EventReader } from '../support/event-reader.js';
import { type Answer, ask, type Asked } from '../support/http.js';
import { startServer, type TestServer } from '../support/server.js';

export const SECRET = 'a secret that is long enough for a test';
export const PASSWORD = 'correct horse battery staple';

export interface Member {
  readonly token: string;
  readonly index: number;
}

/** A server whose operator the test is, and what is done most in tests of who may do what. */
export class House {
  readonly operator = operatorToken(SECRET);

  private constructor(
    private readonly t: Test,
    readonly server: TestServer,
  ) {}

  /** @param passwords at a cost that is none, unless given */
  static async open(t: Test, settings: Partial<Config> = {}, passwords?: Passwords): Promise<House> {
    return new House(t, await startServer(t, { secret: SECRET, ...settings }, passwords));
  }

  get url(): string {
    return this.server.url;
  }

  ask(path: string, asked: Asked = {}): Promise<Answer> {
    return ask(this.url + path, asked);
  }

  /** What the operator does. */
  order(path: string, asked: Asked = {}): Promise<Answer> {
    return this.ask(path, { token: this.operator, ...asked });
  }

  async account(name: string, may?: readonly string[]): Promise<void> {
    const { status, text } = await this.order('/accounts', { json: { name, password: PASSWORD, may } });
    if (status !== 201) throw new Error(`no account: ${text}`);
  }

  async signIn(name: string, headers: Record<string, string> = {}): Promise<Member> {
    const answer = await this.ask('/sessions', { json: { name, password: PASSWORD }, headers });
    if (answer.status !== 201) throw new Error(`not signed in: ${answer.text}`);
    const { token, client } = answer.json as unknown as { token: string; client: { index: number } };
    return { token, index: client.index };
  }

  /** An account that is signed in. */
  async member(name: string, may?: readonly string[]): Promise<Member> {
    await this.account(name, may);
    return this.signIn(name);
  }

  async key(name: string, may: readonly string[], expiresAt?: string): Promise<string> {
    const answer = await this.order('/keys', { json: { name, may, expiresAt } });
    if (answer.status !== 201) throw new Error(`no key: ${answer.text}`);
    return answer.json.key as string;
  }

  /** A client that needs no account, without a stream. */
  async stranger(name?: string): Promise<Member> {
    const { token, client } = (await this.ask('/clients', { json: { name } })).json as unknown as {
      token: string;
      client: { index: number };
    };
    return { token, index: client.index };
  }

  /** Opens a stream, and takes its welcome. */
  async stream(token: string, query = '', headers: Record<string, string> = {}): Promise<EventReader> {
    const reader = await EventReader.open(this.t, `${this.url}/events?${query}`, {
      authorization: `Bearer ${token}`,
      ...headers,
    });
    await reader.take('welcome');
    return reader;
  }
}
