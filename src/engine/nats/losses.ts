import { randomUUID } from 'node:crypto';
import type { StreamInfo } from '@nats-io/jetstream';
import type { Json, Restoration, Topic } from '../engine.js';
import type { Bucket } from './bucket.js';
import { SERIES } from './directory.js';
import { VOID } from './importing.js';
import { asked, type Link } from './link.js';
import type { LogPlaces } from './log-places.js';
import { askMark, type Mark, readMarks } from './marks.js';
import type { Names } from './names.js';
import { headersOf, Publisher } from './publisher.js';
import { epochFrom, isNotFound } from './log-description.js';

/** The streams of an InterChat as their leaders describe them; undefined where there is none. */
export interface Survey {
  readonly log: StreamInfo | undefined;
  readonly directory: StreamInfo | undefined;
  readonly keys: StreamInfo | undefined;
  /** How far they had come, as it was noted last and as a node that runs knows. */
  readonly noted: readonly Mark[];
}

/** Which streams are not as far as they were. */
export interface Losses {
  readonly log: boolean;
  readonly directory: boolean;
  readonly keys: boolean;
  /** What is wrong, in sentences for the operator. */
  readonly text: string;
}

/** What a start needs to know of losses that the operator accepts. */
export interface Acceptance {
  readonly losses: Losses;
  /** What the streams had reached at least. */
  readonly known: Mark;
  /** What was lost of the log was behind this sequence. */
  readonly after: number;
}

/** Places and numbers that are left out after a loss: as many may have been given out since they were noted last. */
const PLACES = 50_000;
const NUMBERS = 10_000;

/** Fillers that are on their way at the same time. */
const AT_ONCE = 2_000;

/** The key of {@link Restoration}s in the bucket. */
export const RESTORATIONS = 'restorations';

/** @throws EngineUnavailable, JetStreamApiError */
export async function surveyStreams(link: Link, names: Names): Promise<Survey> {
  const infoOf = (stream: string) =>
    link.jsm.streams.info(stream).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
  // First, as the streams of nodes that run go on meanwhile.
  const [noted, known] = await Promise.all([readMarks(link, names), askMark(link, names)]);
  const streams = [names.log, names.bucketStream, names.keys].map(infoOf);
  const [log, directory, keys] = await Promise.all(streams);
  return { log, directory, keys, noted: known ? [...noted, known] : noted };
}

/** What was lost since the streams were noted last; undefined when nothing was. */
export function lossesIn(found: Survey, names: Names): Losses | undefined {
  const { log, directory, keys, noted } = found;
  const texts: string[] = [];
  const isLost = (name: string, info: StreamInfo | undefined, known: number | undefined): boolean => {
    if (known === undefined) return false;
    if (!info) texts.push(`The stream ${name} is gone from NATS.`);
    else if (info.state.last_seq < known)
      texts.push(`The stream ${name} in NATS ends at ${info.state.last_seq}, and ${known} was stored.`);
    else return false;
    return true;
  };
  // Without a mark they are of an import or of an earlier version; or of a first start that broke off, and empty.
  const inUse = (info: StreamInfo | undefined) => (info?.state.last_seq ? 0 : undefined);
  const known: Partial<Mark> = highest(noted) ?? { log: inUse(directory), directory: inUse(log) };
  const isShort = isLost(names.log, log, known.log);
  const epoch = epochFrom(log?.config.description);
  const isOther = log !== undefined && noted.some((mark) => mark.epoch !== epoch);
  if (isOther) texts.push(`The log in NATS (${names.log}) is not the one that was used before.`);
  const losses = {
    log: isShort || isOther,
    directory: isLost(names.bucketStream, directory, known.directory),
    keys: isLost(names.keys, keys, known.keys),
  };
  return texts.length === 0 ? undefined : { ...losses, text: texts.join(' ') };
}

/**
 * The first half of going on after a loss: the streams. What is left stays, but for the messages of clients that nothing is
 * known of any more. The log gets another epoch and goes on after every place that may have been given out. Until the next
 * mark is noted every start finds the same loss, so one that breaks off is done again.
 * @param make makes the streams that are missing, the log with this epoch
 * @param forever topics that outlive their clients
 * @throws EngineUnavailable, JetStreamApiError
 */
export async function acceptLosses(
  { link, names }: { readonly link: Link; readonly names: Names },
  found: Survey,
  losses: Losses,
  make: (epoch: string) => Promise<void>,
  forever: readonly Topic[],
): Promise<Acceptance> {
  const { log, directory, noted } = found;
  const last = log?.state.last_seq ?? 0;
  const known = highest(noted) ?? { epoch: epochFrom(log?.config.description) ?? '', ...NOTHING_KNOWN, log: last };
  const before = Math.min(...noted.map(({ log }) => log));
  // A directory that is older than it was does not know which rooms clients entered since.
  const after = losses.directory ? (directory && noted.length > 0 ? Math.min(before, last) : 0) : last;
  const epoch = randomUUID();
  await make(epoch);
  if (losses.log) await advance(link, names, Math.max(last, known.log) + PLACES);
  if (!directory) await forgetClients(link, names, new Set(forever));
  return { losses, known, after };
}

/**
 * The second half: the records. From then on the log has a {@link Restoration}, so every reader gets `gap`.
 * @param places of the log
 * @param last the newest place of the log
 * @throws EngineUnavailable
 */
export async function settleLosses(
  bucket: Bucket,
  { losses, known, after }: Acceptance,
  places: LogPlaces,
  last: number,
): Promise<void> {
  const series: Record<string, number> = {};
  for (const [key, { value }] of bucket.all(SERIES)) series[key.slice(SERIES.length)] = Number(value);
  const earlier = restorationsIn(bucket);
  // An attempt that broke off has noted it already, before it raised the series.
  const same = earlier.find(({ epoch }) => epoch === known.epoch);
  const others = earlier.filter((one) => one !== same);
  // Without their dedup keys no messages are missing: no reader after this place has a gap.
  const none = others.at(-1)?.upTo ?? 0;
  const part =
    losses.log || losses.directory ? { after: places.toPlace(after), upTo: last } : { after: none, upTo: none };
  const all = [...others, { epoch: known.epoch, series: same?.series ?? series, ...part }];
  await bucket.update(RESTORATIONS, () => all as unknown as Json);
  if (!losses.directory) return;
  for (const name of new Set([...Object.keys(series), ...Object.keys(known.series)])) {
    const behind = Math.max(series[name] ?? 0, known.series[name] ?? 0) + NUMBERS;
    await bucket.update(SERIES + name, () => behind);
  }
}

/** How the log came to be what it is, see {@link Log.restorations}. */
export function restorationsIn(bucket: Bucket): readonly Restoration[] {
  return (bucket.get(RESTORATIONS)?.value ?? []) as unknown as readonly Restoration[];
}

const NOTHING_KNOWN = { directory: 0, keys: 0, series: {} };

/** What all of these marks say together. */
function highest(marks: readonly Mark[]): Mark | undefined {
  const [first] = marks;
  if (!first) return undefined;
  const most = (what: 'log' | 'directory' | 'keys') => Math.max(...marks.map((mark) => mark[what]));
  const series: Record<string, number> = {};
  for (const mark of marks) {
    for (const [name, number] of Object.entries(mark.series)) series[name] = Math.max(series[name] ?? 0, number);
  }
  const segments = marks.map((mark) => mark.segments ?? []).sort((one, other) => other.length - one.length)[0] ?? [];
  return { epoch: first.epoch, log: most('log'), directory: most('directory'), keys: most('keys'), series, segments };
}

/** Has the log go on after a sequence. */
async function advance(link: Link, names: Names, seq: number): Promise<void> {
  const { state } = await asked(link.jsm.streams.info(names.log));
  if (state.last_seq >= seq) return;
  // A stream without messages takes the sequence below which it is purged for its first.
  if (state.messages === 0) await asked(link.jsm.streams.purge(names.log, { seq: seq + 1 }));
  else await fill(link, names, seq - state.last_seq);
}

/** Uses up places of a log that has entries. */
async function fill(link: Link, names: Names, count: number): Promise<void> {
  const publisher = new Publisher(link);
  try {
    for (let left = count; left > 0; left -= AT_ONCE) {
      const publish = () => publisher.publish(names.subject(VOID), new Uint8Array(), headersOf({}));
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, publish));
    }
  } finally {
    publisher.close();
  }
  await asked(link.jsm.streams.purge(names.log, { filter: names.subject(VOID) }));
}

/** Removes what was sent to clients and rooms: their numbers and names are free for others. */
async function forgetClients(link: Link, names: Names, forever: ReadonlySet<Topic>): Promise<void> {
  const { state } = await asked(link.jsm.streams.info(names.log, { subjects_filter: names.subject('>') }));
  for (const subject of Object.keys(state.subjects ?? {})) {
    if (forever.has(names.topicOf(subject))) continue;
    await asked(link.jsm.streams.purge(names.log, { filter: subject }));
  }
}
