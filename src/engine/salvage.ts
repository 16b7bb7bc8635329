import type { ArchivedFloor, ArchiveSource } from './archive.js';
import type { Seq, Topic } from './engine.js';

/** What is whole of something that is damaged. */
export interface SalvageSource extends ArchiveSource {
  /** Known from the beginning. */
  readonly losses: Losses;
}

/** What a damaged archive or folder has lost. */
export class Losses {
  /** Places, both included, at which there may have been entries. */
  readonly places: [from: number, to: number][] = [];
  /** How many entries and records; undefined where nothing says so. */
  entries: number | undefined = 0;
  records: number | undefined = 0;
  /** Whether what is kept besides, such as the secret, is whole. */
  hasSummary = true;

  add(from: number, to: number): void {
    if (from <= to) this.places.push([from, to]);
  }

  /** Keeps nothing of the places where the number of entries says that none is lost. */
  settle(): void {
    if (this.entries === 0) this.places.length = 0;
  }

  get isNone(): boolean {
    return this.entries === 0 && this.records === 0 && this.hasSummary && this.places.length === 0;
  }

  /** The floors of all topics, raised over all that is lost: an entry that is lost may have been of any of them. */
  *floors(kept: ReadonlyMap<Topic, number>, topics: Iterable<Topic>): Generator<ArchivedFloor> {
    const upTo = Math.max(0, ...this.places.map(([, to]) => to));
    for (const topic of new Set([...kept.keys(), ...topics])) {
      const floor = Math.max(kept.get(topic) ?? 0, upTo);
      if (floor > 0) yield { topic, floor: floor as Seq };
    }
  }
}

/** Raises a series to the number in the key of a record, such as `client/7`: the last number may be among what is lost. */
export function raiseSeries(series: Record<string, number>, key: string): void {
  const [, name, number] = /^([a-z]+)\/(\d{1,15})$/.exec(key) ?? [];
  if (name !== undefined) series[name] = Math.max(series[name] ?? 0, Number(number));
}
