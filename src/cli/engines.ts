import type { EngineConfig } from '../config.js';
import type { ArchiveSource, ArchiveTarget } from '../engine/archive.js';

/**
 * Opens what the settings name, to be written out.
 * @throws EngineUnusable
 */
export async function openEngineSource({ engine, data, replicas }: EngineConfig): Promise<ArchiveSource> {
  if (engine === 'lmdb') return (await import('../engine/lmdb/archive-source.js')).openLmdbSource(data);
  return (await import('../engine/nats/archive-source.js')).openNatsSource({ address: engine, replicas });
}

/**
 * Opens what the settings name, to be filled.
 * @throws EngineUnusable
 */
export async function openEngineTarget({ engine, data, replicas }: EngineConfig): Promise<ArchiveTarget> {
  if (engine === 'lmdb') return (await import('../engine/lmdb/archive-target.js')).openLmdbTarget(data);
  return (await import('../engine/nats/archive-target.js')).openNatsTarget({ address: engine, replicas });
}
