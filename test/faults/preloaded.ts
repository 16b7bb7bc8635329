import { execFile } from 'node:child_process';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';

/**
 * Compiles a library that stands before the C library's own functions: see LD_PRELOAD.
 * @param name of its source in this folder
 * @returns its path; undefined, and the test is skipped, where there is no C compiler
 */
export async function preloaded(t: Test, name: string): Promise<string | undefined> {
  const library = join(await temporaryFolder(t), `${basename(name, '.c')}.so`);
  const source = fileURLToPath(new URL(name, import.meta.url));
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl', '-lpthread']);
    return library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.plan(0, 'NOT TESTED: there is no C compiler');
    return undefined;
  }
}
