import type { Engine, Retention } from '../engine.js';
import { Dedup } from './dedup.js';
import { LmdbDirectory } from './directory.js';
import { LmdbLeases } from './leases.js';
import { LmdbLog } from './log.js';
import { type OpenFolder, openFolder } from './open.js';
import { steadyNow } from './steady-clock.js';
import { TopicIndex } from './topic-index.js';
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
  return assemble(await openFolder(options.folder), options);
}

function assemble({ store, close: closeFolder }: OpenFolder, options: LmdbOptions): Engine {
  const { retention, now = Date.now, onError = () => undefined, observe } = options;
  const writer = new Writer(store, onError);
  const index = new TopicIndex(store, writer);
  const dedup = new Dedup(store, retention.dedupWindow, options.now ?? steadyNow);
  const trimmer = new Trimmer(store, writer, index, dedup, retention, now, onError);
  const log = new LmdbLog(store, writer, index, dedup, {
    epoch: String(store.meta.get('epoch')),
    restorations: store.restorations,
    now,
    appended: (seconds, entries) => {
      trimmer.appended();
      observe?.appended?.(seconds, entries);
    },
    dropped: () => trimmer.work(),
  });
  const directory = new LmdbDirectory(store, writer);
  writer.onRecovery(index, log, directory);
  const close = async () => {
    await index.idle();
    await Promise.all([trimmer.close(), writer.close()]);
    await closeFolder();
  };
  let closing: Promise<void> | undefined;
  return {
    log,
    directory,
    leases: new LmdbLeases(() => writer.assertOpen()),
    health: () => writer.trouble,
    close: () => (closing ??= close()),
  };
}
