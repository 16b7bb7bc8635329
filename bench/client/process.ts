import { readFile } from 'node:fs/promises';

/** What processes have used so far. */
export interface Usage {
  /** Seconds of CPU, in user and in system mode. */
  readonly cpu: number;
  /** Bytes of memory of its own: anonymous and shared. What is mapped from files is the system's to take back. */
  readonly memory: number;
}

/** Clock ticks a second in /proc (USER_HZ), which is 100 on every Linux of today; see proc(5), sysconf(3). */
const TICKS = 100;

/** Adds up what all of these processes have used. */
export async function usageOf(pids: readonly number[]): Promise<Usage> {
  return together(await Promise.all(pids.map(usageOfOne)));
}

async function usageOfOne(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may have spaces; the fields behind it begin with the third (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS,
    memory: (kib('RssAnon') + kib('RssShmem')) * 1024,
  };
}

/** The seconds of CPU of this process, the load client. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What several together have used. */
export function together(all: readonly Usage[]): Usage {
  return { cpu: sum(all.map(({ cpu }) => cpu)), memory: sum(all.map(({ memory }) => memory)) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
