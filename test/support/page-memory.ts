import type { PageMemory } from '../../src/hub/history.js';

/** Memory without a bound, for tests that are not about that. */
export const UNBOUNDED: PageMemory = {
  pageBytes: 8 * 1024 * 1024,
  smallBytes: 256 * 1024,
  reserve: () => undefined,
  shrinkTo: () => undefined,
};
