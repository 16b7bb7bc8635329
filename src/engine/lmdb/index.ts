import { mkdir } from 'node:fs/promises';
import { type Engine, EngineUnusable, type Retention } from '../engine.js';
import { LmdbDirectory } from './directory.js';
import { LmdbLeases } from './leases.js';
import { lockFolder } from './lock.js';
import { LmdbLog } from './log.js';
import { openStore } from './store.js';
import { Trimmer } from './trimmer.js';
import { Writer } from './writer.js';

export interface LmdbOptions {
  /** Made, for its owner alone, if it is not there. */
  readonly folder: string;
  readonly retention: Retention;
  /** The time in milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onError?: (error: Error) => void;
  readonly observe?: { readonly appended?: (seconds: number, entries: number) => void };
}

/**
 * The embedded engine: a data folder on this machine, memory-mapped by LMDB, used by this process alone.
 * @throws EngineUnusable when the folder cannot be used; nothing is left open then
 */
export async function openLmdbEngine(options: LmdbOptions): Promise<Engine> {
  const { folder, retention, now = Date.now, onError = () => undefined, observe } = options;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const unlock = await lockFolder(folder);
    try {
      const store = await openStore(folder);
      const writer = new Writer(() => [store.meta.put('probe', 0)], onError);
      const trimmer = new Trimmer(store, writer, retention, now, onError);
      return {
        log: new LmdbLog(store, writer, trimmer, { retention, now, appended: observe?.appended ?? (() => undefined) }),
        directory: new LmdbDirectory(store, writer),
        leases: new LmdbLeases(),
        health: () => writer.trouble,
        close: async () => {
          await trimmer.close();
          await writer.close();
          await store.root.close();
          await unlock();
        },
      };
    } catch (error) {
      await unlock();
      throw error;
    }
  } catch (error) {
    if (error instanceof EngineUnusable) throw error;
    throw new EngineUnusable(
      `The data folder ${folder} cannot be used: ${(error as Error).message}. Give another one: --data or INTERCHAT_DATA.`,
    );
  }
}
