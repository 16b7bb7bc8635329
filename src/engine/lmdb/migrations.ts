import type { Database } from 'lmdb';
import { EngineUnusable } from '../engine.js';
import { damaged } from './damage.js';
import { withChecksum } from './record.js';
import { seal, sealValue } from './sealed.js';
import { GROWTH_OF_CHANGE, type Store } from './store.js';

/**
 * What makes a data folder of each format one of the next: by the format it takes. Each ends with one commit, which says the new
 * format too, so that a crash leaves one or the other.
 */
export type Migrations = Readonly<Record<number, Migration>>;

export interface Migration {
  /** Whether the folder is of a later format already, whatever it says. */
  isPast?(store: Store): boolean;
  /** Changes what is large beforehand, in commits of bounded size; goes on where an earlier run was interrupted. */
  prepare?(store: Store): Promise<void>;
  /** Bytes by which the file may grow through it, at the most. */
  growth(store: Store): number;
  /** Makes the puts and removes. */
  write(store: Store): void;
}

/** The format of a data folder. One that is newer than the program is left alone. */
export const FORMAT = 3;

/** Among the single values, as JSON, while a folder is being migrated: see {@link Progress}. */
export const MIGRATING = 'migrating';

/** How far a migration has come. */
interface Progress {
  /** The format that it makes another of. */
  readonly from: number;
  /** The name of the table, and the last row of it that has been changed. */
  readonly table: string;
  readonly after: number | string | null;
}

/** Rows, and bytes of them, changed in one commit. */
const STEP_ROWS = 2_000;
const STEP_BYTES = 2 * 1024 * 1024;

/** What a topic may be called, and an entry of format 2 has before its topic. */
const TOPIC = /^[A-Za-z0-9_.-]{1,128}$/;
const TOPIC_LENGTH_2 = 16;

/** Format 1 was never in a release. */
const MIGRATIONS: Migrations = {
  // Format 3 has a checksum in each row with content.
  2: {
    isPast: ({ meta }) => /^[0-9a-f]{8} "/.test(String(meta.rows.get('epoch'))),
    prepare: addChecksums,
    growth: () => 64 * GROWTH_OF_CHANGE,
    write: ({ meta }) => {
      const values = [...meta.rows.getRange()].filter(({ key }) => !['format', 'probe', MIGRATING].includes(key));
      for (const { key, value } of values) void meta.rows.put(key, sealValue(key, value));
      void meta.remove(MIGRATING);
    },
  },
};

/** Rewrites the rows of format 2 that have content, table by table. Programs that know format 2 alone refuse the folder meanwhile. */
async function addChecksums(store: Store): Promise<void> {
  const tables: { name: string; rows: Database<Buffer, number | string>; seal: (key: never, old: Buffer) => Buffer }[] =
    [
      { name: 'entries', rows: store.entries, seal: sealEntry },
      ...(['filed', 'floors', 'drops', 'dedups', 'records'] as const).map((name) => ({
        name,
        rows: store[name].rows,
        seal,
      })),
    ];
  const saved = store.meta.get(MIGRATING);
  const begun = saved === undefined ? undefined : (JSON.parse(String(saved)) as Progress);
  let at = begun ? tables.findIndex(({ name }) => name === begun.table) : 0;
  if (at < 0) throw damaged(`the value "${MIGRATING}"`);
  let after = begun?.after ?? null;
  for (; at < tables.length; at++, after = null) {
    const { name, rows, seal } = tables[at] as (typeof tables)[number];
    for (;;) {
      const step: { key: number | string; value: Buffer }[] = [];
      let bytes = 0;
      for (const { key, value } of rows.getRange(after === null ? {} : { start: after })) {
        if (key === after) continue;
        step.push({ key, value: seal(key as never, value) });
        bytes += value.length;
        if (step.length >= STEP_ROWS || bytes >= STEP_BYTES) break;
      }
      after = step.at(-1)?.key ?? null;
      const progress: Progress = { from: 2, table: name, after };
      if (step.length === 0) break;
      await store.commit(
        () => {
          for (const { key, value } of step) void rows.put(key, value);
          void store.meta.put('format', 3);
          void store.meta.put(MIGRATING, JSON.stringify(progress));
        },
        { growth: 2 * bytes + (step.length + 2) * GROWTH_OF_CHANGE },
      );
    }
  }
}

function sealEntry(seq: number, old: Buffer): Buffer {
  const start = TOPIC_LENGTH_2 + 1;
  const topic = old.toString('latin1', start, start + (old[TOPIC_LENGTH_2] ?? 0));
  if (old.length < start || !TOPIC.test(topic)) throw damaged(`entry ${seq}`);
  return withChecksum(seq, old);
}

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
  const begun = store.meta.get(MIGRATING);
  const first = begun === undefined ? format : (JSON.parse(String(begun)) as Progress).from;
  assertKnown(folder, first, migrations, to);
  for (let from = first; from < to; from++) {
    const migration = migrations[from];
    if (!migration) break;
    if (migration.isPast?.(store)) {
      throw new EngineUnusable(
        `The data folder ${folder} was written by an older InterChat (format ${from}), it says, but is of a later format: its format is damaged. Restore a backup, or run interchat restore --salvage.`,
      );
    }
    await migration.prepare?.(store);
    const write = () => {
      migration.write(store);
      void store.meta.put('format', from + 1);
    };
    await store.commit(write, { growth: migration.growth(store) });
  }
}

/**
 * @param isMigrating whether a migration has begun and not ended
 * @throws EngineUnusable for a format that is not this program's: to be read and not to be changed
 */
export function assertCurrent(folder: string, format: number, isMigrating: boolean): void {
  if (isMigrating || MIGRATIONS[format]) {
    throw new EngineUnusable(
      `The data folder ${folder} was written by an older InterChat. Start the server once: it brings the folder to its own format.`,
    );
  }
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
