import type { ArchivedEntry, ArchiveSource, ArchiveTarget } from './archive.js';
import type { Seq } from './engine.js';

/** What is handed over at a time, at the most: many entries, so that each costs little, but few enough for any memory. */
const MOST_ENTRIES = 2_000;
const MOST_BYTES = 4 * 1024 * 1024;

export interface Moved {
  /** Behind which place this run went on; 0 when it began. */
  readonly after: Seq;
  /** How many entries and records were moved by this run. */
  readonly entries: number;
  readonly records: number;
}

/** How far it has come: which place of how many. */
export type Progress = (seq: Seq, last: Seq) => void;

/**
 * Moves everything from one engine or file to another.
 * @param openTarget called when the source has proved to be one: nothing is made for what is none
 * @returns undefined when an earlier run has done it all
 * @throws ArchiveUnusable, EngineUnusable, EngineUnavailable; a later run goes on then
 */
export async function move(
  source: ArchiveSource,
  openTarget: () => Promise<ArchiveTarget>,
  progress: Progress = () => undefined,
): Promise<Moved | undefined> {
  const summary = await source.summary();
  const target = await openTarget();
  try {
    const after = await target.begin(summary);
    if (after === 'finished') return undefined;
    const count = { entries: 0, records: 0 };
    await target.rows(
      source.floors(),
      counted(source.records(), () => count.records++),
    );
    for await (const batch of batches(source.entries(after))) {
      await target.entries(batch);
      count.entries += batch.length;
      progress(batch.at(-1)?.seq ?? after, summary.last);
    }
    await target.finish();
    return { after, ...count };
  } finally {
    await target.close();
  }
}

async function* batches(entries: AsyncIterable<ArchivedEntry>): AsyncIterable<ArchivedEntry[]> {
  let batch: ArchivedEntry[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    batch.push(entry);
    bytes += entry.body.length;
    if (batch.length < MOST_ENTRIES && bytes < MOST_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function* counted<One>(ones: AsyncIterable<One>, count: () => void): AsyncIterable<One> {
  for await (const one of ones) {
    count();
    yield one;
  }
}
