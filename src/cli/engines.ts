import type { EngineConfig } from '../config.js';
import { stat } from 'node:fs/promises';
import type { ArchiveSource, ArchiveTarget } from '../engine/archive.js';
import type { SalvageSource } from '../engine/salvage.js';

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
export async function openEngineTarget({
  engine,
  data,
  replicas,
  allowUnsafeNats: allowUnsafe,
}: EngineConfig): Promise<ArchiveTarget> {
  if (engine === 'lmdb') return (await import('../engine/lmdb/archive-target.js')).openLmdbTarget(data);
  return (await import('../engine/nats/archive-target.js')).openNatsTarget({ address: engine, replicas, allowUnsafe });
}

/**
 * Opens what the settings name, to be written out whether a server runs or not.
 * @throws EngineUnusable
 */
export async function openBackupSource({ engine, data }: EngineConfig): Promise<ArchiveSource> {
  if (engine === 'lmdb') return (await import('../engine/lmdb/archive-source.js')).openLmdbBackupSource(data);
  return (await import('../engine/nats/archive-source.js')).openNatsBackupSource({ address: engine });
}

/**
 * Opens what the settings name, to be filled with a backup.
 * @throws EngineUnusable
 */
export async function openRestorationTarget({
  engine,
  data,
  replicas,
  allowUnsafeNats: allowUnsafe,
}: EngineConfig): Promise<ArchiveTarget> {
  if (engine === 'lmdb') return (await import('../engine/lmdb/archive-target.js')).openLmdbRestoration(data);
  const { openNatsRestoration } = await import('../engine/nats/archive-target.js');
  return openNatsRestoration({ address: engine, replicas, allowUnsafe });
}

/**
 * Opens what is whole of a damaged archive or data folder.
 * @throws ArchiveUnusable, EngineUnusable
 */
export async function openSalvageSource(path: string): Promise<SalvageSource> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return (await import('../engine/lmdb/salvage-source.js')).openLmdbSalvage(path);
  return (await import('../engine/file/salvage-source.js')).openFileSalvage(path);
}
