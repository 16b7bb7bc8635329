import type { EngineConfig } from '../config.js';
import type { ArchiveSource, ArchiveTarget } from '../engine/archive.js';
import { openLmdbSource } from '../engine/lmdb/archive-source.js';
import { openLmdbTarget } from '../engine/lmdb/archive-target.js';

/**
 * Opens what the settings name, to be written out.
 * @throws EngineUnusable
 */
export function openEngineSource({ engine, data }: EngineConfig): Promise<ArchiveSource> {
  switch (engine) {
    case 'lmdb':
      return openLmdbSource(data);
  }
}

/**
 * Opens what the settings name, to be filled.
 * @throws EngineUnusable
 */
export function openEngineTarget({ engine, data }: EngineConfig): Promise<ArchiveTarget> {
  switch (engine) {
    case 'lmdb':
      return openLmdbTarget(data);
  }
}
