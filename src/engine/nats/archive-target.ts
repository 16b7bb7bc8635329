import type { ArchiveTarget } from '../archive.js';
import { EngineUnusable } from '../engine.js';
import type { NatsAddress } from './address.js';

export interface NatsTargetOptions {
  readonly address: NatsAddress;
  readonly replicas?: number;
}

export async function openNatsTarget(_options: NatsTargetOptions): Promise<ArchiveTarget> {
  throw new EngineUnusable('not yet');
}
