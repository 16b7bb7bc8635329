import { isUtf8 } from 'node:buffer';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveSummary } from '../archive.js';
import type { Json, Restoration, Seq, Topic } from '../engine.js';

/**
 * An archive as a file: a JSON object a line. First a header, then all entries in the order of their places, then the floors
 * of topics, then the records of the directory, and at the end how many of each there are: a file that was cut short has no end.
 *
 *     {"format":"interchat-archive","version":1,"epoch":"…","snapshot":"…","last":7,"series":{"client":2},"secret":"…"}
 *     {"seq":7,"topic":"client.2","appendedAt":1767225600000,"text":"…"}
 *     {"topic":"client.2","floor":3}
 *     {"key":"client/2","value":{…}}
 *     {"end":{"entries":1,"floors":1,"records":1}}
 *
 * The header has `restorations` if there were any, as Log has them. An entry has `expiresAt` if it expires, and its body as `text`
 * where that is UTF-8, as `base64` where it is not.
 */
const FORMAT = 'interchat-archive';
const VERSION = 1;

/** How many there are of each. */
export interface Counts {
  entries: number;
  floors: number;
  records: number;
}

/** What a line says. */
export type Line =
  | { readonly kind: 'entry'; readonly entry: ArchivedEntry }
  | { readonly kind: 'floor'; readonly floor: ArchivedFloor }
  | { readonly kind: 'record'; readonly record: ArchivedRecord }
  | { readonly kind: 'end'; readonly counts: Counts };

/** What a first line says: the summary, or which version of the format it is where that is not this one. */
export type Header = { readonly summary: ArchiveSummary } | { readonly version: number };

/** Of the same archive always the same text. */
export function headerLine({ epoch, snapshot, last, series, restorations, secret }: ArchiveSummary): string {
  const sorted = Object.fromEntries(Object.entries(series).sort(([one], [other]) => (one < other ? -1 : 1)));
  return line({ format: FORMAT, version: VERSION, epoch, snapshot, last, series: sorted, restorations, secret });
}

export function entryLine({ seq, topic, appendedAt, expiresAt, body }: ArchivedEntry): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const kept = isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') };
  return line({ seq, topic, appendedAt, expiresAt, ...kept });
}

export function floorLine({ topic, floor }: ArchivedFloor): string {
  return line({ topic, floor });
}

export function recordLine({ key, value }: ArchivedRecord): string {
  return line({ key, value });
}

export function endLine({ entries, floors, records }: Counts): string {
  return line({ end: { entries, floors, records } });
}

/** Undefined for what is no header of an archive. */
export function readHeader(text: string): Header | undefined {
  const header = objectIn(text);
  if (header?.format !== FORMAT || !isWhole(header.version)) return undefined;
  if (header.version !== VERSION) return { version: header.version };
  const { epoch, snapshot, last, series, restorations, secret } = header;
  if (typeof epoch !== 'string' || typeof snapshot !== 'string' || !isWhole(last) || !isNumbers(series))
    return undefined;
  if (restorations !== undefined && !(Array.isArray(restorations) && restorations.every(isRestoration)))
    return undefined;
  if (secret !== undefined && (typeof secret !== 'string' || !SECRET.test(secret))) return undefined;
  const summary = { epoch, snapshot, last: last as Seq, series };
  return { summary: { ...summary, ...(restorations && { restorations }), ...(secret !== undefined && { secret }) } };
}

/** Undefined for what is no line of an archive. */
export function readLine(text: string): Line | undefined {
  const said = objectIn(text);
  if (said === undefined) return undefined;
  if ('seq' in said) return readEntry(said);
  if ('floor' in said) return readFloor(said);
  if ('key' in said) return readRecord(said);
  return readEnd(said);
}

/** 32 bytes or more. */
const SECRET = /^[A-Za-z0-9_-]{43,}$/;
const TOPIC = /^[A-Za-z0-9_.-]{1,128}$/;
const KEY = /^[A-Za-z0-9_./-]{1,256}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

type Said = Readonly<Record<string, unknown>>;

function readEntry({ seq, topic, appendedAt, expiresAt, text, base64 }: Said): Line | undefined {
  if (!isPlace(seq) || !isTopic(topic) || typeof appendedAt !== 'number') return undefined;
  let body: Buffer;
  if (typeof text === 'string') body = Buffer.from(text);
  else if (typeof base64 === 'string' && BASE64.test(base64)) body = Buffer.from(base64, 'base64');
  else return undefined;
  const entry = { seq, topic, body, appendedAt };
  if (expiresAt === undefined) return { kind: 'entry', entry };
  return typeof expiresAt === 'number' ? { kind: 'entry', entry: { ...entry, expiresAt } } : undefined;
}

function readFloor({ topic, floor }: Said): Line | undefined {
  return isTopic(topic) && isPlace(floor) ? { kind: 'floor', floor: { topic, floor } } : undefined;
}

function readRecord({ key, value }: Said): Line | undefined {
  if (typeof key !== 'string' || !KEY.test(key) || value === undefined) return undefined;
  return { kind: 'record', record: { key, value: value as Json } };
}

function readEnd({ end }: Said): Line | undefined {
  if (!isNumbers(end)) return undefined;
  const { entries, floors, records } = end;
  if (entries === undefined || floors === undefined || records === undefined) return undefined;
  return { kind: 'end', counts: { entries, floors, records } };
}

function line(said: object): string {
  return `${JSON.stringify(said)}\n`;
}

function objectIn(text: string): Said | undefined {
  try {
    const said: unknown = JSON.parse(text);
    return isObject(said) ? said : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Said {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPlace(value: unknown): value is Seq {
  return isWhole(value) && value > 0;
}

function isTopic(value: unknown): value is Topic {
  return typeof value === 'string' && TOPIC.test(value);
}

function isRestoration(value: unknown): value is Restoration {
  if (!isObject(value)) return false;
  const { epoch, series, after, upTo } = value;
  return typeof epoch === 'string' && isNumbers(series) && isWhole(after) && isWhole(upTo);
}

function isNumbers(value: unknown): value is Readonly<Record<string, number>> {
  return isObject(value) && Object.values(value).every(isWhole);
}
