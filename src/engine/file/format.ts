import { isUtf8 } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import type { ArchivedEntry, ArchivedFloor, ArchivedRecord, ArchiveKind, ArchiveSummary } from '../archive.js';
import { checksum, CHECKSUM_LENGTH, checksumText } from '../checksum.js';
import type { Json, Restoration, Seq, Topic } from '../engine.js';

/**
 * An archive as a file: a JSON object a line. First a header, then the floors of topics, then the records of the directory, then
 * all entries in the order of their places, and at the end how many of each there are: a file that was cut short has no end.
 *
 *     {"format":"interchat-archive","version":2,"kind":"export","epoch":"…","snapshot":"…","last":7,"series":{"client":2},"secret":"…","crc":"…"}
 *     {"topic":"client.2","floor":3,"crc":"…"}
 *     {"key":"client/2","value":{…},"crc":"…"}
 *     {"seq":7,"topic":"client.2","appendedAt":1767225600000,"text":"…","crc":"…"}
 *     {"end":{"entries":1,"floors":1,"records":1},"sha256":"…","crc":"…"}
 *
 * The header has `restorations` if there were any, as Log has them. An entry has `expiresAt` if it expires, and its body as `text`
 * where that is UTF-8, as `base64` where it is not. Each line ends with the CRC-32 of what stands before `,"crc"` in it. The end has
 * the SHA-256 of all lines between the header and itself, in base64url.
 *
 * Version 1 had no `kind`, no checksums, and the entries before the floors.
 */
const FORMAT = 'interchat-archive';
const VERSION = 2;

/** The last version without checksums. */
const UNSEALED = 1;

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
  | { readonly kind: 'end'; readonly counts: Counts; readonly digest: string | undefined };

/** What a first line says. */
export interface Header {
  readonly version: number;
  /** Undefined in version 1, which did not say. */
  readonly kind: ArchiveKind | undefined;
  readonly summary: ArchiveSummary;
}

/** Which version of the format a file is, where this program does not know that. */
export interface NewerVersion {
  readonly version: number;
  readonly summary?: undefined;
}

/** What stands in the end line for the lines between it and the header. */
export class Digest {
  readonly #hash: Hash = createHash('sha256');

  /** Takes whole lines, with their line feeds. */
  add(lines: string | Uint8Array): void {
    this.#hash.update(lines);
  }

  /** Of all lines that were added. More may be added afterwards. */
  get text(): string {
    return this.#hash.copy().digest('base64url');
  }
}

/** Of the same archive always the same text. */
export function headerLine(kind: ArchiveKind, summary: ArchiveSummary): string {
  const { epoch, snapshot, last, series, restorations, secret } = summary;
  const sorted = Object.fromEntries(Object.entries(series).sort(([one], [other]) => (one < other ? -1 : 1)));
  return line({ format: FORMAT, version: VERSION, kind, epoch, snapshot, last, series: sorted, restorations, secret });
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

export function endLine({ entries, floors, records }: Counts, digest: string): string {
  return line({ end: { entries, floors, records }, sha256: digest });
}

/** Undefined for what is no header of an archive, `damaged` for one whose checksum is wrong. */
export function readHeader(bytes: Buffer): Header | NewerVersion | 'damaged' | undefined {
  const header = objectIn(bytes);
  if (header?.format !== FORMAT) return looksLikeHeader(bytes) ? 'damaged' : undefined;
  if (!isWhole(header.version) || header.version === 0) return 'damaged';
  if (header.version > VERSION) return { version: header.version };
  if (header.version === UNSEALED ? 'crc' in header : !isSealed(bytes)) return 'damaged';
  return headerOf(header) ?? 'damaged';
}

/** What can be read of a header whose checksum is wrong; undefined where a part is missing. */
export function salvageHeader(bytes: Buffer): Header | undefined {
  const header = objectIn(bytes);
  return header && headerOf(header);
}

/** Undefined for what is no line of an archive of this version, or whose checksum is wrong. */
export function readLine(bytes: Buffer, version = VERSION): Line | undefined {
  if (version !== UNSEALED && !isSealed(bytes)) return undefined;
  const said = objectIn(bytes);
  if (said === undefined || (version === UNSEALED && 'crc' in said)) return undefined;
  if ('seq' in said) return readEntry(said);
  if ('floor' in said) return readFloor(said);
  if ('key' in said) return readRecord(said);
  return readEnd(said, version);
}

/** Whether a line ends with its own checksum. */
export function isSealed(bytes: Buffer): boolean {
  const at = bytes.length - SEAL_LENGTH;
  if (at < 1) return false;
  const seal = bytes.toString('latin1', at);
  return seal.startsWith(SEAL) && seal === sealOf(checksum(bytes.subarray(0, at)));
}

/** What a checksum has before and after it. */
const SEAL = ',"crc":"';
const SEAL_END = '"}';
const SEAL_LENGTH = SEAL.length + CHECKSUM_LENGTH + SEAL_END.length;

function sealOf(value: number): string {
  return `${SEAL}${checksumText(value)}${SEAL_END}`;
}

function looksLikeHeader(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 64).startsWith(`{"format":"${FORMAT}"`);
}

function headerOf(header: Said): Header | undefined {
  const { version, kind, epoch, snapshot, last, series, restorations, secret } = header;
  if (!isWhole(version) || (version === UNSEALED ? kind !== undefined : kind !== 'backup' && kind !== 'export'))
    return undefined;
  if (typeof epoch !== 'string' || typeof snapshot !== 'string' || !isWhole(last) || !isNumbers(series))
    return undefined;
  if (restorations !== undefined && !(Array.isArray(restorations) && restorations.every(isRestoration)))
    return undefined;
  if (secret !== undefined && (typeof secret !== 'string' || !SECRET.test(secret))) return undefined;
  const summary = { epoch, snapshot, last: last as Seq, series };
  return {
    version,
    kind: kind as ArchiveKind | undefined,
    summary: { ...summary, ...(restorations && { restorations }), ...(secret !== undefined && { secret }) },
  };
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

function readEnd({ end, sha256 }: Said, version: number): Line | undefined {
  if (!isNumbers(end) || (version !== UNSEALED && typeof sha256 !== 'string')) return undefined;
  const { entries, floors, records } = end;
  if (entries === undefined || floors === undefined || records === undefined) return undefined;
  return { kind: 'end', counts: { entries, floors, records }, digest: sha256 as string | undefined };
}

function line(said: object): string {
  const text = JSON.stringify(said).slice(0, -1);
  return `${text}${sealOf(checksum(text))}\n`;
}

function objectIn(bytes: Buffer): Said | undefined {
  try {
    const said: unknown = JSON.parse(bytes.toString());
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
