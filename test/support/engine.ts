import { createHash } from 'node:crypto';

/**
 * The flags of `interchat serve` for the engine that tests are to run on: the embedded one, or NATS where TEST_NATS says
 * where that is (see on-nats.js). There each data folder stands for a name of its own, so that who comes back to it finds the same.
 */
export function engineFor(folder: string): string[] {
  const url = process.env.TEST_NATS;
  if (!url) return [];
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  return [`--engine=${url}/${name}`];
}

/** Whether tests run on the embedded engine: some are about what it does with its folder. */
export const isEmbedded = !process.env.TEST_NATS;
