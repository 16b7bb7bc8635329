import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { waitFor } from './wait.js';

/** Where memory is limited by the kernel, as it is for a container. */
export interface MemoryLimit {
  /** How it is done, for the output of a test. */
  readonly by: string;
  /** Stands before a command and its arguments: they run within the limit. */
  readonly prefix: readonly string[];
  /** The most that was used, in bytes; undefined where only V8's heap is limited. */
  most(): Promise<number | undefined>;
}

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/**
 * A memory cgroup of its own, removed after the test. Where none can be made (no root, cgroups mounted read-only), V8's heap is
 * limited to half of it instead, and a comment says so: that finds a heap that grows without end, and no buffers.
 *
 * @param bytes what all within it may use, in bytes
 */
export async function memoryLimit(t: Test, bytes: number): Promise<MemoryLimit> {
  const name = `interchat-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  for (const [top, limit, most] of [
    [V1, 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'],
    [V2, 'memory.max', 'memory.peak'],
  ] as const) {
    const folder = `${top}/${name}`;
    try {
      await mkdir(folder);
    } catch {
      continue;
    }
    t.teardown(async () => {
      // It can be removed when the kernel has let go of its last process.
      const removed = () =>
        rmdir(folder).then(
          () => true,
          () => false,
        );
      await waitFor(removed);
    });
    const enter = `echo $$ > ${folder}/cgroup.procs && exec "$0" "$@"`;
    try {
      await writeFile(`${folder}/${limit}`, String(bytes));
      if (top === V2) await writeFile(`${folder}/memory.swap.max`, '0').catch(() => undefined);
      execFileSync('sh', ['-c', enter, 'true']);
    } catch {
      // A folder that is no memory cgroup, such as the top of a version 1 hierarchy.
      continue;
    }
    return {
      by: `a cgroup of ${bytes / 1024 / 1024} MiB (${top})`,
      prefix: ['sh', '-c', enter],
      most: () => readFile(`${folder}/${most}`, 'utf8').then(Number, () => undefined),
    };
  }
  const heap = Math.floor(bytes / 2 / 1024 / 1024);
  const by = `NO CGROUP CAN BE MADE HERE: only V8's heap is limited, to ${heap} MiB. Run this as root to have the real limit.`;
  t.comment(by);
  return { by, prefix: ['env', `NODE_OPTIONS=--max-old-space-size=${heap}`], most: () => Promise.resolve(undefined) };
}
