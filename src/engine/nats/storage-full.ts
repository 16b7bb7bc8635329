import { EngineUnavailable } from '../engine.js';

/** What JetStream answers instead of a place. */
export interface StoreError {
  readonly err_code?: number;
  readonly description?: string;
}

/** Codes of JetStream: the server, its account or its disk has no room left, whatever the stream. */
const SERVER_IS_FULL: ReadonlySet<number> = new Set([10_023, 10_047]);
const ACCOUNT_IS_FULL = 10_002;

/** The code for every failure to store; the description tells which. */
const NOT_STORED = 10_077;

/** JetStream refused a write for lack of room: it has not stored it. The message names the limit and what to do. */
export class StorageFull extends EngineUnavailable {}

/** @returns undefined when the refusal has another cause than lack of room */
export function storageFull(stream: string | undefined, error: StoreError): StorageFull | undefined {
  const limit = limitOf(stream, error);
  return limit === undefined
    ? undefined
    : new StorageFull(`NATS has no room left: ${limit}, or remove data; keeping less (--keep-messages) frees room too`);
}

function limitOf(stream: string | undefined, { err_code: code = 0, description = '' }: StoreError): string | undefined {
  if (/no space left/i.test(description)) return 'the disk of nats-server is full (no space left). Make room on it';
  if (SERVER_IS_FULL.has(code)) return `JetStream is at max_file_store (${description}). Raise it`;
  if (code === ACCOUNT_IS_FULL) return `the account is at its storage limit (${description}). Raise it`;
  if (code === NOT_STORED && /maximum \w+ exceeded/.test(description)) {
    return `the stream ${stream ?? 'of InterChat'} is at a limit of its own (${description}). Raise it`;
  }
  return undefined;
}
