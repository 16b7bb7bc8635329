import type { DirectoryRecord, Seq, Topic } from './engine.js';

/**
 * What an engine can do besides, while no server uses it: be written out whole, and be filled from what another one wrote,
 * with every entry at the place it had. So ids, cursors and memberships, which are places, stay what they are.
 */

/** An entry as it is moved: what {@link Entry} has, and when it was appended. */
export interface ArchivedEntry {
  readonly seq: Seq;
  readonly topic: Topic;
  readonly body: Uint8Array;
  /** Milliseconds since 1970. */
  readonly appendedAt: number;
  readonly expiresAt?: number;
}

/** What there is besides the entries and the records. */
export interface ArchiveSummary {
  readonly epoch: string;
  /** The place of the newest entry there ever was: what comes next is behind it. */
  readonly last: Seq;
  /** The last number handed out of each series. */
  readonly series: Readonly<Record<string, number>>;
  /** Of each topic that was trimmed, its floor. */
  readonly floors: Readonly<Record<string, Seq>>;
  /** What tokens and cursors are signed with, where the engine keeps it. */
  readonly secret?: string;
}

/** Where everything comes from. */
export interface ArchiveSource {
  summary(): Promise<ArchiveSummary>;
  records(): AsyncIterable<DirectoryRecord>;
  /** Entries of all topics behind this place that are kept and have not expired, in ascending order. */
  entries(after: Seq): AsyncIterable<ArchivedEntry>;
  close(): Promise<void>;
}

/** Where everything goes. */
export interface ArchiveTarget {
  /**
   * Begins, or goes on with what an interrupted run of the same archive began.
   * @returns the place up to which all entries are there already; 0 in a new one
   * @throws EngineUnusable when there is something in it that is not of this archive
   */
  begin(summary: ArchiveSummary): Promise<Seq>;
  /** Durable when it resolves. Called in ascending order, each entry behind those before. */
  entries(entries: readonly ArchivedEntry[]): Promise<void>;
  /** The last step: from then on a server may use it. */
  finish(records: AsyncIterable<DirectoryRecord>): Promise<void>;
  close(): Promise<void>;
}
