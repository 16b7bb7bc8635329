import type { Json, Restoration, Seq, Topic } from './engine.js';

/**
 * What an engine can do besides, while no server uses it: be written out whole, and be filled from what another one wrote,
 * with every entry at the place it had. So ids, cursors and memberships, which are places, stay what they are. A file can be
 * either too, see file/. Dedup keys stay behind: they are of use for minutes.
 *
 * What every engine owes is stated, executably, by test/engine/archive.ts.
 */

/** An entry as it is moved: what Entry has, and when it was appended. */
export interface ArchivedEntry {
  readonly seq: Seq;
  readonly topic: Topic;
  readonly body: Uint8Array;
  /** Milliseconds since 1970. */
  readonly appendedAt: number;
  readonly expiresAt?: number;
}

/** How far a topic was trimmed: see Bounds. */
export interface ArchivedFloor {
  readonly topic: Topic;
  readonly floor: Seq;
}

/** A record without its revision, which nobody remembers for longer than a process lives. */
export interface ArchivedRecord {
  readonly key: string;
  readonly value: Json;
}

/** What there is besides, and is little. */
export interface ArchiveSummary {
  readonly epoch: string;
  /** Another one after every change of what is kept. With the epoch it names an archive: one that was begun can be gone on with. */
  readonly snapshot: string;
  /** The place of the newest entry there ever was: what comes next is behind it. */
  readonly last: Seq;
  /** The last number handed out of each series. */
  readonly series: Readonly<Record<string, number>>;
  /** See Log; undefined for none. */
  readonly restorations?: readonly Restoration[];
  /** What tokens and cursors are signed with, as base64url, where the engine keeps it. */
  readonly secret?: string;
}

/**
 * What an archive was written for. Clients of a `backup` may have gone on with ids that it does not have; clients of an `export`
 * may not.
 */
export type ArchiveKind = 'backup' | 'export';

/** Where everything comes from. Asked once for each, in the order in which they stand here: it may be a pipe. */
export interface ArchiveSource {
  summary(): Promise<ArchiveSummary>;
  /** Of each topic that was trimmed, and is not 0. */
  floors(): AsyncIterable<ArchivedFloor>;
  /** All records; a second time in the same order, if nothing has changed. */
  records(): AsyncIterable<ArchivedRecord>;
  /**
   * Entries of all topics after this place that are kept and have not expired, in ascending order. The last part: a source that
   * can find out whether it gave everything, and gave one state, throws at the end if it did not.
   */
  entries(after: Seq): AsyncIterable<ArchivedEntry>;
  close(): Promise<void>;
}

/** Where everything goes. */
export interface ArchiveTarget {
  /**
   * Begins, or goes on with what an interrupted run of the same archive began.
   * @returns the place up to which all entries are there already, 0 in a new one; `finished` when nothing is left to do
   * @throws ArchiveUnusable when there is something in it that is not of this archive; nothing is changed then
   */
  begin(summary: ArchiveSummary): Promise<Seq | 'finished'>;
  /**
   * Takes all floors, then all records. Called once in each run, before the entries: of an archive that was cut short, the clients
   * are there. A later run brings the same ones again.
   */
  rows(floors: AsyncIterable<ArchivedFloor>, records: AsyncIterable<ArchivedRecord>): Promise<void>;
  /** Takes entries behind those before; resolves when it can take more. After a crash, `begin` says how many have got there. */
  entries(entries: readonly ArchivedEntry[]): Promise<void>;
  /** The last step, durable when it resolves: from then on a server may use it. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** This archive, or this place for it, will not do. The message says, in one line, why and what to do. */
export class ArchiveUnusable extends Error {
  override readonly name = 'ArchiveUnusable';
}
