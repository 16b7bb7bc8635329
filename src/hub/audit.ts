import type { Log, Seq } from '../engine/engine.js';
import { AUDIT } from './topics.js';

/** What was done to keep order, and by whom. Times are milliseconds since 1970. */
export interface AuditEntry {
  readonly at: number;
  /** See labelOf. */
  readonly by: string;
  readonly action: AuditAction;
  /** What it was done to, in words; never a secret. */
  readonly target: string;
}

export type AuditAction =
  | 'account.add'
  | 'account.remove'
  | 'account.permit'
  | 'account.password'
  | 'key.add'
  | 'key.revoke'
  | 'client.remove'
  | 'ban.add'
  | 'ban.lift'
  | 'message.delete';

export interface AuditPage {
  readonly entries: readonly (AuditEntry & { readonly seq: Seq })[];
  /** The `after` of the next page; null on the last one. */
  readonly next: Seq | null;
}

/** Who did what: part of the log, in which nothing can be changed, and kept for ever. */
export class Audit {
  constructor(
    private readonly log: Log,
    private readonly now: () => number,
  ) {}

  /** To be called before it is done: what cannot be recorded is not to be done. Durable when it resolves. */
  async record(by: string, action: AuditAction, target: string): Promise<void> {
    const entry: AuditEntry = { at: this.now(), by, action, target };
    await this.log.append([{ topic: AUDIT, body: Buffer.from(JSON.stringify(entry)) }]);
  }

  async read(after: Seq, limit: number): Promise<AuditPage> {
    const read = await this.log.read(AUDIT, { after, limit: limit + 1 });
    const entries = read
      .slice(0, limit)
      .map(({ seq, body }) => ({ seq, ...(JSON.parse(Buffer.from(body).toString()) as AuditEntry) }));
    return { entries, next: read.length > limit ? (entries.at(-1)?.seq ?? null) : null };
  }
}
