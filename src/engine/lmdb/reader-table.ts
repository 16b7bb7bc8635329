import { lstat, mkdir, open as openFile, readlink, rename, rm, stat, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openLocked } from './lock.js';

/**
 * LMDB's table of readers, which each process that reads writes to, through a memory map. On a disk that is frozen the first
 * such write would stop the whole process, as would one on a disk that is full (SIGBUS). So the table lies in memory that all
 * processes of this machine share, where the machine has such, and the data folder holds a symbolic link to it.
 */
const SHARED_MEMORY = '/dev/shm';

/** The table takes this many bytes at most. */
const SIZE = 16_384;

/** Between two attempts, and how many there are. In milliseconds. */
const TRY_AGAIN = 10;
const ATTEMPTS = 100;

/**
 * Makes a new table for a data file. Only for the owner of the folder, while no other process reads.
 * @param path of the data file
 */
export async function makeReaderTable(path: string): Promise<void> {
  const table = `${path}-lock`;
  const shared = await makeShared(path).catch(() => undefined);
  if (shared !== undefined) {
    if ((await targetOf(table)) === shared) return;
    const draft = `${table}.new`;
    try {
      await rm(draft, { force: true });
      await symlink(shared, draft);
      await rename(draft, table);
      return;
    } catch {
      // A disk that is full, or that has no symbolic links: the table goes into the folder.
    }
  }
  if ((await targetOf(table)) !== undefined) await unlink(table);
  await reserveTable(table, 'w');
}

/**
 * Makes sure that LMDB finds the table of this data file, or none: a link may come from another start of the machine, or from
 * the folder that this one is a copy of. For a process that reads, and keeps the owner from making a new table.
 * @throws when a server has the table in memory that this process does not share
 */
export async function assertReaderTable(path: string): Promise<void> {
  const table = `${path}-lock`;
  for (let attempt = 1; ; attempt++) {
    const target = await targetOf(table);
    if (target === undefined) return;
    const isOurs = target.endsWith(`/${await nameFor(path)}`);
    if (isOurs && (await stat(target).catch(() => undefined))) return;
    const file = await openLocked(path, 'r+');
    try {
      // Another that reads may have been first.
      if (file && (await targetOf(table)) === target) await unlink(table);
    } finally {
      await file?.close();
    }
    if (!file && attempt === ATTEMPTS) {
      throw new Error(`its server runs in another container. Run this command where the server runs`);
    }
    if (!file) await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
  }
}

/**
 * Gives a table its place before it is mapped: a page of a mapped file that finds no room when it is first written to ends the
 * process by SIGBUS.
 */
export async function reserveTable(table: string, flags: 'w' | 'wx'): Promise<void> {
  const file = await openFile(table, flags, 0o600);
  try {
    await file.write(Buffer.alloc(SIZE));
  } finally {
    await file.close();
  }
}

/** @throws where the machine has no shared memory, or something else is in the way */
async function makeShared(path: string): Promise<string> {
  const uid = process.geteuid?.();
  await stat(SHARED_MEMORY);
  // A folder of this user's own: others can write into the one above it.
  const folder = join(SHARED_MEMORY, `interchat-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined);
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${folder} is not this user's`);
  const shared = join(folder, await nameFor(path));
  await rm(shared, { force: true });
  await reserveTable(shared, 'wx');
  return shared;
}

/** No two data files of a machine have it, and none has that of an earlier one: a copy has another inode. */
async function nameFor(path: string): Promise<string> {
  const { dev, ino } = await stat(path);
  return `${dev}-${ino}`;
}

/** What a symbolic link points to; undefined where there is none. */
function targetOf(link: string): Promise<string | undefined> {
  return readlink(link).catch(() => undefined);
}
