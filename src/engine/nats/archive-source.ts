import type { ArchiveSource } from '../archive.js';
import { EngineUnusable } from '../engine.js';
import type { NatsAddress } from './address.js';

export interface NatsSourceOptions {
  readonly address: NatsAddress;
  readonly replicas?: number;
}

export async function openNatsSource(_options: NatsSourceOptions): Promise<ArchiveSource> {
  throw new EngineUnusable('not yet');
}
