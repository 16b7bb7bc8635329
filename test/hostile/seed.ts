import type { RunDetails } from 'fast-check';
import fc from 'fast-check';
import type { Test } from 'tap';

/** What chance is made of: the same on each run unless TEST_HOSTILE_SEED says another. */
export const SEED = Number(process.env.TEST_HOSTILE_SEED ?? 20260131);

/** Fails where a property does not hold, with what it takes to see it again. */
export async function report<Values>(details: Promise<RunDetails<Values>>, t: Test): Promise<void> {
  const found = await details;
  if (found.failed) t.fail(`TEST_HOSTILE_SEED=${found.seed}: ${fc.defaultReportMessage(found)}`);
  else t.pass(`${found.numRuns} runs`);
}
