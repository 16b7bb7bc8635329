import { EngineUnusable } from '../engine.js';
import type { Store } from './store.js';

/**
 * What makes a data folder of each format one of the next: by the format it takes. Each is one commit, which says the new format
 * too, so that a crash leaves one or the other.
 */
export type Migrations = Readonly<Record<number, Migration>>;

export interface Migration {
  /** Bytes by which the file may grow through it, at the most. */
  growth(store: Store): number;
  /** Makes the puts and removes. */
  write(store: Store): void;
}

/** The format of a data folder. One that is newer than the program is left alone. */
export const FORMAT = 2;

/** Format 1 was never in a release. */
const MIGRATIONS: Migrations = {};

/**
 * Brings a data folder to the format of this program, one step after the other.
 * @param format that it has
 * @throws EngineUnusable for one that is newer, or that nothing leads from; it is left as it is then
 */
export async function migrate(
  store: Store,
  folder: string,
  format: number,
  migrations = MIGRATIONS,
  to = FORMAT,
): Promise<void> {
  assertKnown(folder, format, migrations, to);
  for (let from = format; from < to; from++) {
    const migration = migrations[from];
    if (!migration) break;
    await store.commit(() => {
      migration.write(store);
      void store.meta.put('format', from + 1);
    }, migration.growth(store));
  }
}

/** @throws EngineUnusable for a format that is not this program's: to be read and not to be changed */
export function assertCurrent(folder: string, format: number): void {
  assertKnown(folder, format, {}, FORMAT);
}

function assertKnown(folder: string, format: number, migrations: Migrations, to: number): void {
  if (format === to) return;
  const written = (age: string) =>
    `The data folder ${folder} was written by ${age} InterChat (format ${format}, this one knows ${to}).`;
  if (!(format < to)) {
    throw new EngineUnusable(`${written('a newer')} Install that version or a later one.`);
  }
  for (let from = format; from < to; from++) {
    if (migrations[from]) continue;
    throw new EngineUnusable(`${written('an older')} Give this one another folder: --data or INTERCHAT_DATA.`);
  }
}
