import type { Test } from 'tap';
import { faultsOf, lateOf, wasTold } from './checker.js';
import type { Reader } from './reader.js';
import type { Sender } from './sender.js';

/** How long readers are given to get what is still on its way at the end, in milliseconds. */
const LAST = 30_000;

/** So many messages at least are to be acknowledged in all, for the checker to have something to go by. */
const ENOUGH = 1_000;

/**
 * Has everybody send until there is enough to go by, and then stop; and tests that what was acknowledged has come.
 * @param mayMiss those who were away for longer than messages are kept
 */
export async function judge(
  t: Test,
  senders: readonly Sender[],
  readers: readonly Reader[],
  mayMiss: readonly Reader[] = [],
): Promise<{ readonly late: number }> {
  // How many were sent by now depends on how long each fault lasted, and on how soon all was well again.
  await Promise.all(senders.map((sender) => sender.until(() => sender.acknowledged.length > ENOUGH / senders.length)));
  await Promise.all(senders.map((sender) => sender.stop()));
  const acknowledged = senders.flatMap((sender) => sender.acknowledged);
  const unknown = new Set(senders.flatMap((sender) => [...sender.unknown]));
  const stopped = performance.now();
  const all = readers.map((reader) => {
    const owed = acknowledged.filter(({ to }) => reader.targets.includes(to));
    return reader.until(() => owed.every((one) => reader.texts.has(one.text) || wasTold(reader.gaps, one)));
  });
  let timer: NodeJS.Timeout | undefined;
  // What is missing then, the checker tells better.
  await Promise.race([Promise.all(all), new Promise((resolve) => (timer = setTimeout(resolve, LAST)))]);
  clearTimeout(timer);
  t.comment(`all has come ${seconds(performance.now() - stopped)} after the last was sent`);

  const faults = faultsOf({ acknowledged, unknown }, readers, mayMiss);
  t.same(faults.slice(0, 10), [], `no fault (${faults.length})`);
  t.ok(acknowledged.length > ENOUGH, `${acknowledged.length} acknowledged, ${unknown.size} not known of`);
  const count = (of: (reader: Reader) => number) => readers.reduce((sum, reader) => sum + of(reader), 0);
  const late = count(lateOf);
  t.comment(
    `${count(({ received }) => received.length)} received on ${count(({ welcomes }) => welcomes.length)} connections, ` +
      `${late} of them late`,
  );
  t.comment(`tries that failed: ${JSON.stringify(Object.fromEntries(failuresOf(senders)))}`);
  return { late };
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function failuresOf(senders: readonly Sender[]): Map<string, number> {
  const failures = new Map<string, number>();
  for (const sender of senders) {
    for (const [why, count] of sender.failures) failures.set(why, (failures.get(why) ?? 0) + count);
  }
  return failures;
}
