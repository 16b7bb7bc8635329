import { existsSync, lstatSync } from 'node:fs';
import { constants, type FileHandle, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineUnusable } from '../engine.js';
import { syncFolder } from '../sync-folder.js';
import { DataFile, FILE } from './data-file.js';
import { interrupted, RESTORED, UNKNOWN_ARCHIVE } from './importing.js';
import { openLocked } from './lock.js';

/** What a folder is opened for. */
export interface OpenOptions {
  /** It is to be filled by an import or a restoration, of which an earlier run may have been interrupted. */
  readonly filling?: 'import' | 'restoration';
  /** Begin a new log although an earlier one is lost. */
  readonly acceptLoss?: boolean;
  /** Called when a new log was begun. */
  readonly onBegin?: () => void;
}

/**
 * Makes an empty store under a path.
 * @param file the file of that path, of any content
 * @param importing what is kept under IMPORTING
 */
export type MakeStore = (path: string, file: FileHandle, importing: string | undefined) => Promise<void>;

/** A new data file gets its name when it is complete, so a crash leaves no half of one. Until then it has this one. */
const DRAFT = `${FILE}.new`;

/** Empty files that say what a folder is to be filled by, until that is kept in the data file. */
const MARK = { import: `${FILE}.import`, restoration: `${FILE}.restore` } as const;

/** Files that come after the data file: where one of these is without it, there was a log. */
const LATER = ['secret', 'lock', 'readers', `${FILE}-lock`, FILE];

const { O_RDWR, O_CREAT } = constants;

/**
 * Opens the data file of a folder and locks it. Where there is none, makes one that is empty: that can be interrupted at any
 * point, and the next run begins again.
 * @throws EngineUnusable when another process uses the file, or when an earlier log is missing
 */
export async function openDataFile(folder: string, makeStore: MakeStore, options: OpenOptions = {}): Promise<DataFile> {
  const path = join(folder, FILE);
  for (;;) {
    if (!existsSync(path)) {
      const made = await make(folder, path, makeStore, options);
      if (made) return made;
    }
    let file: FileHandle | undefined;
    try {
      file = await openLocked(path, 'r+');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    if (!file) throw inUse(folder);
    await removeDrafts(folder);
    return DataFile.of(folder, file);
  }
}

/** @returns undefined when another process has made it meanwhile */
async function make(
  folder: string,
  path: string,
  makeStore: MakeStore,
  options: OpenOptions,
): Promise<DataFile | undefined> {
  const { filling } = options;
  if (!filling) assertNew(folder, options.acceptLoss);
  else await writeFile(join(folder, MARK[filling]), '', { mode: 0o600, flush: true });
  const draft = join(folder, DRAFT);
  const file = await openLocked(draft, O_RDWR | O_CREAT);
  if (!file) throw inUse(folder);
  try {
    // Only the owner of the lock renames the draft, so no data file can appear from here on.
    if (existsSync(path)) {
      await file.close();
      return undefined;
    }
    await makeStore(draft, file, filling && `${UNKNOWN_ARCHIVE}${filling === 'restoration' ? RESTORED : ''}`);
    await rename(draft, path);
    await removeDrafts(folder);
    await syncFolder(folder);
  } catch (error) {
    await removeDrafts(folder).catch(() => undefined);
    await file.close();
    throw error;
  }
  options.onBegin?.();
  return DataFile.of(folder, file);
}

/** @throws EngineUnusable when the folder held a log that is missing, or when it is about to be filled */
function assertNew(folder: string, acceptLoss = false): void {
  for (const kind of ['import', 'restoration'] as const) {
    if (existsSync(join(folder, MARK[kind]))) throw new EngineUnusable(interrupted(kind, folder));
  }
  const found = LATER.filter((name) => isThere(join(folder, name)));
  if (found.length === 0 || acceptLoss) return;
  throw new EngineUnusable(
    `The log of the data folder ${folder} is missing: ${FILE} is not there, but ${found.join(', ')} is. Put ${FILE} back, or restore a backup with interchat restore. To begin a new log although all messages are lost, start once with --accept-loss (INTERCHAT_ACCEPT_LOSS=true).`,
  );
}

/** Also true for a symbolic link whose target is missing. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function removeDrafts(folder: string): Promise<void> {
  for (const name of [`${DRAFT}-lock`, DRAFT, ...Object.values(MARK)]) await rm(join(folder, name), { force: true });
}

export function inUse(folder: string): EngineUnusable {
  return new EngineUnusable(
    `Another InterChat uses the data folder ${folder}. Stop it, or give this one a folder of its own: --data or INTERCHAT_DATA.`,
  );
}
