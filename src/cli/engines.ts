import type { EngineConfig } from '../config.js';
import type { ArchiveSource, ArchiveTarget } from '../engine/archive.js';
import { openLmdbSource } from '../engine/lmdb/archive-source.js';
import { openLmdbTarget } from '../engine/lmdb/archive-target.js';
import { openNatsSource } from '../engine/nats/archive-source.js';
import { openNatsTarget } from '../engine/nats/archive-target.js';

/**
 * Opens what the settings name, to be written out.
 * @throws EngineUnusable
 */
export function openEngineSource({ engine, data, replicas }: EngineConfig): Promise<ArchiveSource> {
  return engine === 'lmdb' ? openLmdbSource(data) : openNatsSource({ address: engine, replicas });
}

/**
 * Opens what the settings name, to be filled.
 * @throws EngineUnusable
 */
export function openEngineTarget({ engine, data, replicas }: EngineConfig): Promise<ArchiveTarget> {
  return engine === 'lmdb' ? openLmdbTarget(data) : openNatsTarget({ address: engine, replicas });
}
