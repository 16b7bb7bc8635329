import { EngineUnavailable } from '../engine.js';

/** Puts and removes of one write; the promises are what lmdb gives back for each. */
export type Operations = () => Iterable<Promise<unknown>>;

interface Write {
  readonly operations: Operations;
  readonly committed: () => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const PROBE_EVERY = 1000;

/**
 * The one way to the disk. All writes asked for while a commit is under way go into the next one together, in the order in
 * which they were asked for; a write resolves when its commit is synced. One commit at a time: what fails then is known, and
 * nothing that came later can have been stored before it.
 */
export class Writer {
  #queue: Write[] = [];
  #committing: Promise<void> | undefined;
  #trouble: string | null = null;
  #closed = false;
  #probe: NodeJS.Timeout | undefined;

  /** @param probe a write that changes nothing, to find out whether writing works again */
  constructor(
    private readonly probe: Operations,
    private readonly onError: (error: Error) => void,
  ) {}

  /** Null while writing works, else why it does not. */
  get trouble(): string | null {
    return this.#closed ? 'the engine is closed' : this.#trouble;
  }

  /** @throws EngineUnavailable once the engine is closed */
  assertOpen(): void {
    if (this.#closed) throw new EngineUnavailable('The engine is closed.');
  }

  /**
   * @param committed called when it is durable, in the order of the writes and before anything else is
   * @throws EngineUnavailable when it could not be committed; then nothing of this write was
   */
  write(operations: Operations, committed: () => void = () => undefined): Promise<void> {
    if (this.#closed) return Promise.reject(new EngineUnavailable('The engine is closed.'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ operations, committed, resolve, reject });
      // A microtask later, so that all writes of this turn are in the first commit already.
      this.#committing ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Resolves when all that was asked for is committed or refused. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#probe);
    await this.#committing;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const writes = this.#queue;
      this.#queue = [];
      const error = await commit(writes);
      if (error) this.#failed(error);
      else this.#succeeded(writes);
      for (const { resolve, reject } of writes) {
        if (error)
          reject(new EngineUnavailable(`The data folder cannot be written: ${error.message}.`, { cause: error }));
        else resolve();
      }
    }
    this.#committing = undefined;
  }

  #succeeded(writes: readonly Write[]): void {
    this.#trouble = null;
    for (const { committed } of writes) committed();
  }

  #failed(error: Error): void {
    if (this.#trouble === null) this.onError(error);
    this.#trouble = `the data folder cannot be written: ${error.message}`;
    if (this.#closed) return;
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => {
      this.write(this.probe).catch(() => undefined);
    }, PROBE_EVERY);
    this.#probe.unref();
  }
}

/** Writes all of them in one transaction; what went wrong, if anything did. */
async function commit(writes: readonly Write[]): Promise<Error | undefined> {
  const promises = new Set<Promise<unknown>>();
  try {
    // lmdb puts all writes of one turn of the event loop into one transaction, and gives most of them the same promise.
    for (const { operations } of writes) for (const promise of operations()) promises.add(promise);
  } catch (error) {
    await Promise.allSettled(promises);
    return error as Error;
  }
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  return failed && (await reasonOf(failed.reason as Error));
}

/** lmdb rejects with an error that holds a promise of the reason, which rejects in its turn. */
async function reasonOf(error: Error & { commitError?: Promise<never> }): Promise<Error> {
  if (!error.commitError) return error;
  return error.commitError.catch((reason: Error) => new Error(firstClause(reason.message)));
}

/** "No space left on device: Attempting to write page at …" says enough with its first words. */
function firstClause(message: string): string {
  return message.split(':')[0] ?? message;
}
