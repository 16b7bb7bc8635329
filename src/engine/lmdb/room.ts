import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FILE } from './data-file.js';

/** Milliseconds that a disk has to answer. */
const PATIENCE = 500;

/** In bytes. */
export interface DiskRoom {
  /** What the file of a data folder takes. */
  readonly taken: number;
  /** What is left for this user on its disk. */
  readonly left: number;
}

/**
 * Asks for the room that a data folder takes and has left. One question at a time is under way: each takes a thread of the few
 * that there are, and a disk that hangs gives none of them back.
 * @returns rejects when the disk cannot be asked, or does not answer in half a second
 */
export function roomOf(folder: string): () => Promise<DiskRoom> {
  let asked: Promise<DiskRoom> | undefined;
  return () => {
    asked ??= ask(folder).finally(() => (asked = undefined));
    return inTime(asked);
  };
}

async function ask(folder: string): Promise<DiskRoom> {
  const { blocks } = await stat(join(folder, FILE));
  const { bavail, bsize } = await statfs(folder);
  // In units of 512 bytes, whatever the disk.
  return { taken: blocks * 512, left: bavail * bsize };
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the disk does not answer')), PATIENCE);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
