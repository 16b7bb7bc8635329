import type { JetStreamApiError } from '@nats-io/jetstream';

/** The code of the API of JetStream for a stream that does not exist. */
const NOT_FOUND = 10_059;

/** What stands before the epoch in the description of the log: there, so that it goes wherever the stream goes. */
const DESCRIPTION = 'The log of InterChat. Epoch ';

/** The same of a log with segments: see LogPlaces. Versions of InterChat that do not know segments refuse such a log. */
const SEGMENTED = 'The log of InterChat, in segments. Epoch ';

/** The description of a log of this epoch. */
export function describeLog(epoch: string, isSegmented = false): string {
  return (isSegmented ? SEGMENTED : DESCRIPTION) + epoch;
}

/** The epoch in the description of a stream; undefined if the stream is not a log. */
export function epochFrom(description = ''): string | undefined {
  const beginning = [DESCRIPTION, SEGMENTED].find((one) => description.startsWith(one));
  return beginning && description.slice(beginning.length);
}

/** Whether the description is of a log with segments. */
export function isSegmentedFrom(description = ''): boolean {
  return description.startsWith(SEGMENTED);
}

/** Whether JetStream says that there is no such stream; other errors say nothing of that. */
export function isNotFound(error: unknown): boolean {
  return (error as JetStreamApiError).code === NOT_FOUND;
}
