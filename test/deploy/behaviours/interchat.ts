import type { Test } from 'tap';
import { temporaryFolder } from '../../support/folder.js';
import { type ServerProcess, spawnServer } from '../../support/server.js';

/** A real InterChat of its own, which ends with the test. */
export async function interchat(t: Test, args: readonly string[] = []): Promise<ServerProcess> {
  return spawnServer(t, { folder: await temporaryFolder(t), args: ['--log-level', 'warn', ...args] });
}
