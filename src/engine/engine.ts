/**
 * The seam between the hub and whatever keeps its state: a log of all messages, a directory of records, and leases that
 * say what the processes that are alive hold. One machine (engine/lmdb) and a cluster differ behind it and nowhere else, so
 * nothing here assumes that this process is the only one.
 *
 * What every engine owes is stated, executably, by test/engine/contract.ts.
 */

/** The place of an entry in the log: positive, ascending, not necessarily contiguous. 0 is "before everything". */
export type Seq = number & { readonly __seq: unique symbol };

/** What an entry is filed under, such as `client.2`: 1 to 128 of `[A-Za-z0-9_.-]`. Each entry has one topic. */
export type Topic = string & { readonly __topic: unique symbol };

/** An entry as it is handed to the log. */
export interface NewEntry {
  readonly topic: Topic;
  /** Kept as it is; an engine never looks into it. The engine owns the memory from here on. */
  readonly body: Uint8Array;
  /** Milliseconds since 1970. From then on the entry is not read, followed or counted any more. */
  readonly expiresAt?: number;
  /**
   * An entry whose `key` (1 to 512 bytes of any text) was appended within the engine's dedup window is not stored again.
   * `note` is kept beside the first and handed back to the repeat: it lets the caller answer as it did the first time.
   */
  readonly dedup?: { readonly key: string; readonly note: string };
}

/** What became of a {@link NewEntry}. */
export interface Appended {
  readonly seq: Seq;
  /** Set where nothing was stored, since the key was known: the note of the entry that was, whose place `seq` is. */
  readonly duplicate?: { readonly note: string };
}

/** An entry as the log gives it back. Its body must not be written to: readers share it. */
export interface Entry {
  readonly seq: Seq;
  readonly topic: Topic;
  readonly body: Uint8Array;
  readonly expiresAt?: number;
  /** Set where it is told to followers later than entries behind it: see {@link Log.follow}. */
  readonly late?: true;
}

/** Something relayed past the log: it has no place there, so nobody can ask for it afterwards. */
export interface Relayed {
  readonly seq: null;
  readonly topic: Topic;
  readonly body: Uint8Array;
}

/** Which entries of a topic to read. The bounds are exclusive. */
export interface Range {
  readonly after?: Seq;
  readonly before?: Seq;
  /** At most this many entries, 1 or more. */
  readonly limit: number;
  /**
   * Stops at the entry with which the bodies reach this many bytes: at least one entry is given. So fewer than `limit` entries
   * are all of the range only where their bodies are shorter than this.
   */
  readonly bytes?: number;
  /** Take the newest entries of the range instead of the oldest. They come in ascending order all the same. */
  readonly newest?: boolean;
}

/** What is still there of a topic. */
export interface Bounds {
  /**
   * Whatever was ever appended above this place, and has neither expired nor been erased, is still there; something at or
   * below it may have been trimmed. So a reader that stands at `after` has missed something if `after < floor`. 0 when nothing
   * was trimmed. Entries that expired or were erased do not raise it.
   */
  readonly floor: Seq;
  /** The oldest and newest entries kept; null when there are none. */
  readonly oldest: Seq | null;
  readonly newest: Seq | null;
}

/**
 * A log was brought back from a backup. What was appended after that backup was taken is lost; its places, which readers may
 * know of, are not given again.
 */
export interface Restoration {
  /** The epoch that it had when the backup was taken. */
  readonly epoch: string;
  /** The last number of each series then: what is above it was handed out by a log that is lost, and is handed out again. */
  readonly series: Readonly<Record<string, number>>;
  /** What is lost was behind this place, the newest then. */
  readonly after: Seq;
  /** And at or before this one. What comes next is behind it. */
  readonly upTo: Seq;
}

/** The one ordered, durable record of everything sent. */
export interface Log {
  /** Names this log: another one, with the same places but other entries in them, has another epoch. */
  readonly epoch: string;
  /** How it came to be what it is, the oldest first; none for a log that was never brought back. */
  readonly restorations: readonly Restoration[];

  /**
   * Appends entries in the order given; resolves once all of them are durable: they survive kill -9 and the loss of power.
   * Appends made while another is being written are grouped with those that wait. Of two calls, the first made comes first.
   *
   * It is not all or nothing: after a rejection some entries may be stored, and a repeat under the same dedup key finds out.
   * @throws EngineUnavailable when it cannot be made durable now, such as when the disk is full.
   */
  append(entries: readonly NewEntry[]): Promise<Appended[]>;

  /**
   * Gives a body to whoever follows the topic at this moment, in whatever process, and keeps it nowhere.
   * @throws EngineUnavailable
   */
  relay(topic: Topic, body: Uint8Array): Promise<void>;

  /**
   * Entries of one topic in ascending order, without those that expired, were trimmed or erased. Everything that was appended
   * before the call is seen; nothing is seen that is not durable.
   */
  read(topic: Topic, range: Range): Promise<Entry[]>;

  /**
   * Calls the listener with each entry of the topic that is committed from the moment on which the promise resolves, once,
   * in order, whichever process appended it. (So who first follows and then reads has everything, the overlap twice, and
   * tells it by `seq`.) All listeners of one process, whatever their topics, see the one order of the log. A listener must not throw.
   * Nothing is given before it is durable.
   *
   * Where a process was cut off and makes up for what it missed, its listeners of the directory have been given the records that
   * were stored before an entry, before they are told of that entry.
   *
   * Where an engine has several machines and one that leads them hands over while entries of several topics are on their way,
   * one may be told after others that are behind it. It is marked as `late` then, and has not been told before.
   */
  follow(topic: Topic, listener: (entry: Entry | Relayed) => void): Promise<Unfollow>;

  /** How many entries {@link read} would give of this topic behind `after`, without reading them. */
  count(topic: Topic, after: Seq): Promise<number>;

  /** What is kept of a topic; a topic nobody wrote to has floor 0 and neither oldest nor newest. */
  bounds(topic: Topic): Promise<Bounds>;

  /** The place of the newest entry there ever was in the whole log, or one behind it; 0 in a new one. */
  last(): Promise<Seq>;

  /**
   * The topics that begin with `prefix`, which ends with a dot, and of which an entry or a floor is kept, in no order. Costs as
   * much as there are such topics.
   * @throws EngineUnavailable
   */
  topics(prefix: string): Promise<Topic[]>;

  /** Removes a topic with all its entries: for a party that has left for good. Its floor is forgotten too. */
  drop(topic: Topic): Promise<void>;

  /**
   * Takes one entry out for good, durable when it resolves: from then on no process reads or counts it, and the engine gives
   * its body to nobody. A follower that has not been told of it yet may still be, until all that was committed before has
   * reached it. Nobody misses it: no floor rises. Its place is not given again, and its dedup key stays remembered with the
   * note, which is the caller's own.
   * @returns false if the topic has no such entry: there never was one, or it was trimmed, has expired or is erased already
   * @throws EngineUnavailable when it cannot be made durable now; it may still be erased later then, and a repeat finds out
   */
  erase(topic: Topic, seq: Seq): Promise<boolean>;
}

export type Unfollow = () => void;

/** Changes with every write of a record; compared for equality only. */
export type Revision = number & { readonly __revision: unique symbol };

/** Anything JSON can carry. Records are handed over by value: nobody else sees a later change to the object. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** A record of the directory. Keys are 1 to 256 of `[A-Za-z0-9_./-]`, such as `client/2`. */
export interface DirectoryRecord {
  readonly key: string;
  readonly value: Json;
  readonly revision: Revision;
}

/** A change of a record: its new content, or undefined when it was removed. */
export interface RecordChange {
  readonly key: string;
  readonly record: DirectoryRecord | undefined;
}

/** Small durable records, shared by all processes: who there is. */
export interface Directory {
  /**
   * The next number of a series, beginning at 1: unique at once among all processes. That it stays unique after a crash is
   * promised as soon as a record written after it is durable, so a number must not be shown to anybody before that.
   */
  allocate(series: string): Promise<number>;

  /** The last number of a series that was handed out by any process, 0 when none was: what is above it never existed. */
  allocated(series: string): Promise<number>;

  get(key: string): Promise<DirectoryRecord | undefined>;

  /**
   * Writes a record, durable when it resolves, provided that the one there is still at revision `expected`
   * (null: provided that there is none).
   * @throws Conflict when it is not; then read again and decide again.
   * @throws EngineUnavailable
   */
  put(key: string, value: Json, expected: Revision | null): Promise<Revision>;

  /**
   * Removes a record, durable when it resolves; with `expected` only at that revision. One that is not there is no error.
   * @throws Conflict
   * @throws EngineUnavailable
   */
  remove(key: string, expected?: Revision): Promise<void>;

  /**
   * Calls the listener with every record whose key begins with `prefix`, then resolves; from then on with every change, in
   * order for each key, wherever it was made. A change made here has been given to the listeners when its promise resolves.
   */
  watch(prefix: string, listener: (change: RecordChange) => void): Promise<Unfollow>;

  /**
   * Resolves when the listeners of all processes that are alive have been given what was written here before; a process that
   * does not answer is waited for a second.
   */
  settled(): Promise<void>;
}

/** Something held by a process, or (value undefined) held no longer. */
export interface Holding {
  /** The process: see {@link Leases.node}. */
  readonly node: string;
  readonly key: string;
  readonly value: Json | undefined;
}

/**
 * What the processes that are alive hold, such as the open streams of a client: seen by all, durable nowhere. What a process
 * held is gone when it is, at once or when its lease runs out.
 */
export interface Leases {
  /** The name of this process among those that share the engine; another one after each start. */
  readonly node: string;
  /** Whether other processes can share the engine, now or later. */
  readonly shared: boolean;
  /** Says that this process holds `key`, with something to be known about it; again, to change that. */
  hold(key: string, value: Json): Promise<void>;
  /** Says that it no longer does. */
  release(key: string): Promise<void>;
  /** As {@link Directory.watch}: everything that is held now, by this process and others, and then every change. */
  watch(listener: (holding: Holding) => void): Promise<Unfollow>;
  /**
   * Resolves when the listeners here have been given what every other live process holds at a moment after this call, and the
   * watches of the directory what was written before it. To be awaited before a decision that a stale copy would get wrong,
   * such as the removal of a client.
   * @throws EngineUnavailable when a process that may be alive does not answer within a second: the decision has to wait
   */
  catchUp(): Promise<void>;
}

export interface Engine {
  readonly log: Log;
  readonly directory: Directory;
  readonly leases: Leases;
  /** Null while everything works; otherwise what does not, in words for an operator. An engine mends itself where it can. */
  health(): string | null;
  /** Resolves when everything under way is durable and all is released. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/** What all engines keep to. */
export interface Retention {
  /** At most this many entries are kept of a topic; a little more for a while, as trimming runs in the background. */
  readonly maxEntries: number;
  /** Entries older than this many milliseconds are trimmed. */
  readonly maxAge: number;
  /** Topics that are never trimmed, neither by number nor by age, such as an audit log. What expires does so there, too. */
  readonly forever?: readonly Topic[];
  /** For how many milliseconds a dedup key is remembered. */
  readonly dedupWindow: number;
}

/** It cannot be done now, but a later try may succeed. What was asked for may or may not have happened. */
export class EngineUnavailable extends Error {
  override readonly name: string = 'EngineUnavailable';
}

/**
 * What was read is not what was written. It is never given out, and never left out either: health() says so from then on, nothing
 * is appended any more, and an operator has to act. The message says what is damaged and what to do.
 */
export class EngineDamaged extends EngineUnavailable {
  override readonly name = 'EngineDamaged';
}

/** Another writer was first: the record is not what it was when it was read. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** The engine cannot be opened at all. The message says, in one line, what to do. */
export class EngineUnusable extends Error {
  override readonly name = 'EngineUnusable';
}
