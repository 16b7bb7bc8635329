import type { Directory } from '../../engine/engine.js';
import { Records } from '../records.js';
import { findBySecret, makeSecret } from './secret-text.js';

/** Somebody signed in, on one device. Times are milliseconds since 1970. */
export interface Session {
  readonly id: string;
  /** The id of the account. */
  readonly account: string;
  readonly createdAt: number;
  /** When it was last used, to the hour. */
  readonly usedAt: number;
  /** What the device called itself when it signed in; null where it did not. */
  readonly device: string | null;
}

interface Kept extends Omit<Session, 'id'> {
  readonly hash: string;
}

const HOUR = 60 * 60 * 1000;

/** A session that is not used for so long ends. Milliseconds. */
export const SESSION_UNUSED = 30 * 24 * HOUR;

/** Of one account; of more, the one that was not used for longest ends. */
const MOST_SESSIONS = 100;

const LONGEST_DEVICE = 200;

/** Who is signed in. Of their tokens the hashes are kept. */
export class Sessions {
  readonly #records: Records<Kept>;
  readonly #byAccount = new Map<string, Set<string>>();

  private constructor(
    directory: Directory,
    private readonly now: () => number,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#records = new Records(directory, 'session/');
  }

  /** @param ended told of each session that is no longer there, wherever it was ended */
  static async open(
    directory: Directory,
    options: {
      readonly now: () => number;
      readonly onError: (error: unknown) => void;
      readonly ended: (session: Session) => void;
    },
  ): Promise<Sessions> {
    const sessions = new Sessions(directory, options.now, options.onError);
    await sessions.#records.open((id, kept, before) => {
      if (kept) sessions.#index(kept.account).add(id);
      else if (before) {
        sessions.#unindex(before.account, id);
        options.ended(sessionOf(id, before));
      }
    });
    return sessions;
  }

  /** Begins a session; durable when it resolves. @returns its token, which nobody is told again */
  async begin(account: string, device: string | null): Promise<{ readonly session: Session; readonly token: string }> {
    const { id, text, hash } = makeSecret('ics');
    const now = this.now();
    const named = device === null ? null : device.replace(/[\p{C}]/gu, '').slice(0, LONGEST_DEVICE);
    const kept: Kept = { account, hash, createdAt: now, usedAt: now, device: named };
    for (const surplus of this.of(account).slice(MOST_SESSIONS - 1)) await this.end(surplus.id);
    await this.#records.create(id, kept);
    return { session: sessionOf(id, kept), token: text };
  }

  /** Whose token it is; undefined when there is no such session. */
  async verify(token: string): Promise<Session | undefined> {
    const found = await findBySecret(this.#records, 'ics', token);
    if (!found || this.#isOver(found.kept)) return undefined;
    this.#used(found.id, found.kept);
    return sessionOf(found.id, found.kept);
  }

  /** As far as this process knows. */
  has(id: string): boolean {
    return this.#records.get(id) !== undefined;
  }

  /** Of an account: the one used last is the first. */
  of(account: string): Session[] {
    const sessions: Session[] = [];
    for (const id of this.#byAccount.get(account) ?? []) {
      const kept = this.#records.get(id);
      if (kept && !this.#isOver(kept)) sessions.push(sessionOf(id, kept));
    }
    return sessions.sort((a, b) => b.usedAt - a.usedAt);
  }

  /** Durable when it resolves. */
  async end(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  /** Ends all sessions of an account but one. Durable when it resolves. */
  async endAll(account: string, but?: string | null): Promise<void> {
    for (const id of [...(this.#byAccount.get(account) ?? [])]) if (id !== but) await this.end(id);
  }

  /** Ends those that were not used for long, and those of accounts that are no more. */
  async sweep(isThere: (account: string) => boolean): Promise<void> {
    for (const [id, kept] of this.#records.entries()) {
      if (this.#isOver(kept) || !isThere(kept.account)) await this.end(id);
    }
  }

  close(): void {
    this.#records.close();
  }

  #isOver({ usedAt }: Kept): boolean {
    return usedAt + SESSION_UNUSED <= this.now();
  }

  #used(id: string, { usedAt }: Kept): void {
    const now = this.now();
    if (now - usedAt < HOUR) return;
    this.#records
      .update(id, (kept) => (now - kept.usedAt < HOUR ? undefined : { ...kept, usedAt: now }))
      .catch(this.onError);
  }

  #index(account: string): Set<string> {
    const ids = this.#byAccount.get(account) ?? new Set();
    this.#byAccount.set(account, ids);
    return ids;
  }

  #unindex(account: string, id: string): void {
    const ids = this.#byAccount.get(account);
    ids?.delete(id);
    if (ids?.size === 0) this.#byAccount.delete(account);
  }
}

function sessionOf(id: string, { account, createdAt, usedAt, device }: Kept): Session {
  return { id, account, createdAt, usedAt, device };
}
