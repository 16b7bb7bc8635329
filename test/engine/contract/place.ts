import type { Test } from 'tap';
import type { Appended, Engine, Entry, NewEntry, Relayed, Retention, Seq, Topic } from '../../../src/engine/engine.js';
import type { Place } from '../contract.js';

/** Makes a new, empty place, which is gone when the test ends. */
export type NewPlace = (t: Test) => Promise<Place>;

/** Opens an engine that is closed when the test ends, if the test has not closed it. */
export async function openIn(t: Test, place: Place, retention: Partial<Retention> = {}): Promise<Engine> {
  const engine = await place.open(retention);
  t.teardown(() => engine.close());
  return engine;
}

export function topicOf(name: string): Topic {
  return name as Topic;
}

export function entryOf(topic: Topic, text: string, more: Partial<NewEntry> = {}): NewEntry {
  return { topic, body: Buffer.from(text), ...more };
}

export function seqsOf(entries: readonly (Entry | Relayed | Appended)[]): Seq[] {
  return entries.map(({ seq }) => seq as Seq);
}

/** Appends one and says what became of it. */
export async function append(engine: Engine, entry: NewEntry): Promise<Appended> {
  const [appended] = await engine.log.append([entry]);
  if (!appended) throw new Error('append has answered with nothing');
  return appended;
}

/** Everything there is of a topic. */
export function all(engine: Engine, topic: Topic): Promise<Entry[]> {
  return engine.log.read(topic, { limit: 1_000_000 });
}

/** Whether numbers rise from each to the next. */
export function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, at) => at === 0 || number > (numbers[at - 1] as number));
}

/** Asks again until the answer is true: an engine does some things in its own time. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, patience = 15_000): Promise<void> {
  const end = performance.now() + patience;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`in ${patience} ms it did not come to pass that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
