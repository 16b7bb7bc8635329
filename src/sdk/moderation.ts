import type { CallOptions } from './interchat.js';
import type { AuditEntry, AuditPage, AuditQuery, Ban, Destination, NewBan } from './resources.js';
import type { Transport } from './transport.js';

/** Keeping order: for administrators; messages of a private room are its owner's to delete, too. Errors as {@link InterChat}. */
export class Moderation {
  constructor(
    private readonly transport: Transport,
    private readonly token: string | undefined,
  ) {}

  /** Keeps somebody out for a time; its streams end with `bye`. */
  ban(ban: NewBan, { signal }: CallOptions = {}): Promise<Ban> {
    const { token } = this;
    return this.transport.call({ method: 'POST', path: 'bans', token, body: ban, repeatable: false, signal });
  }

  /** Who is kept out now, the newest first. */
  async bans({ signal }: CallOptions = {}): Promise<readonly Ban[]> {
    const { token } = this;
    const call = { method: 'GET', path: 'bans', token, repeatable: true, signal } as const;
    return (await this.transport.call<{ readonly bans: readonly Ban[] }>(call)).bans;
  }

  /** Lets somebody in again. */
  liftBan(id: string, { signal }: CallOptions = {}): Promise<void> {
    const path = `bans/${encodeURIComponent(id)}`;
    return this.transport.call({ method: 'DELETE', path, token: this.token, repeatable: false, signal });
  }

  /** One page of what was done to keep order, and by whom, the oldest first. */
  readAudit(query: AuditQuery = {}, { signal }: CallOptions = {}): Promise<AuditPage> {
    const { token } = this;
    return this.transport.call({ method: 'GET', path: 'audit', query: { ...query }, token, repeatable: true, signal });
  }

  /** All of it, asked for page by page. */
  async *audit(query: AuditQuery = {}, options: CallOptions = {}): AsyncGenerator<AuditEntry, void, undefined> {
    let { after } = query;
    for (;;) {
      const page: AuditPage = await this.readAudit(after === undefined ? query : { ...query, after }, options);
      yield* page.entries;
      after = page.entries.at(-1)?.id;
      if (page.next === null || after === undefined) return;
    }
  }

  /** Removes a client, with its mailbox; its streams end with `bye`. */
  removeClient(index: number, { signal }: CallOptions = {}): Promise<void> {
    const path = `clients/${index}`;
    return this.transport.call({ method: 'DELETE', path, token: this.token, repeatable: false, signal });
  }

  /**
   * Deletes a message: no history has it any more, and its readers are told.
   * @param to what it was sent to
   */
  deleteMessage(to: Destination, id: string, { signal }: CallOptions = {}): Promise<void> {
    const path = `${messagesPath(to)}/${encodeURIComponent(id)}`;
    return this.transport.call({ method: 'DELETE', path, token: this.token, repeatable: false, signal });
  }
}

function messagesPath(to: Destination): string {
  if ('client' in to) return `clients/${to.client}/messages`;
  return 'room' in to ? `rooms/${encodeURIComponent(to.room)}/messages` : 'messages';
}
