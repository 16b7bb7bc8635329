import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Transaction } from 'lmdb';
import { EngineDamaged, EngineUnusable, type Entry } from '../engine.js';
import { lockAsReader } from './lock.js';
import { assertCurrent, MIGRATING } from './migrations.js';
import { unusable } from './open.js';
import { decodeEntry } from './record.js';
import { readSecret } from './secret.js';
import { FILE, openToRead, type Snapshot } from './store.js';

/** What was checked of a folder: one kind of thing. */
export interface Finding {
  readonly what: string;
  readonly isWhole: boolean;
  /** How much there is of it, or what is wrong with it. */
  readonly detail: string;
}

/** Damaged ones that are named. */
const MOST_NAMED = 5;

/**
 * Walks everything in a data folder, as it is at this moment: a server may use it.
 * @throws EngineUnusable when there is none, or it cannot be read
 */
export async function verifyLmdbFolder(folder: string): Promise<Finding[]> {
  if (!existsSync(join(folder, FILE))) {
    throw new EngineUnusable(
      `There is no data of InterChat in ${folder}. Give the folder of a server: --data or INTERCHAT_DATA.`,
    );
  }
  const unlock = await lockAsReader(folder);
  try {
    let opened: Awaited<ReturnType<typeof openToRead>>;
    try {
      opened = await openToRead(folder);
    } catch (error) {
      // Nothing else can be read without danger.
      return [{ what: 'pages', isWhole: false, detail: (error as Error).message }];
    }
    try {
      return [
        { what: 'pages', isWhole: true, detail: 'each is where it belongs' },
        ...(await checks(folder, opened.snapshot)),
      ];
    } finally {
      opened.snapshot.release();
      await opened.close();
    }
  } catch (error) {
    throw unusable(folder, error);
  } finally {
    await unlock();
  }
}

async function checks(folder: string, { tables, transaction }: Snapshot): Promise<Finding[]> {
  const findings: Finding[] = [];
  const check = (what: string, run: () => Omit<Finding, 'what'>) => {
    try {
      findings.push({ what, ...run() });
    } catch (error) {
      if (!(error instanceof EngineDamaged)) throw error;
      findings.push({ what, isWhole: false, detail: error.message });
    }
  };
  const { meta } = tables;
  assertCurrent(
    folder,
    Number(meta.get('format', { transaction })),
    meta.get(MIGRATING, { transaction }) !== undefined,
  );
  check('values', () => ({ isWhole: true, detail: `${[...meta.getRange({ transaction })].length}` }));
  check('entries', () => entries(tables, transaction));
  check('index', () => index(tables, transaction));
  for (const name of ['filed', 'floors', 'drops', 'dedups', 'records'] as const) {
    check(NAMES[name], () => {
      const { rows, damaged } = tables[name].damage({ transaction });
      return damaged.length === 0
        ? { isWhole: true, detail: String(rows) }
        : { isWhole: false, detail: `${damaged.length} of ${rows}: ${named(damaged)}` };
    });
  }
  const secret = await readSecret(folder).then(
    () => ({ what: 'secret', isWhole: true, detail: 'readable' }),
    (error: unknown) => ({ what: 'secret', isWhole: false, detail: (error as Error).message }),
  );
  return [...findings, secret];
}

const NAMES = {
  filed: 'numbers of entries',
  floors: 'floors',
  drops: 'drops',
  dedups: 'dedup keys',
  records: 'records',
} as const;

function entries({ entries, meta }: Snapshot['tables'], transaction: Transaction): Omit<Finding, 'what'> {
  const last = Number(meta.get('last', { transaction }) ?? 0);
  const damaged: string[] = [];
  let rows = 0;
  for (const { key, value } of entries.getRange({ transaction })) {
    rows++;
    if (key > last || !entryIn(key, value)) damaged.push(String(key));
  }
  return damaged.length === 0
    ? { isWhole: true, detail: String(rows) }
    : { isWhole: false, detail: `${damaged.length} of ${rows}, at the places ${named(damaged)}` };
}

/** Each row leads to an entry of its topic, each entry that is filed has a row, and the numbers of rows are those that are kept. */
function index(tables: Snapshot['tables'], transaction: Transaction): Omit<Finding, 'what'> {
  const { entries, index, filed, meta } = tables;
  const wrong = new Set<string>();
  const counts = new Map<string, number>();
  let rows = 0;
  for (const [topic, seq] of index.getKeys({ transaction })) {
    rows++;
    counts.set(topic, (counts.get(topic) ?? 0) + 1);
    const record = entries.get(seq, { transaction });
    const entry = record && entryIn(seq, record);
    if (entry?.topic !== topic) wrong.add(String(topic));
  }
  for (const topic of new Set([...counts.keys(), ...filed.getKeys({ transaction })])) {
    if ((counts.get(topic) ?? 0) !== (filed.get(topic, { transaction })?.count ?? 0)) wrong.add(topic);
  }
  const filedUpTo = Number(meta.get('filed', { transaction }) ?? 0);
  for (const { key, value } of entries.getRange({ end: filedUpTo + 1, transaction })) {
    const entry = entryIn(key, value);
    if (entry && index.get([entry.topic, key], { transaction }) === undefined) wrong.add(entry.topic);
  }
  return wrong.size === 0
    ? { isWhole: true, detail: `${rows} rows of ${counts.size} topics` }
    : { isWhole: false, detail: `of ${wrong.size} topics: ${named([...wrong].map((one) => JSON.stringify(one)))}` };
}

function entryIn(seq: number, record: Buffer): Entry | undefined {
  try {
    return decodeEntry(seq, record);
  } catch {
    return undefined;
  }
}

function named(damaged: readonly string[]): string {
  const more = damaged.length - MOST_NAMED;
  return damaged.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
