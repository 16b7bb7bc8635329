import { EngineDamaged } from '../engine.js';

const ADVICE = 'Stop the server and run interchat verify, then restore a backup, or run interchat restore --salvage';

/** LMDB's words for a file that is not as LMDB has written it. */
const OF_LMDB =
  /\bMDB_(CORRUPTED|PAGE_NOTFOUND|BAD_TXN|PANIC|INVALID|VERSION_MISMATCH|CURSOR_FULL|PAGE_FULL|PROBLEM|BAD_VALSIZE|BAD_DBI|INCOMPATIBLE|BAD_CHECKSUM)\b/;

/** @param what what is not as it was written, such as `entry 17` */
export function damaged(what: string, cause?: unknown): EngineDamaged {
  return new EngineDamaged(`The data folder is damaged: ${what} is not what was written. ${ADVICE}.`, { cause });
}

/** What an error says of the store: an EngineDamaged where it is one, or comes from reading what is damaged. */
export function asDamage(error: unknown): EngineDamaged | undefined {
  if (error instanceof EngineDamaged) return error;
  if (!(error instanceof Error)) return undefined;
  const [code] = OF_LMDB.exec(error.message) ?? [];
  return code === undefined ? undefined : damaged(`a page that LMDB has read (${code})`, error);
}
