import type { Seq } from '../engine/engine.js';
import type { ClientIndex } from './client-index.js';
import { InvalidRequest } from './errors.js';
import type { Address } from './topics.js';

/** Who sent a message, by the name it had then. */
export interface Sender {
  readonly index: ClientIndex;
  readonly name: string | null;
}

/** What a sender hands over: a text, or any JSON value as data, or both. */
export interface Content {
  readonly text?: string;
  readonly data?: unknown;
}

/** Everything of a message but its id, which is its place in the log and so known only afterwards. */
export interface Envelope extends Content {
  readonly from: Sender | null;
  readonly to: Address;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
  readonly expiresAt?: number;
}

/** Deeper than any real document, and far from where recursion over it would exhaust the stack. */
const DEEPEST = 128;

/** Line ends to some readers of lines, though not to JSON or SSE; escaped, they are line ends to nobody. */
const LINE_SEPARATORS = /[\u0085\u2028\u2029]/g;

/**
 * A message as it is kept in the log: the JSON object that readers get, but for its `id`. No line end of any kind is left
 * in it, so it fits on one line of any stream.
 * @throws InvalidRequest when `data` is something JSON cannot carry
 */
export function encodeEnvelope({ from, to, text, data, sentAt, expiresAt }: Envelope): string {
  if (data !== undefined) assertJson(data);
  // Put together by hand, as it is done for each message: with JSON.stringify of the whole it takes more than twice as long.
  let json = `{"from":${from === null ? 'null' : encode(from)},"to":${encodeAddress(to)}`;
  if (text !== undefined) json += `,"text":${encode(text)}`;
  if (data !== undefined) json += `,"data":${encode(data)}`;
  json += `,"sentAt":"${isoTime(sentAt)}"`;
  if (expiresAt !== undefined) json += `,"expiresAt":"${new Date(expiresAt).toISOString()}"`;
  return `${json}}`;
}

function encode(value: unknown): string {
  return JSON.stringify(value).replace(LINE_SEPARATORS, escape);
}

function encodeAddress(to: Address): string {
  return 'client' in to ? `{"client":${to.client}}` : encode(to);
}

let lastTime = { milliseconds: NaN, text: '' };

/** RFC 3339, in UTC. Many messages are sent in one millisecond. */
function isoTime(milliseconds: number): string {
  if (milliseconds !== lastTime.milliseconds) lastTime = { milliseconds, text: new Date(milliseconds).toISOString() };
  return lastTime.text;
}

/**
 * The message as JSON text: the id put in front of what the log keeps. `null` where it was never stored.
 * @param late whether its reader has had messages with higher ids
 */
export function messageJson(seq: Seq | null, body: string, late = false): string {
  return `{"id":${seq === null ? 'null' : `"${seq}"`},${late ? '"late":true,' : ''}${body.slice(1)}`;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Refuses what would not come back as it went in: a number too large for a double, a nesting nobody can walk. */
function assertJson(value: unknown, depth = 0): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new InvalidRequest('data', 'data has a number that is too large to be kept; send it as a string.');
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth >= DEEPEST) throw new InvalidRequest('data', `data is nested more than ${DEEPEST} levels deep.`);
  for (const part of Object.values(value)) assertJson(part, depth + 1);
}
