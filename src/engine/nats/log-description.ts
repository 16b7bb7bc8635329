import type { JetStreamApiError } from '@nats-io/jetstream';

/** The code of the API of JetStream for a stream that does not exist. */
const NOT_FOUND = 10_059;

/** What stands before the epoch in the description of the log: there, so that it goes wherever the stream goes. */
const DESCRIPTION = 'The log of InterChat. Epoch ';

/** The description of a log of this epoch. */
export function describeLog(epoch: string): string {
  return DESCRIPTION + epoch;
}

/** The epoch in the description of a stream; undefined if the stream is not a log. */
export function epochFrom(description = ''): string | undefined {
  return description.startsWith(DESCRIPTION) ? description.slice(DESCRIPTION.length) : undefined;
}

/** Whether JetStream says that there is no such stream; other errors say nothing of that. */
export function isNotFound(error: unknown): boolean {
  return (error as JetStreamApiError).code === NOT_FOUND;
}
