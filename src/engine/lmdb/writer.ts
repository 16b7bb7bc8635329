import { type EngineDamaged, EngineUnavailable } from '../engine.js';
import { asDamage } from './damage.js';
import { CHECK_EVERY, DataFileMoved } from './data-file.js';
import { NoRoom } from './reserve.js';
import type { Need, Store } from './store.js';

/** Something to be written, in one commit as a whole. */
export interface Work extends Need {
  /** How many puts and removes it is, roughly. */
  readonly weight: number;
  /** Its turn has come: from now on it stays as it is, also while room for it is got. */
  sealed?(): void;
  /**
   * Makes the puts and removes. What is read of the store meanwhile is what is durable: no other commit is under way. It reads
   * before it puts: when reading throws, nothing of it may be written.
   */
  write(): void;
  /** It is durable: called in the order of the works, before anything else happens. */
  committed?(): void;
  /** It failed: what of it is durable, if anything, is told by {@link Recovering} once writing works again. */
  failed?(): void;
}

/** Someone who keeps in memory what follows from the disk. Called when writing works again, to compare. */
export interface Recovering {
  recover(): void;
}

/** The most that is put into one commit, so that filling it does not keep the event loop from others. */
const COMMIT_WEIGHT = 5_000;

/** Milliseconds for which a commit waits for more that it could take along, at the most. */
const LONGEST_GATHERING = 3;

const PROBE_EVERY = 1_000;

/**
 * A commit that is still under way at this many checks is given up: the disk does not answer. Checks are counted, not time, as
 * the time in which this process itself stood still proves nothing about the disk.
 */
const STALLED_AFTER = 5;

/** While room is short, essential works go into one commit up to this many bytes of growth: it has to fit into the reserve. */
const SHORT_COMMIT = 256 * 1024;

/** Milliseconds for which room counts as short after the disk has refused it. */
const SHORT_FOR = 60_000;

const PROBE: Need = { growth: 4096, isEssential: true };

const CLOSED = 'The engine is closed.';

/**
 * The one way to the disk. All works asked for while a commit is under way go into the next one together, in the order in
 * which they were asked for; each resolves when its commit is synced. One commit at a time: what fails then is known, and
 * nothing that came later can have been stored before it.
 *
 * On a full disk essential works alone are taken, until there is room again: on the disk, or within the file.
 *
 * After another failure everything is refused until a write of its own has succeeded. A commit that the disk does not end counts as
 * one that failed; whether it is durable is found out when it ends.
 */
export class Writer {
  readonly #recovering: Recovering[] = [];
  #queue: Queued[] = [];
  #running: Promise<void> | undefined;
  /** What the disk is asked for now. */
  #flight: Flight | undefined;
  #mending: Promise<void> | undefined;
  /** While the file is closed for a moment, to be opened again. */
  #reopening: Promise<void> | undefined;
  #trouble: string | null = null;
  /** Why the disk has no room. Essential works are taken all the same. */
  #full: string | null = null;
  #roomTriedAt = -Infinity;
  /** Until then room is short, on the clock of performance.now(). */
  #shortUntil = -Infinity;
  /** The first that was met: it lasts until the operator has acted. */
  #damage: EngineDamaged | undefined;
  #closed = false;
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly store: Store,
    private readonly onError: (error: Error) => void,
  ) {
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY);
    this.#timer.unref();
  }

  /** Null while writing works, else why it does not. */
  get trouble(): string | null {
    if (this.#closed) return 'the engine is closed';
    return this.#damage ? inSentence(this.#damage.message) : (this.#trouble ?? this.#full);
  }

  /** Whether essential works are taken. */
  get takesEssential(): boolean {
    return !this.#closed && !this.#damage && this.#trouble === null;
  }

  /** Whether the disk has refused room of late: what is to be removed is to be removed in small steps then. */
  get isShort(): boolean {
    return this.#full !== null || performance.now() < this.#shortUntil;
  }

  /**
   * Runs what reads the store. Where it meets damage, nothing is written from then on: what is written may follow from what was
   * not read.
   * @throws EngineDamaged
   */
  reading<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (error) {
      throw this.failureOf(error);
    }
  }

  /** What an error of the store is for the caller. */
  failureOf(error: unknown): unknown {
    const damage = asDamage(error);
    if (damage && !this.#damage) {
      this.#damage = damage;
      this.onError(damage);
    }
    return damage ?? error;
  }

  /** For how many seconds a commit has been under way, 0 where there is none. */
  get committingFor(): number {
    return this.#flight ? (performance.now() - this.#flight.since) / 1000 : 0;
  }

  onRecovery(...recovering: Recovering[]): void {
    this.#recovering.push(...recovering);
  }

  /** @throws EngineUnavailable once the engine is closed */
  assertOpen(): void {
    if (this.#closed) throw new EngineUnavailable(CLOSED);
  }

  /**
   * Resolves when the store can be read.
   * @throws EngineUnavailable when it cannot
   */
  async readable(): Promise<void> {
    if (this.#reopening) await this.#reopening;
    this.assertOpen();
    if (!this.store.isOpen) throw new EngineUnavailable(`The data folder cannot be read: ${this.#trouble}.`);
  }

  /** @throws EngineUnavailable while nothing is taken */
  assertWritable(): void {
    this.#assertTakesEssential();
    if (this.#full !== null) throw this.#refusal();
  }

  #assertTakesEssential(): void {
    if (this.#closed || this.#trouble !== null) throw this.#refusal();
    if (this.#damage) throw this.#damage;
  }

  /** @throws EngineUnavailable when it was not taken or could not be committed */
  async write(work: Work): Promise<void> {
    if (work.isEssential) this.#assertTakesEssential();
    else this.assertWritable();
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when all that was asked for is committed or refused. */
  async close(): Promise<void> {
    // What was asked for in this turn has looked whether the store can be read, and is in the queue then.
    await endOfTurn();
    this.#closed = true;
    clearInterval(this.#timer);
    this.#closing.abort();
    await this.#running;
    await this.#mending;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#gather();
      const batch = this.#take();
      let failed: Map<Queued, unknown> | undefined;
      const flight = this.#begin(batch);
      try {
        await this.store.commit(() => {
          for (const queued of batch) {
            try {
              queued.work.write();
            } catch (error) {
              (failed ??= new Map<Queued, unknown>()).set(queued, error);
            }
          }
        }, needOf(batch));
      } catch (error) {
        if (error instanceof NoRoom && !flight.isGivenUp) {
          this.#flight = undefined;
          this.#noRoom(error, batch);
          continue;
        }
        this.#end(flight, error as Error);
        break;
      }
      if (!this.#end(flight)) break;
      const done = failed ? this.#withoutFailed(batch, failed) : batch;
      for (const { work } of done) this.#tell(() => work.committed?.());
      for (const { resolve } of done) resolve();
      if (this.#full !== null && !(await this.#tryRoom())) break;
    }
    this.#running = undefined;
  }

  /** Looks whether the disk has ended what it was asked for and, where it has, whether the data file is at its path. */
  #check(): void {
    if (this.#flight) this.#giveUp(this.#flight);
    else if (!this.#running && this.#trouble === null) this.#running = this.#checkFile();
  }

  async #checkFile(): Promise<void> {
    const flight = this.#begin([]);
    try {
      await this.store.check();
    } catch (error) {
      this.#end(flight, error as Error);
      this.#running = undefined;
      return;
    }
    if (this.#end(flight) && (this.#full === null || (await this.#tryRoom()))) return this.#run();
    this.#running = undefined;
  }

  /** Works that were to be committed together have no room. Nothing of them is written. */
  #noRoom(error: NoRoom, batch: readonly Queued[]): void {
    const wasShort = this.isShort;
    this.#shortUntil = performance.now() + SHORT_FOR;
    const isEssential = batch.every(({ work }) => work.isEssential);
    if (batch.length > 1 && (isEssential ? !wasShort : batch.some(({ work }) => work.isEssential))) {
      // From now on one kind at a time, and less at a time.
      this.#queue.unshift(...batch);
      return;
    }
    // A large step may find no room where there is some.
    if (!isEssential || needOf(batch).growth <= SHORT_COMMIT) this.#becomeFull(error);
    const refused = isEssential ? [...batch] : [...batch, ...this.#queue.filter(({ work }) => !work.isEssential)];
    if (!isEssential) this.#queue = this.#queue.filter(({ work }) => work.isEssential);
    const refusal = new EngineUnavailable(`The engine cannot take this now: ${fullOf(error)}.`, { cause: error });
    for (const { work } of refused) this.#tell(() => work.failed?.());
    for (const { reject } of refused) reject(refusal);
  }

  #becomeFull(error: NoRoom): void {
    if (this.#full === null) this.onError(new Error(`Messages are refused: ${fullOf(error)}.`, { cause: error }));
    this.#full = fullOf(error);
    this.#roomTriedAt = performance.now();
  }

  /**
   * Finds out, once in a while, whether there is room again.
   * @returns false when the disk has failed, or was given up
   */
  async #tryRoom(): Promise<boolean> {
    if (performance.now() - this.#roomTriedAt < PROBE_EVERY) return true;
    this.#roomTriedAt = performance.now();
    const flight = this.#begin([]);
    let hasRoom;
    try {
      hasRoom = await this.store.hasRoom();
    } catch (error) {
      return this.#end(flight, error as Error);
    }
    if (!this.#end(flight)) return false;
    if (hasRoom) {
      this.#full = null;
      for (const one of this.#recovering) this.#tell(() => one.recover());
    }
    return true;
  }

  #begin(batch: readonly Queued[]): Flight {
    return (this.#flight = { batch, since: performance.now(), checks: 0, isGivenUp: false });
  }

  /** @returns whether it was waited for, and has succeeded */
  #end(flight: Flight, error?: Error): boolean {
    this.#flight = undefined;
    if (flight.isGivenUp) return false;
    if (error) this.#failed(error, [...flight.batch, ...this.#queue.splice(0)]);
    return error === undefined;
  }

  /** Refuses what waits for a disk that does not answer. */
  #giveUp(flight: Flight): void {
    if (++flight.checks < STALLED_AFTER) return;
    const seconds = Math.floor((performance.now() - flight.since) / 1000);
    const stalled = `the disk of the data folder has not answered for ${seconds} seconds`;
    if (flight.isGivenUp) this.#trouble = stalled;
    else {
      flight.isGivenUp = true;
      this.#failed(new Error(stalled), [...flight.batch, ...this.#queue.splice(0)], this.#running);
    }
  }

  /**
   * Waits for what comes in with this turn of the loop, and with the next ones as long as each brings more: a commit costs
   * as much as a dozen requests, so it is worth having one for many. Who sends alone waits for a turn that brings nothing.
   */
  async #gather(): Promise<void> {
    const until = performance.now() + LONGEST_GATHERING;
    for (let weight = -1, before = -2; weight > before && weight < COMMIT_WEIGHT && performance.now() < until;) {
      await endOfTurn();
      before = weight;
      weight = this.#queue.reduce((sum, { work }) => sum + work.weight, 0);
    }
  }

  #take(): Queued[] {
    const { isShort } = this;
    const isEssential = this.#queue[0]?.work.isEssential ?? false;
    let weight = 0;
    let growth = 0;
    const end = this.#queue.findIndex(({ work }, at) => {
      weight += work.weight;
      growth += work.growth;
      if (at === 0) return false;
      if (weight > COMMIT_WEIGHT) return true;
      return isShort && ((work.isEssential ?? false) !== isEssential || (isEssential && growth > SHORT_COMMIT));
    });
    const taken = this.#queue.splice(0, end < 0 ? this.#queue.length : end);
    for (const { work } of taken) work.sealed?.();
    return taken;
  }

  /** Refuses those that met something while they were to write. They have written nothing: see {@link Work.write}. */
  #withoutFailed(batch: readonly Queued[], failed: ReadonlyMap<Queued, unknown>): Queued[] {
    for (const [{ work, reject }, error] of failed) {
      const failure = this.failureOf(error) as Error;
      this.#tell(() => work.failed?.());
      reject(failure);
    }
    return batch.filter((queued) => !failed.has(queued));
  }

  /** @param running what was given up, and goes on */
  #failed(error: Error, works: readonly Queued[], running?: Promise<void>): void {
    if (this.failureOf(error) !== error) {
      for (const { work } of works) this.#tell(() => work.failed?.());
      for (const { reject } of works) reject(this.#damage as Error);
      return;
    }
    this.#trouble = troubleOf(error);
    const message =
      error instanceof DataFileMoved ? error.message : `The data folder cannot be written: ${error.message}.`;
    this.onError(new Error(message, { cause: error }));
    this.#mending = this.#mend(running).finally(() => (this.#mending = undefined));
    for (const { work } of works) this.#tell(() => work.failed?.());
    const refusal = this.#refusal(error);
    for (const { reject } of works) reject(refusal);
  }

  #refusal(cause?: Error): EngineUnavailable {
    if (this.#closed && !cause) return new EngineUnavailable(CLOSED);
    return new EngineUnavailable(`The engine cannot take this now: ${this.#trouble ?? this.#full}.`, { cause });
  }

  /**
   * Tries until writing works again, or the engine is closed.
   * @param running what ends first
   */
  async #mend(running: Promise<void> | undefined): Promise<void> {
    if (running) await running;
    for (;;) {
      if (this.store.isSuspect) {
        this.#reopening = this.#reopen().finally(() => (this.#reopening = undefined));
        await this.#reopening;
      }
      await pause(PROBE_EVERY, this.#closing.signal);
      if (this.#closed) return;
      const flight = this.#begin([]);
      // It is not refused twice; how long it takes is seen all the same.
      flight.isGivenUp = true;
      try {
        // Before anything is written: a file that was removed may be in the midst of being copied.
        await this.store.check();
        if (await this.store.hasRoom()) this.#full = null;
        else this.#becomeFull(new NoRoom('no space left on device'));
        await this.store.commit(() => void this.store.meta.put('probe', 0), PROBE);
        break;
      } catch (error) {
        this.#trouble = troubleOf(error as Error);
      } finally {
        this.#end(flight);
      }
    }
    this.#trouble = null;
    for (const one of this.#recovering) this.#tell(() => one.recover());
  }

  async #reopen(): Promise<void> {
    try {
      await this.store.reopen();
    } catch (error) {
      this.#trouble =
        error instanceof DataFileMoved ? error.brief : `the data folder cannot be opened: ${(error as Error).message}`;
    }
  }

  /** Whatever a listener throws is its own affair: the log goes on. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (this.failureOf(error) === error) this.onError(error as Error);
    }
  }
}

/** An error's message without its capital and its full stop. */
function inSentence(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, '');
}

/** What is wrong, without a path: clients are told. */
function troubleOf(error: Error): string {
  return error instanceof DataFileMoved ? error.brief : `the data folder cannot be written: ${error.message}`;
}

function fullOf({ message }: NoRoom): string {
  return `the disk of the data folder is full (${message}): free some of it, enlarge it, or keep less (--keep-messages, --keep-days)`;
}

/** What works need that are committed together. */
function needOf(batch: readonly Queued[]): Need {
  let growth = 0;
  let largest = 0;
  let isEssential = true;
  for (const { work } of batch) {
    growth += work.growth;
    largest = Math.max(largest, work.largest ?? (work.isEssential ? 0 : work.growth));
    isEssential &&= work.isEssential ?? false;
  }
  return { growth, largest, isEssential };
}

/** What the disk is asked for, and has not ended. */
interface Flight {
  readonly batch: readonly Queued[];
  /** On the clock of performance.now(). */
  readonly since: number;
  /** How many checks found it under way. */
  checks: number;
  isGivenUp: boolean;
}

interface Queued {
  readonly work: Work;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves after so many milliseconds, or as soon as the signal is given. Keeps no process alive. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}
