import type { Engine, Retention } from '../engine.js';
import { Dedup } from './dedup.js';
import { LmdbDirectory } from './directory.js';
import { LmdbLeases } from './leases.js';
import { LmdbLog } from './log.js';
import { type OpenFolder, openFolder } from './open.js';
import { keptSecret } from './secret.js';
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
  /** Begin a new log although the folder held one that is missing. */
  readonly acceptLoss?: boolean;
  /** Called when a new log was begun. */
  readonly onBegin?: () => void;
}

export interface LmdbEngine extends Engine {
  /**
   * The secret of the folder, made if it has none. From then on the engine accepts nothing when it is not there any more.
   * @throws EngineUnusable
   */
  secret(): Promise<Buffer>;
  /** For how many seconds a commit has been under way, 0 where there is none. */
  committingFor(): number;
}

/**
 * The embedded engine: a data folder on this machine, memory-mapped by LMDB, used by this process alone.
 * @throws EngineUnusable when the folder cannot be used; nothing is left open then
 */
export async function openLmdbEngine(options: LmdbOptions): Promise<LmdbEngine> {
  const { folder, acceptLoss, onBegin } = options;
  return assemble(await openFolder(folder, { acceptLoss, onBegin }), options);
}

function assemble({ store, file, close: closeFolder }: OpenFolder, options: LmdbOptions): LmdbEngine {
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
    secret: async () => {
      const secret = await keptSecret(options.folder);
      await file.coverSecret();
      return secret;
    },
    committingFor: () => writer.committingFor,
    close: () => (closing ??= close()),
  };
}
